/** Reading an OpenAPI document: references, types in words, and examples made from schemas. */

const DEEPEST = 5;
const SAMPLES = { integer: 1, number: 1.5, string: "text", boolean: true };

export class Description {
  constructor(document) {
    this.document = document;
  }

  /** Follow a reference inside the document. */
  resolve(node) {
    let found = node;
    while (found?.$ref) {
      found = found.$ref
        .slice(2)
        .split("/")
        .reduce((at, step) => at?.[step.replaceAll("~1", "/").replaceAll("~0", "~")], this.document);
    }
    return found ?? {};
  }

  /** The name of a schema that is referred to, if it is. */
  nameOf(schema) {
    return schema?.$ref?.startsWith("#/components/schemas/") ? schema.$ref.split("/").at(-1) : "";
  }

  /** Each call with its method and path, by tag, in the document's order of tags. */
  groups() {
    const groups = new Map((this.document.tags ?? []).map((tag) => [tag.name, { ...tag, calls: [] }]));
    for (const [path, item] of Object.entries(this.document.paths ?? {})) {
      for (const method of ["get", "post", "put", "patch", "delete"]) {
        if (!item[method]) continue;
        const name = item[method].tags?.[0] ?? "Others";
        if (!groups.has(name)) groups.set(name, { name, calls: [] });
        groups.get(name).calls.push(this.call(path, method, item));
      }
    }
    return [...groups.values()].filter(({ calls }) => calls.length > 0);
  }

  call(path, method, item) {
    const operation = item[method];
    const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])];
    return { ...operation, path, method, parameters: parameters.map((parameter) => this.resolve(parameter)) };
  }

  /** Schemas that a type leads to, for links: `[{ text, name }]`. */
  type(schema) {
    const name = this.nameOf(schema);
    if (name) return [{ text: name, name }];
    const choices = schema?.anyOf ?? schema?.oneOf;
    if (choices) {
      return choices.flatMap((choice, index) => [...(index ? [{ text: " or " }] : []), ...this.type(choice)]);
    }
    if (schema?.type === "array") return [{ text: "list of " }, ...this.type(schema.items ?? {})];
    if (schema?.enum) return [{ text: schema.enum.map((value) => value ?? "null").join(" | ") }];
    if (schema?.const !== undefined) return [{ text: JSON.stringify(schema.const) }];
    return [{ text: [schema?.type ?? "anything"].flat().join(" or ") + bounds(schema) }];
  }

  /** The example of a media type, given or made. */
  example(content) {
    if (content?.example !== undefined) return content.example;
    const named = Object.values(content?.examples ?? {})[0];
    if (named) return this.resolve(named).value;
    return content?.schema ? this.sample(content.schema) : undefined;
  }

  sample(given, depth = 0) {
    const schema = this.resolve(given);
    if (schema.example !== undefined) return schema.example;
    if (schema.examples?.length) return schema.examples[0];
    for (const key of ["const", "default"]) if (schema[key] !== undefined) return schema[key];
    if (schema.enum) return schema.enum[0];
    const choice = (schema.anyOf ?? schema.oneOf)?.[0];
    if (choice) return this.sample(choice, depth);
    const type = [schema.type].flat().find((one) => one !== "null");
    if (type === "object" || schema.properties) return this.sampleObject(schema, depth);
    if (type === "array") return depth < DEEPEST ? [this.sample(schema.items ?? {}, depth + 1)] : [];
    return type === "integer" || type === "number" ? (schema.minimum ?? SAMPLES[type]) : (SAMPLES[type] ?? null);
  }

  sampleObject(schema, depth) {
    if (depth >= DEEPEST) return {};
    const fields = Object.entries(schema.properties ?? {});
    return Object.fromEntries(fields.map(([name, field]) => [name, this.sample(field, depth + 1)]));
  }
}

function bounds(schema) {
  const { minimum, maximum } = schema ?? {};
  if (minimum === undefined && maximum === undefined) return "";
  if (maximum === undefined || maximum >= 1e9) return minimum === undefined ? "" : `, from ${minimum}`;
  return minimum === undefined ? `, up to ${maximum}` : `, ${minimum} to ${maximum}`;
}
