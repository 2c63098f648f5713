/* What the tests ask of the page as it is shown; each function answers what is wrong, so that nothing is well. */

const visible = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && element.getClientRects().length > 0;
const called = (element) => `${element.tagName.toLowerCase()}${element.id && `#${element.id}`} ${element.className} ${element.textContent.trim().slice(0, 40)}`;
const unseen = (element) => element.closest(".unseen, .skip") !== null;

function rgba(colour) {
  const [red, green, blue, alpha = 1] = colour.match(/[\d.]+/g).map(Number);
  return [red, green, blue, alpha];
}

function luminance(colour) {
  const [red, green, blue] = colour.slice(0, 3).map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function background(element) {
  for (let at = element; at; at = at.parentElement) {
    const colour = rgba(getComputedStyle(at).backgroundColor);
    if (colour[3] > 0.99) return colour;
  }
  return [255, 255, 255, 1];
}

function contrast(element, colour) {
  const [light, dark] = [luminance(rgba(colour)), luminance(background(element))].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

/** Text whose contrast is below 4.5 to 1. */
function faintTexts() {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const faint = new Set();
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !visible(element) || unseen(element)) continue;
    const ratio = contrast(element, getComputedStyle(element).color);
    if (ratio < 4.5) faint.add(`${called(element)}: ${ratio.toFixed(2)}`);
  }
  return [...faint];
}

/** Edges of fields and pictures in buttons whose contrast is below 3 to 1. */
function faintControls() {
  const faint = [];
  for (const element of document.querySelectorAll("input, textarea, button")) {
    if (!visible(element) || element.getAttribute("aria-disabled") === "true") continue;
    const style = getComputedStyle(element);
    const bare = element.tagName === "BUTTON";
    const ratio = contrast(bare ? element : element.parentElement, bare ? style.color : style.borderTopColor);
    if (ratio < 3) faint.push(`${called(element)}: ${ratio.toFixed(2)}`);
  }
  return faint;
}

/** Headings that leave out a level, or come before the first of all. */
function brokenHeadings() {
  const broken = [];
  let last = 0;
  for (const heading of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    if (!visible(heading)) continue;
    const level = Number(heading.tagName[1]);
    if (level > last + 1) broken.push(called(heading));
    last = level;
  }
  return broken;
}

/** Ids that stand twice, and references to ids that do not stand at all. */
function brokenReferences() {
  const broken = [];
  const ids = new Map();
  for (const { id } of document.querySelectorAll("[id]")) ids.set(id, (ids.get(id) ?? 0) + 1);
  for (const [id, times] of ids) if (times > 1) broken.push(`#${id} stands ${times} times`);
  for (const name of ["for", "aria-labelledby", "aria-describedby", "aria-controls"]) {
    for (const element of document.querySelectorAll(`[${name}]`)) {
      for (const id of element.getAttribute(name).split(" ")) if (!ids.has(id)) broken.push(`${called(element)}: no #${id}`);
    }
  }
  return broken;
}

/** Controls that are smaller than a finger: 44 by 44. */
function smallTargets() {
  const small = [];
  for (const element of document.querySelectorAll("button, input, textarea, nav a, .grip")) {
    if (!visible(element) || unseen(element)) continue;
    const { width, height } = element.getBoundingClientRect();
    if (Math.min(width, height) < 43.5) small.push(`${called(element)}: ${Math.round(width)} by ${Math.round(height)}`);
  }
  return small;
}

/** What sticks out at the side of the window. */
function sticksOut() {
  const wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
  const out = [...document.body.querySelectorAll("*")].filter(
    (element) => visible(element) && !unseen(element) && element.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5,
  );
  return [...(wide ? ["the page scrolls sideways"] : []), ...out.map(called)];
}
