/** Finds and makes elements. Text is always text: nothing here reads markup. */

/**
 * The element with an id.
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
export function part(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`no ${kind.name} with the id ${id}`);
  return found;
}

/**
 * A new element.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {string} [className]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, className = "", ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/**
 * A new part of a drawing.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number>} attributes
 * @returns {SVGElementTagNameMap[K]}
 */
export function draw(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

/** Fills a select; what was chosen stays in it, also where it is not among the choices. @param {string} id @param {{value: string, label: string}[]} choices @param {string} chosen */
export function options(id, choices, chosen) {
  const known = choices.some(({ value }) => value === chosen) ? choices : [...choices, { value: chosen, label: chosen }];
  const select = part(id, HTMLSelectElement);
  select.replaceChildren(...known.map(({ value, label }) => Object.assign(make("option", "", label), { value })));
  select.value = chosen;
}
