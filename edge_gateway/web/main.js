/** Starts the page. */

import { missing } from "./client/conversation.js";
import { Page } from "./page.js";
import { facts, save } from "./view/browser.js";
import { part } from "./view/dom.js";
import { listenToKeys } from "./view/keys.js";

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
  save(page.exported(now), now);
});
document.addEventListener("visibilitychange", () => void page.wakeLock.keep(page.live()));

const problem = missing();
if (problem) page.notice.show(problem);
const { voices, voices_problem, trace_url } = await facts();
page.timing.traceUrl = trace_url;
page.panel.showVoices(voices, voices_problem);
