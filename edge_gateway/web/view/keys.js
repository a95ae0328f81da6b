/** The keyboard: space talks, M mutes, Escape stops the reply, / types. Leaves alone whoever types or chooses. */

/**
 * @typedef {object} Keys
 * @property {() => boolean} holds true while the space bar is held to talk, false while a press of it is one of the large button
 * @property {(down: boolean) => void} hold
 * @property {() => void} talk
 * @property {() => void} mute
 * @property {() => void} cancel
 * @property {() => void} type
 */

/** @param {Keys} keys */
export function listenToKeys(keys) {
  addEventListener("keydown", (event) => down(event, keys));
  addEventListener("keyup", (event) => {
    if (event.key === " ") keys.hold(false);
  });
  // Whoever leaves the window lets go of the key without telling.
  addEventListener("blur", () => keys.hold(false));
}

/** @param {KeyboardEvent} event @param {Keys} keys */
function down(event, keys) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.key === "Escape") return keys.cancel();
  if (takesText(event.target)) return;
  if (event.key === " ") return space(event, keys);
  if (event.repeat) return;
  if (event.key === "m" || event.key === "M") keys.mute();
  if (event.key === "/") {
    event.preventDefault();
    keys.type();
  }
}

/** @param {KeyboardEvent} event @param {Keys} keys */
function space(event, keys) {
  const onTalk = event.target instanceof Element && event.target.id === "talk";
  if (event.target instanceof HTMLButtonElement && !onTalk) return;
  if (keys.holds()) {
    event.preventDefault();
    if (!event.repeat) keys.hold(true);
  } else if (event.repeat) {
    event.preventDefault();
  } else if (!onTalk) {
    event.preventDefault();
    keys.talk();
  }
}

/** @param {EventTarget | null} target */
function takesText(target) {
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}
