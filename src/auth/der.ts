/**
 * As much of DER (X.690) as certificates need: elements of tag, length and content, one after the other. A reader checks
 * that each lies within its parent; nothing is copied.
 */

export interface DerElement {
  readonly tag: number;
  readonly content: Buffer;
}

/** Universal tags, and those of a certificate's context. */
export const derTags = {
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  sequence: 0x30,
  set: 0x31,
  numericString: 0x12,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  universalString: 0x1c,
  bmpString: 0x1e,
} as const;

/** @throws RangeError if `bytes` are no sequence of DER elements. */
export function readElements(bytes: Buffer): DerElement[] {
  const elements: DerElement[] = [];
  for (let at = 0; at < bytes.length;) {
    const tag = bytes.readUInt8(at);
    // Tags of several bytes are in no certificate.
    if ((tag & 0x1f) === 0x1f) throw new RangeError("a long tag");
    let length = bytes.readUInt8(at + 1);
    at += 2;
    if (length > 0x7f) {
      const lengthBytes = length & 0x7f;
      if (lengthBytes === 0 || lengthBytes > 4) throw new RangeError("no definite length");
      length = bytes.readUIntBE(at, lengthBytes);
      at += lengthBytes;
    }
    if (length > bytes.length - at) throw new RangeError("an element is longer than what holds it");
    elements.push({ tag, content: bytes.subarray(at, at + length) });
    at += length;
  }
  return elements;
}

/** `2.5.4.3` */
export function readObjectIdentifier(content: Buffer): string {
  const parts: number[] = [];
  let value = 0;
  for (const byte of content) {
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) {
      parts.push(value);
      value = 0;
    }
  }
  const [first = 0, ...rest] = parts;
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - root * 40, ...rest].join(".");
}

/** The text of a string of any of the kinds that names are written in; undefined for anything else. */
export function readText({ tag, content }: DerElement): string | undefined {
  switch (tag) {
    case derTags.utf8String:
      return content.toString("utf8");
    case derTags.numericString:
    case derTags.printableString:
    case derTags.ia5String:
    case derTags.teletexString:
      return content.toString("latin1");
    case derTags.bmpString:
      return content.length % 2 === 0 ? Buffer.from(content).swap16().toString("utf16le") : undefined;
    case derTags.universalString:
      return readUniversal(content);
    default:
      return undefined;
  }
}

function readUniversal(content: Buffer): string | undefined {
  let text = "";
  for (let at = 0; at + 4 <= content.length; at += 4) {
    const codePoint = content.readUInt32BE(at);
    if (codePoint > 0x10_ffff) return undefined;
    text += String.fromCodePoint(codePoint);
  }
  return content.length % 4 === 0 ? text : undefined;
}
