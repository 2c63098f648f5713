/** The reference of the API, made from its own description. */

import { byId, el } from "./dom.js";
import { Description } from "./schema.js";

const JSON_TYPE = "application/json";

/** Paragraphs, lists and code words of a description; the rest of Markdown is not used there. */
function prose(text = "") {
  return text.trim().split(/\n\s*\n/).filter(Boolean).map((block) => {
    const lines = block.split("\n");
    if (!lines[0].startsWith("- ")) return el("p", {}, ...words(block));
    const items = block.split(/(?:^|\n)- /).filter(Boolean);
    return el("ul", { class: "points" }, ...items.map((item) => el("li", {}, ...words(item))));
  });
}

const words = (text) => text.split(/`([^`]+)`/).map((part, index) => (index % 2 ? el("code", {}, part) : part));
const anchor = ({ method, path }) => `${method}${path.replaceAll(/[^a-z0-9]+/gi, "-")}`;
const asText = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
const code = (value) => el("pre", { tabindex: 0 }, el("code", {}, asText(value)));

class Reference {
  constructor(document) {
    this.document = document;
    this.description = new Description(document);
  }

  types(schema) {
    const words = this.description.type(schema);
    const links = words.map(({ text, name }) => (name ? el("a", { href: `#schema-${name}` }, text) : text));
    return el("span", { class: "type" }, ...links);
  }

  contents() {
    const groups = this.description.groups().map(({ name, calls }) => {
      const links = calls.map((call) => el("a", { href: `#${anchor(call)}` }, call.summary ?? call.path));
      return [el("h2", {}, name), el("ul", {}, ...links.map((link) => el("li", {}, link)))];
    });
    return [...groups.flat(), el("h2", {}, el("a", { href: "#schemas" }, "Schemas"))];
  }

  content() {
    const about = el("div", { class: "about" }, ...prose(this.document.info.description));
    const groups = this.description.groups().map(({ name, description, calls }) => {
      const articles = calls.map((call) => this.call(call));
      return el("section", { "aria-label": name }, el("h2", {}, name), ...prose(description), ...articles);
    });
    const schemas = Object.entries(this.document.components?.schemas ?? {});
    const articles = schemas.map(([name, schema]) => this.schema(name, schema));
    const last = el("section", { id: "schemas", "aria-label": "Schemas" }, el("h2", {}, "Schemas"), ...articles);
    return [about, ...groups, last];
  }

  call(call) {
    const method = el("span", { class: `method ${call.method}` }, call.method.toUpperCase());
    const title = el("h3", {}, method, " ", el("code", {}, call.path));
    const body = this.description.resolve(call.requestBody);
    return el(
      "article",
      { id: anchor(call) },
      title,
      el("p", { class: "summary" }, call.summary ?? ""),
      ...prose(call.description),
      this.parameters(call.parameters),
      ...this.body(body),
      this.answers(call.responses ?? {}),
      el("h4", {}, "For example"),
      code(this.curl(call, body)),
    );
  }

  parameters(parameters) {
    if (parameters.length === 0) return null;
    const rows = parameters.map(({ name, in: place, required, schema, description }) => [
      el("code", {}, name),
      `${place}${required ? ", required" : ""}`,
      this.types(schema),
      el("div", {}, ...prose(description)),
    ]);
    return table("Parameters", ["Name", "Where", "Type", "Meaning"], rows);
  }

  body(body) {
    return Object.entries(body.content ?? {}).flatMap(([type, media]) => {
      const example = this.description.example(media);
      const head = el("h4", {}, "Body ", el("span", { class: "type" }, type, " "), this.types(media.schema));
      return [head, ...(type === JSON_TYPE && example !== undefined ? [code(example)] : [])];
    });
  }

  answers(responses) {
    const rows = Object.entries(responses).map(([status, given]) => {
      const response = this.description.resolve(given);
      const media = response.content?.[JSON_TYPE];
      const meaning = el("div", {}, ...prose(response.description));
      if (media && Number(status) < 300) {
        meaning.append(el("details", {}, el("summary", {}, "Example"), code(this.description.example(media))));
      }
      return [el("code", {}, status), media ? this.types(media.schema) : "", meaning];
    });
    return table("Answers", ["Status", "Type", "Meaning"], rows);
  }

  curl(call, body) {
    const parts = ["curl"];
    if (call.method !== "get") parts.push(`-X ${call.method.toUpperCase()}`);
    parts.push("-H 'Authorization: Bearer TOKEN'");
    const [type] = Object.keys(body.content ?? {});
    if (type === JSON_TYPE) {
      const example = JSON.stringify(this.description.example(body.content[type]));
      parts.push("-H 'Content-Type: application/json'", `-d '${example.replaceAll("'", "'\\''")}'`);
    } else if (type) {
      parts.push("--data-binary @to-read.txt");
    }
    parts.push(`'${window.location.origin}${this.filled(call)}'`);
    return parts.join(" \\\n  ");
  }

  /** A call's path with examples in place of its parameters. */
  filled({ path, parameters }) {
    const value = (parameter) => encodeURIComponent([this.description.example(parameter) ?? "…"].flat().join(","));
    const query = parameters.filter((parameter) => parameter.in === "query" && parameter.required);
    const whole = path.replaceAll(/\{(\w+)\}/g, (hole, name) => {
      const parameter = parameters.find((one) => one.name === name);
      return parameter ? value(parameter) : hole;
    });
    const asked = query.map((parameter) => `${parameter.name}=${value(parameter)}`).join("&");
    return asked ? `${whole}?${asked}` : whole;
  }

  schema(name, schema) {
    const required = new Set([schema, ...(schema.allOf ?? [])].flatMap((one) => one.required ?? []));
    const rows = Object.entries(schema.properties ?? {}).map(([field, inner]) => [
      el("code", {}, field),
      this.types(inner),
      el("div", {}, ...prose(inner.description), ...(required.has(field) ? [] : prose("May be left out."))),
    ]);
    const fields = rows.length
      ? table(`Fields of ${name}`, ["Field", "Type", "Meaning"], rows)
      : el("p", {}, this.types(schema));
    return el("article", { id: `schema-${name}` }, el("h3", {}, name), ...prose(schema.description), fields);
  }
}

function table(caption, heads, rows) {
  const head = el("tr", {}, ...heads.map((word) => el("th", { scope: "col" }, word)));
  const body = rows.map((cells) => el("tr", {}, ...cells.map((cell) => el("td", {}, cell))));
  const whole = [el("caption", {}, caption), el("thead", {}, head), el("tbody", {}, ...body)];
  return el("div", { class: "table" }, el("table", {}, ...whole));
}

const UNREADABLE = "The description cannot be read: bookhopper does not answer. Reload the page once it is back.";

const answer = await fetch("/api/openapi.json").catch(() => ({ ok: false }));
if (answer.ok) {
  const reference = new Reference(await answer.json());
  byId("fold").open = window.matchMedia("(min-width: 62rem)").matches;
  byId("contents").replaceChildren(...reference.contents());
  byId("reference").replaceChildren(...reference.content());
  byId("reference").removeAttribute("aria-busy");
  if (window.location.hash) document.getElementById(window.location.hash.slice(1))?.scrollIntoView();
} else {
  byId("problem").textContent = UNREADABLE;
}
