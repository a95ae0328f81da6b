/** Asks whether to listen here, while another tab does. */

import { part } from "./dom.js";

/** @returns {Promise<boolean>} true: here, instead of there */
export function askWhetherHere() {
  const dialog = part("elsewhere", HTMLDialogElement);
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((answer) => dialog.addEventListener("close", () => answer(dialog.returnValue === "here"), { once: true }));
}
