/**
 * The page's words in the reader's language. The texts are a flat JSON object, locales/LANGUAGE.json, in which `{name}`
 * stands for a value; numbers, lists and names of languages are written by Intl. Pure: knows nothing of where the texts are.
 */

/** @typedef {Record<string, string>} Texts */

export const LANGUAGES = /** @type {const} */ (["en", "de", "fr", "es"]);

let language = "en";
/** @type {Texts} */
let texts = {};

/** Speak this language from now on. @param {string} name BCP 47 @param {Texts} found */
export function use(name, found) {
  language = name;
  texts = found;
}

/**
 * The first of a reader's languages that the page has, or English.
 * @param {readonly string[]} wanted BCP 47, the best first
 * @returns {string}
 */
export function choose(wanted) {
  const bases = wanted.map(baseOf);
  return bases.find((each) => LANGUAGES.some((known) => known === each)) ?? "en";
}

/** A language without its region. @param {string} tag BCP 47 */
export function baseOf(tag) {
  return tag.toLowerCase().split(/[-_]/)[0] ?? tag;
}

/**
 * A text with its values in place. A key that is not known shows itself.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 */
export function text(key, values = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? number(value) : value;
  });
}

/** A number as people write it here. @param {number} value @param {Intl.NumberFormatOptions} [how] */
export function number(value, how = {}) {
  return new Intl.NumberFormat(language, { useGrouping: false, ...how }).format(value);
}

/** A share from 0 to 1 in percent. @param {number} share */
export function percent(share) {
  return new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 }).format(share);
}

/** Milliseconds, with a decimal only where it says something. @param {number} ms */
export function milliseconds(ms) {
  const digits = ms < 10 ? 1 : 0;
  return number(ms, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A time of day. @param {number} unixMs milliseconds since the Unix epoch */
export function clock(unixMs) {
  return new Intl.DateTimeFormat(language, { timeStyle: "short" }).format(unixMs);
}

/** How long ago something was: "2 min ago". @param {number} seconds */
export function ago(seconds) {
  const [value, unit] = largest(Math.max(0, seconds));
  return new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" }).format(-value, unit);
}

/** A time in the largest unit of which there is one. @param {number} seconds @returns {[number, Intl.RelativeTimeFormatUnit]} */
function largest(seconds) {
  if (seconds < 60) return [Math.floor(seconds), "second"];
  if (seconds < 3600) return [Math.floor(seconds / 60), "minute"];
  return seconds < 86_400 ? [Math.floor(seconds / 3600), "hour"] : [Math.floor(seconds / 86_400), "day"];
}

/** "a, b and c". @param {string[]} items */
export function list(items) {
  return new Intl.ListFormat(language, { type: "conjunction" }).format(items);
}

/** The name of a language. @param {string} tag BCP 47 */
export function languageName(tag) {
  try {
    return new Intl.DisplayNames(language, { type: "language" }).of(tag) ?? tag;
  } catch {
    return tag;
  }
}
