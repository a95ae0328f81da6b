/** Starts the page. */

import { listenToKeys } from "./view/keys.js";
import { part } from "./view/dom.js";
import { facts, save } from "./view/browser.js";
import { Page } from "./page.js";
import { missing } from "./client/conversation.js";

const page = new Page();

listenToKeys({
  holds: () => page.controls.holds,
  hold: (down) => page.controls.hold(down),
  talk: () => page.talk(),
  mute: () => page.mute(),
  cancel: () => page.cancel(),
  type: () => part("text", HTMLInputElement).focus(),
});
part("export", HTMLButtonElement).addEventListener("click", () => {
  const now = new Date().toISOString();
  save(page.record(now), now);
});
document.addEventListener("visibilitychange", () => void page.light.keep(page.live()));

const problem = missing();
if (problem) page.notice.show(problem);
const { voices, voices_problem, trace_url } = await facts();
page.timing.traceUrl = trace_url;
page.panel.showVoices(voices, voices_problem);
