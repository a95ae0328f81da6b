import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { textsOf } from "./english.js";

import { LANGUAGES, choose, languageName, list, milliseconds, number, percent, text, use } from "../../edge_gateway/web/model/text.js";

const WEB = fileURLToPath(new URL("../../edge_gateway/web/", import.meta.url));
const ENGLISH = textsOf("en");
const OTHERS = LANGUAGES.filter((each) => each !== "en");
const MODULES = readdirSync(WEB, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".js"));
const PAGES = ["index.html", "status.html"].map((name) => ({ name, markup: readFileSync(WEB + name, "utf8") }));

/** Strings of a module; what is said to programmers, in an Error of theirs or in a comment, is left out. @param {string} code */
function literals(code) {
  const without = code.replace(/new Error\([^;]*;/g, "").replace(/("(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, (whole, kept) => kept ?? "");
  return [...without.matchAll(/"((?:\\.|[^"\\\n])*)"|`((?:\\.|[^`\\])*)`/g)].map(([, plain, template]) => plain ?? (template ?? "").replace(/\$\{[^}]*\}/g, ""));
}

/** A sentence, or a label as people read it: not a name of an event, an element, a class or a key. @param {string} literal */
function isProse(literal) {
  const names = /^(Escape|Enter|AudioContext|Parley|Parley: | · Parley|[A-Z][a-z]+([A-Z][a-z]+)+|[a-z.]+\.)$/;
  if (names.test(literal)) return false;
  const words = literal.trim().split(" ");
  return (
    /^[A-Z][a-z’']+([ .,:;…!?]|$)/.test(literal) ||
    (words.length > 2 && words.every((word) => /^[a-z’']+[.,;:!?…]?$/.test(word))) ||
    /[a-z][.…!?]$/.test(literal.trim())
  );
}

/** @param {string} words */
const placeholders = (words) => [...words.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

for (const language of OTHERS) {
  test(`${language} has the same texts as English, with the same values in them`, () => {
    const theirs = textsOf(language);
    assert.deepEqual(Object.keys(theirs), Object.keys(ENGLISH));
    for (const [key, words] of Object.entries(ENGLISH)) {
      assert.ok(theirs[key]?.trim(), key);
      assert.deepEqual(placeholders(theirs[key] ?? ""), placeholders(words), key);
    }
  });
}

test("every language that a browser may choose has its file, and no other lies there", () => {
  assert.deepEqual(readdirSync(`${WEB}locales`).sort(), LANGUAGES.map((each) => `${each}.json`).sort());
});

test("prose is told from names", () => {
  for (const each of ["Interrupted", "Press the button", "it may still be loading", "Trying again…", "Voice: ", "measuring the next turn"]) assert.ok(isProse(each), each);
  for (const each of ["line user is-over", "data-empty", "REPLY_OUTCOME_FAILED", "Escape", "status.idle.word", "button, input", "(prefers-color-scheme: dark)"]) assert.ok(!isProse(each), each);
});

test("no module says anything but by the texts", () => {
  const found = MODULES.flatMap((name) => literals(readFileSync(WEB + name, "utf8")).filter(isProse).map((literal) => `${name}: ${literal}`));
  assert.deepEqual(found, []);
});

test("every text that a module or the page names is there", () => {
  const keys = new Set(Object.keys(ENGLISH));
  const named = MODULES.flatMap((name) => [...readFileSync(WEB + name, "utf8").matchAll(/\btext\("([^"]+)"/g)].map(([, key]) => key ?? ""));
  const inPages = PAGES.flatMap(({ markup }) => [...markup.matchAll(/\sdata-(?:text|label|title|placeholder|content)="([^"]+)"/g)].map(([, key]) => key ?? ""));
  assert.ok(inPages.length > 50);
  assert.deepEqual([...named, ...inPages].filter((key) => !keys.has(key)), []);
});

for (const { name: file, markup } of PAGES) {
  test(`${file} before its texts have come is in English`, () => {
    for (const [, key, words] of markup.matchAll(/data-text="([^"]+)"[^<>]*>([^<]*)</g)) assert.equal(words, ENGLISH[key ?? ""], key);
    for (const [name, attribute] of [["label", "aria-label"], ["title", "title"], ["placeholder", "placeholder"], ["content", "content"]]) {
      for (const [, key, words] of markup.matchAll(new RegExp(`data-${name}="([^"]+)"[^<>]*? ${attribute}="([^"]*)"`, "g"))) assert.equal(words, ENGLISH[key ?? ""], key);
    }
  });

  test(`nothing that people read stands in ${file} without its text's name`, () => {
    const body = markup.slice(markup.indexOf("<body"));
    const bare = [...body.matchAll(/<(\w+)([^<>]*)>([^<]*[A-Za-z][^<]*)</g)].filter(([, , attributes, words]) => !/data-text=/.test(attributes ?? "") && words?.trim());
    const allowed = ["Parley", "M", "/", "p50", "p95", "p99"];
    assert.deepEqual(bare.map(([, , , words]) => words?.trim()).filter((words) => !allowed.includes(words ?? "")), []);
    const attributes = [...body.matchAll(/<[^<>]*\s(aria-label|title|placeholder)="[^"]+"[^<>]*>/g)];
    const names = /** @type {Record<string, string>} */ ({ "aria-label": "data-label", title: "data-title", placeholder: "data-placeholder" });
    assert.deepEqual(attributes.filter(([whole, name]) => !whole.includes(`${names[name ?? ""]}="`)).map(([whole]) => whole), []);
  });
}

test("the first language of the reader that the page has is taken, and English where it has none", () => {
  assert.equal(choose(["de-AT", "en"]), "de");
  assert.equal(choose(["pt-BR", "es-419", "fr"]), "es");
  assert.equal(choose(["zh-Hant", "ja"]), "en");
  assert.equal(choose(["FR_ca"]), "fr");
  assert.equal(choose([]), "en");
});

test("numbers, shares, lists and languages are written as the reader writes them", () => {
  use("de", textsOf("de"));
  assert.deepEqual([number(1234.5), milliseconds(4.26), milliseconds(412.4), percent(0.56)], ["1234,5", "4,3", "412", "56\u00a0%"]);
  assert.equal(list(["Echo", "Rauschen", "Pegel"]), "Echo, Rauschen und Pegel");
  assert.equal(languageName("fr"), "Französisch");
  assert.equal(text("timing.which", { turn: 1, turns: 3 }), "Beitrag 1 von 3");
  use("en", ENGLISH);
  assert.equal(text("timing.which", { turn: 1, turns: 3 }), "turn 1 of 3");
  assert.equal(text("no.such.text"), "no.such.text");
});
