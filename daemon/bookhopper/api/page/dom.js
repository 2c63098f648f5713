/** Making elements.  What comes from outside goes in as text and never as markup. */

const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  pause: "M7.5 5v14M16.5 5v14",
  play: "M8 5.2v13.6L18.5 12z",
  cancel: "M6.5 6.5l11 11M17.5 6.5l-11 11",
  open: "M6 9.5l6 6 6-6",
  grip: "M9 6h.01M15 6h.01M9 12h.01M15 12h.01M9 18h.01M15 18h.01",
  top: "M6 4.5h12M12 20V9M7 13.5L12 8.5l5 5",
  up: "M12 19V5.5M6.5 11L12 5.5l5.5 5.5",
  down: "M12 5v13.5M6.5 13L12 18.5l5.5-5.5",
  again: "M19.5 12a7.5 7.5 0 1 1-2.4-5.5M19.5 4.5v4h-4",
  save: "M12 4.5v11M7 11l5 5 5-5M5 19.5h14",
  minus: "M6 12h12",
  plus: "M6 12h12M12 6v12",
};

/**
 * Make an element.  `on` holds event listeners, `data` the data-attributes; true sets an attribute without
 * a value, and null, undefined or false none.  Children are nodes or text; null is none.
 */
export function el(tag, { on = {}, data = {}, ...attributes } = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) attribute(element, name, value);
  for (const [name, listener] of Object.entries(on)) element.addEventListener(name, listener);
  Object.assign(element.dataset, data);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Set or remove an attribute, touching the document only where that changes it. */
export function attribute(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
    return;
  }
  const text = value === true ? "" : String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

/** Set an element's text, touching the document only where that changes it. */
export function text(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

/** An icon; it says nothing to a screen reader, for its button has a name. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Show another icon in an element made by `icon`. */
export function changeIcon(svg, name) {
  const path = svg.firstElementChild;
  if (path.getAttribute("d") === ICONS[name]) return;
  path.setAttribute("d", ICONS[name]);
  svg.setAttribute("class", `icon icon-${name}`);
}

export const byId = (id) => document.getElementById(id);
