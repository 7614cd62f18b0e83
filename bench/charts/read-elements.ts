// Says whether a text is well-formed XML, as far as charts use XML: elements, attributes, text and the five named entities. Node
// reads no XML, and an SVG that is not well-formed is shown as nothing at all.

const entity = /&(?:amp|lt|gt|quot|apos);/g;
const tag = /<(\/?)([A-Za-z][\w-]*)((?:\s+[A-Za-z][\w:-]*="[^"<]*")*)\s*(\/?)>/y;

/** The names and attributes of all elements in their order. Errors: the first thing that is not well-formed. */
export function readElements(text: string): { name: string; attributes: ReadonlyMap<string, string> }[] {
  const found: { name: string; attributes: ReadonlyMap<string, string> }[] = [];
  const open: string[] = [];
  let at = 0;
  while (at < text.length) {
    const next = text.indexOf("<", at);
    const words = text.slice(at, next < 0 ? text.length : next);
    if (/[&>]/.test(words.replaceAll(entity, ""))) throw new Error(`not escaped: ${words}`);
    if (open.length === 0 && words.trim() !== "") throw new Error(`outside of all elements: ${words}`);
    if (next < 0) break;
    tag.lastIndex = next;
    const match = tag.exec(text);
    if (match === null) throw new Error(`no tag: ${text.slice(next, next + 80)}`);
    const [whole, isEnd, name = "", list = "", isEmpty] = match;
    if (isEnd !== "") {
      if (open.pop() !== name) throw new Error(`</${name}> ends nothing`);
    } else {
      if (open.length === 0 && found.length > 0) throw new Error(`a second root: ${name}`);
      found.push({ name, attributes: readAttributes(list) });
      if (isEmpty === "") open.push(name);
    }
    at = next + whole.length;
  }
  if (open.length > 0) throw new Error(`<${open.at(-1)}> does not end`);
  return found;
}

function readAttributes(list: string): Map<string, string> {
  const attributes = new Map<string, string>();
  for (const [, name = "", value = ""] of list.matchAll(/([\w:-]+)="([^"]*)"/g)) {
    if (attributes.has(name)) throw new Error(`${name} stands twice`);
    if (value.replaceAll(entity, "").includes("&")) throw new Error(`not escaped: ${value}`);
    attributes.set(name, value);
  }
  return attributes;
}
