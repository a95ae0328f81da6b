/** Puts the page into its reader's language: loads the texts that the browser's languages ask for, and fills them in. */

import { baseOf, choose, text, use } from "../model/text.js";

/** @typedef {import("../model/text.js").Texts} Texts */

/** Attributes of index.html that name a text, and what of the element it is for; `data-text` is for its content. */
const ATTRIBUTES = { label: "aria-label", title: "title", placeholder: "placeholder", content: "content" };

/** Speaks the reader's language from now on; the page stays in English where its texts cannot be loaded. */
export async function speakTheirs() {
  const language = choose(navigator.languages);
  const texts = (await load(language)) ?? (await load("en"));
  if (!texts) return;
  use(language, texts);
  document.documentElement.lang = language;
  translate(document);
}

/**
 * A text in another language than the page's, or in English where the page has not that one.
 * @param {string} language BCP 47
 * @param {string[]} keys
 */
export async function inLanguage(language, keys) {
  const texts = (await load(choose([baseOf(language)]))) ?? {};
  return keys.map((key) => texts[key]).filter((each) => typeof each === "string");
}

/** @param {string} language @returns {Promise<Texts | undefined>} */
async function load(language) {
  try {
    const response = await fetch(new URL(`../locales/${language}.json`, import.meta.url));
    return response.ok ? await response.json() : undefined;
  } catch {
    return undefined;
  }
}

/** Fills in every text that the elements within `root` name. @param {ParentNode} root */
function translate(root) {
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = text(element.getAttribute("data-text") ?? "");
  for (const [name, attribute] of Object.entries(ATTRIBUTES)) {
    for (const element of root.querySelectorAll(`[data-${name}]`)) element.setAttribute(attribute, text(element.getAttribute(`data-${name}`) ?? ""));
  }
}
