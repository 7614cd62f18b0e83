/**
 * Makes certificates for tests, with keys that exist for as long as the test: none is kept in the repository, and no
 * program of the machine is needed. X.509 is written by hand, in DER; everything in it that TLS looks at can be chosen.
 */

import { createHash, createPublicKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto";

export interface Subject {
  /** Short names of attributes, in the order of the certificate: `{ O: "Example", CN: "broker" }`. */
  readonly name: Readonly<Record<string, string>>;
  readonly dns?: readonly string[];
  readonly ip?: readonly string[];
  readonly uri?: readonly string[];
  readonly email?: readonly string[];
  readonly isAuthority?: boolean;
  /** Days from now. The default is from yesterday to tomorrow. */
  readonly fromDay?: number;
  readonly toDay?: number;
}

export interface Certificate {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS #8. */
  readonly key: string;
  readonly privateKey: KeyObject;
  /** DER of the name, as issuer of others. */
  readonly nameDer: Buffer;
}

/** A certificate issued by `issuer`, or by itself. */
export function makeCertificate(subject: Subject, issuer?: Certificate): Certificate {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const nameDer = nameOf(subject.name);
  const publicDer = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  const signer = issuer?.privateKey ?? privateKey;
  const signature = sequence(oid("1.2.840.10045.4.3.2"));
  const toBeSigned = sequence(
    tlv(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    signature,
    issuer?.nameDer ?? nameDer,
    sequence(time(subject.fromDay ?? -1), time(subject.toDay ?? 1)),
    nameDer,
    publicDer,
    tlv(0xa3, sequence(...extensions(subject, publicDer, signer))),
  );
  const der = sequence(toBeSigned, signature, bitString(sign("sha256", toBeSigned, signer)));
  return {
    certificate: pem("CERTIFICATE", der),
    key: privateKey.export({ type: "pkcs8", format: "pem" }),
    privateKey,
    nameDer,
  };
}

/** The key of a certificate, encrypted. */
export function encryptedKey({ privateKey }: Certificate, passphrase: string): string {
  return privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase });
}

function extensions(subject: Subject, publicDer: Buffer, signer: KeyObject): Buffer[] {
  const signerDer = createPublicKey(signer).export({ type: "spki", format: "der" });
  const isAuthority = subject.isAuthority === true;
  const names = [
    ...(subject.email ?? []).map((name) => tlv(0x81, Buffer.from(name))),
    ...(subject.dns ?? []).map((name) => tlv(0x82, Buffer.from(name))),
    ...(subject.uri ?? []).map((name) => tlv(0x86, Buffer.from(name))),
    ...(subject.ip ?? []).map((address) => tlv(0x87, Buffer.from(address.split(".").map(Number)))),
  ];
  return [
    extension("2.5.29.19", true, sequence(...(isAuthority ? [tlv(0x01, Buffer.from([0xff]))] : []))),
    // digitalSignature, or keyCertSign and cRLSign.
    extension("2.5.29.15", true, tlv(0x03, Buffer.from(isAuthority ? [1, 0x06] : [7, 0x80]))),
    extension("2.5.29.14", false, tlv(0x04, keyId(publicDer))),
    extension("2.5.29.35", false, sequence(tlv(0x80, keyId(signerDer)))),
    ...(names.length === 0 ? [] : [extension("2.5.29.17", false, sequence(...names))]),
  ];
}

function extension(id: string, isCritical: boolean, value: Buffer): Buffer {
  return sequence(oid(id), ...(isCritical ? [tlv(0x01, Buffer.from([0xff]))] : []), tlv(0x04, value));
}

function keyId(publicDer: Buffer): Buffer {
  return createHash("sha1").update(publicDer).digest();
}

const oidByShortName: Readonly<Record<string, string>> = {
  CN: "2.5.4.3",
  SN: "2.5.4.4",
  serialNumber: "2.5.4.5",
  C: "2.5.4.6",
  L: "2.5.4.7",
  ST: "2.5.4.8",
  street: "2.5.4.9",
  O: "2.5.4.10",
  OU: "2.5.4.11",
  GN: "2.5.4.42",
  DC: "0.9.2342.19200300.100.1.25",
  UID: "0.9.2342.19200300.100.1.1",
  emailAddress: "1.2.840.113549.1.9.1",
};

/** `"O+OU": "a+b"` makes one part with two attributes. */
function nameOf(name: Subject["name"]): Buffer {
  const parts = Object.entries(name).map(([types, values]) => {
    const each = types.includes("+") ? values.split("+") : [values];
    const attributes = types.split("+").map((type, index) => {
      const tag = type === "C" ? 0x13 : type === "DC" || type === "emailAddress" ? 0x16 : 0x0c;
      return sequence(oid(oidByShortName[type] ?? type), tlv(tag, Buffer.from(each[index]!)));
    });
    return tlv(0x31, ...attributes.toSorted(Buffer.compare));
  });
  return sequence(...parts);
}

function time(days: number): Buffer {
  const at = new Date(Date.now() + days * 86_400_000);
  const digits = at.toISOString().replace(/[-:T]|\.\d+/g, "");
  return at.getUTCFullYear() < 2050 ? tlv(0x17, Buffer.from(digits.slice(2))) : tlv(0x18, Buffer.from(digits));
}

function oid(dotted: string): Buffer {
  const [first, second, ...rest] = dotted.split(".").map(Number);
  const bytes = [first! * 40 + second!];
  for (const arc of rest) {
    const digits = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      digits.unshift((left & 0x7f) | 0x80);
    bytes.push(...digits);
  }
  return tlv(0x06, Buffer.from(bytes));
}

function integer(bytes: Buffer): Buffer {
  return tlv(0x02, bytes);
}

function bitString(bytes: Buffer): Buffer {
  return tlv(0x03, Buffer.from([0]), bytes);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tlv(0x30, ...parts);
}

function tlv(tag: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const { length } = body;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), body]);
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g)!;
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
