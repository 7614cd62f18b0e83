/**
 * Which user a client certificate stands for, as RabbitMQ reads it: the subject's distinguished name in the form of RFC
 * 4514 (`CN=client,O=Acme`, the last part first), its common names, or one of its alternative names.
 *
 * The certificate is read from its bytes. OpenSSL's and Node's one-line texts of it have let names slip in that hold
 * commas and line feeds, and here a name is who somebody is. The chain must have been verified before: this function believes
 * everything.
 */

import { derTags, readElements, readObjectIdentifier, readText, type DerElement } from "./der.ts";

export type SanType = "dns" | "ip" | "email" | "uri" | "other_name";

/** Where the name is looked for. */
export type CertificateLoginFrom =
  | { readonly from: "distinguished_name" }
  | { readonly from: "common_name" }
  /** The name with this index, from 0, among those of the type. */
  | { readonly from: "subject_alternative_name"; readonly type: SanType; readonly index: number };

interface Attribute {
  readonly type: string;
  readonly value: DerElement;
}

const commonName = "2.5.4.3";
const alternativeNames = "2.5.29.17";

/** RabbitMQ's names of attributes; others are written as numbers. */
const nameByType: Readonly<Record<string, string>> = {
  "2.5.4.4": "SN",
  "2.5.4.42": "GIVENNAME",
  "2.5.4.43": "INITIALS",
  "2.5.4.44": "GENERATIONQUALIFIER",
  [commonName]: "CN",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
  "2.5.4.12": "TITLE",
  "2.5.4.6": "C",
  "2.5.4.5": "SERIALNUMBER",
  "2.5.4.65": "PSEUDONYM",
  "0.9.2342.19200300.100.1.25": "DC",
  "1.2.840.113549.1.9.1": "EMAILADDRESS",
  "0.9.2342.19200300.100.1.1": "UID",
};

const tagByType: Readonly<Record<SanType, number>> = { other_name: 0xa0, email: 0x81, dns: 0x82, uri: 0x86, ip: 0x87 };

/** The name in a certificate (in DER); undefined if there is none of the kind, or it is no certificate. */
export function nameOfCertificate(der: Buffer, where: CertificateLoginFrom): string | undefined {
  try {
    const { subject, extensions } = readCertificate(der);
    if (where.from === "subject_alternative_name") return alternativeName(extensions, where.type, where.index);
    if (where.from === "distinguished_name") return subject.toReversed().map(showRelative).join(",") || undefined;
    const names = subject.flat().filter(({ type }) => type === commonName);
    return names.map(({ value }) => showValue(value)).join(",") || undefined;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/**
 *     Certificate ::= SEQUENCE { tbsCertificate, ... }
 *     TBSCertificate ::= SEQUENCE { [0] version?, serial, algorithm, issuer, validity, subject, key, ..., [3] extensions? }
 */
function readCertificate(der: Buffer): {
  subject: Attribute[][];
  extensions: Buffer | undefined;
} {
  const fields = inside(inside(only(der, derTags.sequence))[0], derTags.sequence);
  const start = fields[0]?.tag === 0xa0 ? 1 : 0;
  return {
    subject: readName(fields[start + 4]),
    extensions: fields.find(({ tag }) => tag === 0xa3)?.content,
  };
}

/** A name is a sequence of sets of attributes; most sets hold one. */
function readName(name: DerElement | undefined): Attribute[][] {
  return inside(name, derTags.sequence).map((relative) =>
    inside(relative, derTags.set).map((attribute) => {
      const [type, value] = inside(attribute, derTags.sequence);
      if (type?.tag !== derTags.objectIdentifier || value === undefined) throw new RangeError("no attribute");
      return { type: readObjectIdentifier(type.content), value };
    }),
  );
}

function alternativeName(extensions: Buffer | undefined, type: SanType, index: number): string | undefined {
  if (extensions === undefined) return undefined;
  for (const extension of inside(only(extensions, derTags.sequence))) {
    const parts = inside(extension, derTags.sequence);
    if (parts[0]?.tag !== derTags.objectIdentifier || readObjectIdentifier(parts[0].content) !== alternativeNames)
      continue;
    const value = parts.find(({ tag }) => tag === derTags.octetString);
    if (value === undefined) throw new RangeError("an extension without a value");
    const names = inside(only(value.content, derTags.sequence)).filter(({ tag }) => tag === tagByType[type]);
    return names[index] && (showAlternative(type, names[index].content) || undefined);
  }
  return undefined;
}

function showAlternative(type: SanType, content: Buffer): string | undefined {
  if (type === "ip") return showIp(content);
  if (type !== "other_name") return content.toString("latin1");
  // OtherName ::= SEQUENCE { type-id, [0] EXPLICIT value }
  const wrapped = readElements(content).find(({ tag }) => tag === 0xa0);
  const value = wrapped && readElements(wrapped.content)[0];
  return value && readText(value);
}

function showIp(bytes: Buffer): string | undefined {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) return undefined;
  const groups = Array.from({ length: 8 }, (_, n) => bytes.readUInt16BE(n * 2).toString(16));
  return groups.join(":");
}

function showRelative(attributes: readonly Attribute[]): string {
  return attributes.map(({ type, value }) => `${nameByType[type] ?? type}=${escapeValue(showValue(value))}`).join("+");
}

/** What is no text is shown as its bytes, RFC 4514 section 2.4. */
function showValue(value: DerElement): string {
  return readText(value) ?? `#${value.content.toString("hex")}`;
}

/** RFC 4514 section 2.4, and everything that is not printable ASCII as the hexadecimal of its UTF-8. */
function escapeValue(text: string): string {
  let escaped = "";
  const bytes = Buffer.from(text, "utf8");
  for (const [at, byte] of bytes.entries()) {
    const character = String.fromCharCode(byte);
    const isAtEdge = (at === 0 && " #".includes(character)) || (at === bytes.length - 1 && character === " ");
    if (isAtEdge || '"+,;<>\\'.includes(character)) escaped += `\\${character}`;
    else if (byte < 32 || byte >= 126) escaped += `\\${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    else escaped += character;
  }
  return escaped;
}

function only(bytes: Buffer, tag: number): DerElement {
  const [element] = readElements(bytes);
  if (element?.tag !== tag) throw new RangeError("not what should be here");
  return element;
}

function inside(element: DerElement | undefined, tag = element?.tag): DerElement[] {
  if (element === undefined || element.tag !== tag) throw new RangeError("not what should be here");
  return readElements(element.content);
}
