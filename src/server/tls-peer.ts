/**
 * What a TLS connection says of its peer, in words that protocols and people know: names in RFC 4514's form, a suite's parts.
 *
 * Names are used to log in, so their form is fixed: the last part first, separated by commas, attribute types in capitals,
 * everything that is not printable ASCII as the hexadecimal of its UTF-8 bytes. That is the form in which the users of other
 * brokers have been named after certificates. OpenSSL's own text is close to it and is read back here rather than the
 * certificate's bytes: its escapes are complete, so nothing in a value can pass for a separator.
 */

import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { AlternativeName, PeerCertificate, PeerTls } from "./protocol.ts";

export function peerTls(socket: TLSSocket): PeerTls {
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  return {
    version: socket.getProtocol() ?? "",
    ...suiteParts(socket.getCipher()?.standardName ?? ""),
    certificate: certificate === undefined ? undefined : peerCertificate(certificate),
  };
}

export function peerCertificate(certificate: X509Certificate): PeerCertificate {
  const subject = distinguishedName(certificate.subject);
  return {
    subject: subject.text,
    issuer: distinguishedName(certificate.issuer).text,
    commonName: subject.commonName,
    alternativeNames: alternativeNames(certificate.subjectAltName ?? ""),
    serialNumber: certificate.serialNumber,
    beginsAtMs: Date.parse(certificate.validFrom),
    endsAtMs: Date.parse(certificate.validTo),
  };
}

/** `TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384`, or TLS 1.3's `TLS_AES_256_GCM_SHA384`, in its parts. */
export function suiteParts(standardName: string): Pick<PeerTls, "keyExchange" | "cipher" | "hash"> {
  const [, keyExchange, suite = ""] = /^TLS_(?:(\w+)_WITH_)?(\w+)$/.exec(standardName) ?? [];
  const [, cipher = suite, digest = ""] = /^(\w+?)_(SHA\d*|MD5|NULL)$/.exec(suite) ?? [];
  // A cipher that authenticates by itself leaves the hash to the derivation of keys.
  const isAuthenticating = /GCM|CCM|POLY1305/.test(cipher);
  return {
    keyExchange: (keyExchange ?? "any").toLowerCase(),
    cipher: cipher.toLowerCase(),
    hash: isAuthenticating ? "aead" : digest.toLowerCase(),
  };
}

/** Attribute types that are not spelt alike; all others go into capitals as they are. */
const typeByShortName: Readonly<Record<string, string>> = {
  GN: "GIVENNAME",
  street: "STREET",
};

/** Of OpenSSL's text: a line for each part, ` + ` between the attributes of one, all special characters escaped. */
export function distinguishedName(text: string | undefined): {
  readonly text: string;
  readonly commonName: string | undefined;
} {
  let commonName: string | undefined;
  // Node gives no text at all for a name without parts.
  const parts = (text ?? "")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) =>
      line
        .split(" + ")
        .map((attribute) => {
          const at = attribute.indexOf("=");
          const name = attribute.slice(0, at);
          const value = unescaped(attribute.slice(at + 1));
          if (name === "CN") commonName ??= String(value);
          return `${typeByShortName[name] ?? name.toUpperCase()}=${escaped(value)}`;
        })
        .join("+"),
    );
  return { text: parts.toReversed().join(","), commonName };
}

/** Undoes `\,` and `\0A`. */
function unescaped(text: string): Buffer {
  const bytes: number[] = [];
  const source = Buffer.from(text);
  for (let at = 0; at < source.length; at++) {
    if (source[at] !== 0x5c) {
      bytes.push(source[at]!);
      continue;
    }
    const code = /^[0-9A-F]{2}$/i.exec(source.toString("latin1", at + 1, at + 3))?.[0];
    bytes.push(code === undefined ? source[at + 1]! : Number.parseInt(code, 16));
    at += code === undefined ? 1 : 2;
  }
  return Buffer.from(bytes);
}

function escaped(value: Buffer): string {
  let text = "";
  for (const [at, byte] of value.entries()) {
    const char = String.fromCharCode(byte);
    const isEdge = (at === 0 && (char === " " || char === "#")) || (at === value.length - 1 && char === " ");
    if (byte < 32 || byte >= 126) text += `\\${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    else text += isEdge || '"+,;<>\\'.includes(char) ? `\\${char}` : char;
  }
  return text;
}

const typeByPrefix: Readonly<Record<string, AlternativeName["type"]>> = {
  DNS: "dns",
  "IP Address": "ip",
  email: "email",
  URI: "uri",
};

/** Of OpenSSL's text, `DNS:a.example, IP Address:10.0.0.1`; a value with special characters is a JSON string. */
export function alternativeNames(text: string): AlternativeName[] {
  const names: AlternativeName[] = [];
  for (const [, prefix = "", quoted, plain = ""] of text.matchAll(
    /([^:,]+):(?:("(?:[^"\\]|\\.)*")|([^,]*))(?:, |$)/g,
  )) {
    const value = quoted === undefined ? plain : unquoted(quoted);
    names.push({ type: typeByPrefix[prefix] ?? "other", value });
  }
  return names;
}

function unquoted(text: string): string {
  try {
    return JSON.parse(text) as string;
  } catch {
    // It is a name like any other then, and no login fits it.
    return text;
  }
}
