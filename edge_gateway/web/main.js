/** Starts the page. */

import { missing } from "./client/conversation.js";
import { plainText } from "./model/plain-text.js";
import { Page } from "./page.js";
import { save } from "./view/browser.js";
import { part } from "./view/dom.js";
import { KeepMenu } from "./view/keep.js";
import { listenToKeys } from "./view/keys.js";
import { speakTheirs } from "./view/locale.js";
import { VoicePreview } from "./view/preview.js";

await speakTheirs();
const page = new Page();

listenToKeys({
  holds: () => page.controls.holds,
  hold: (down) => page.controls.hold(down),
  talk: () => page.talk(),
  mute: () => page.mute(),
  cancel: () => page.cancel(),
  type: () => part("text", HTMLInputElement).focus(),
});
new KeepMenu({
  begin: () => page.startAnew(),
  text: () => plainText(page.transcript.lines),
  save: (ending) => {
    const now = new Date().toISOString();
    save(ending === "txt" ? plainText(page.transcript.lines) : JSON.stringify(page.exported(now), null, 2), ending, now);
  },
  say: (words) => page.announcer.say(words),
});
new VoicePreview(() => page.settings, (words) => page.panel.voices.note(words));
addEventListener("pagehide", () => page.keep());
document.addEventListener("visibilitychange", () => void page.wakeLock.keep(page.live()));

const lacking = missing();
if (lacking) page.notice.show(lacking);
await page.learn();
