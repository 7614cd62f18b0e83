/** Forms with a file in them (multipart/form-data, RFC 7578), as a page or `curl -F` sends one. */

/** The parts by name, of several with one name the last. Undefined: it is no such form, or not a whole one. */
export function readForm(contentType: string, body: Buffer): ReadonlyMap<string, Buffer> | undefined {
  const boundary = parameter(contentType, "boundary");
  if (boundary === undefined || boundary === "" || boundary.length > 70) return undefined;
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  // The first delimiter has no line before it.
  const whole = Buffer.concat([Buffer.from("\r\n"), body]);
  const parts = new Map<string, Buffer>();
  let at = whole.indexOf(delimiter);
  while (at >= 0) {
    const start = at + delimiter.length;
    if (whole.toString("latin1", start, start + 2) === "--") return parts;
    const next = whole.indexOf(delimiter, start);
    const headEnd = whole.indexOf("\r\n\r\n", start);
    if (next < 0 || headEnd < 0 || headEnd > next) return undefined;
    const name = nameOf(whole.toString("utf8", start, headEnd));
    if (name !== undefined) parts.set(name, whole.subarray(headEnd + 4, next));
    at = next;
  }
  return undefined;
}

function nameOf(head: string): string | undefined {
  const line = head.split("\r\n").find((each) => /^content-disposition:/i.test(each));
  return line === undefined ? undefined : parameter(line, "name");
}

function parameter(header: string, name: string): string | undefined {
  const [, quoted, plain] = new RegExp(`;\\s*${name}=(?:"([^"]*)"|([^;\\s]+))`, "i").exec(header) ?? [];
  return quoted ?? plain;
}
