/** Has the modules speak English, as a test that reads their words needs. */

import { readFileSync } from "node:fs";

import { use } from "../../edge_gateway/web/model/text.js";

/** @param {string} language @returns {Record<string, string>} */
export function textsOf(language) {
  return JSON.parse(readFileSync(new URL(`../../edge_gateway/web/locales/${language}.json`, import.meta.url), "utf8"));
}

use("en", textsOf("en"));
