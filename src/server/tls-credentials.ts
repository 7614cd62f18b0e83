/**
 * Reads what TLS needs from files and says what is wrong with it, before a client finds out.
 *
 * OpenSSL takes an expired certificate, and one that lacks its chain, without a word, and what it does refuse it names in
 * its own terms. So everything that can be judged here is: each problem names the option, the file, and what to do. What may
 * be meant so (an issuer that only the clients know) is a warning.
 */

import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext, rootCertificates, type SecureContextOptions, type SecureVersion } from "node:tls";

export interface TlsSettings {
  readonly certificateFile: string;
  /** As the certificate's file, if it holds both. */
  readonly keyFile: string;
  readonly keyPassword: string | undefined;
  /** Of those who issue clients' certificates. */
  readonly caFile: string | undefined;
  /** `peer`: clients are asked for a certificate, and one that does not hold is refused. */
  readonly verify: "none" | "peer";
  readonly failIfNoPeerCertificate: boolean;
  readonly versionMin: SecureVersion;
  readonly versionMax: SecureVersion;
  /** OpenSSL's list; undefined: its own, without what is weak. */
  readonly ciphers: string | undefined;
  readonly honorCipherOrder: boolean;
  readonly handshakeTimeoutMs: number;
}

/** Everything that is wrong, a sentence each. */
export class TlsError extends Error {
  override readonly name = "TlsError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

export interface TlsCredentials {
  readonly context: SecureContextOptions;
  /** When the first certificate of the chain ends, ms since 1970. */
  readonly endsAtMs: number;
  readonly subject: string;
  /** The first one of the chain. */
  readonly certificate: X509Certificate;
  readonly warnings: readonly string[];
}

/** @throws TlsError */
export function readTlsCredentials(settings: TlsSettings, nowMs: number): TlsCredentials {
  const problems: string[] = [];
  const warnings: string[] = [];
  judgeSettings(settings, problems);
  const chain = certificatesIn("tls.certificateFile", settings.certificateFile, problems);
  const authorities = settings.caFile === undefined ? [] : certificatesIn("tls.caFile", settings.caFile, problems);
  const key = privateKeyIn(settings, problems);
  const [leaf] = chain;
  if (leaf !== undefined) {
    judgeChain(settings, chain, authorities, nowMs, problems, warnings);
    if (key !== undefined) judgeKey(settings, chain, key, problems);
  }
  judgeAuthorities(settings, authorities, nowMs, problems, warnings);
  if (problems.length > 0 || leaf === undefined || key === undefined) throw new TlsError(problems);

  const context: SecureContextOptions = {
    cert: chain.map(String).join(""),
    key: key.export({ type: "pkcs8", format: "pem" }),
    minVersion: settings.versionMin,
    maxVersion: settings.versionMax,
    honorCipherOrder: settings.honorCipherOrder,
    ...(authorities.length > 0 && { ca: authorities.map(String) }),
    ...(settings.ciphers !== undefined && { ciphers: settings.ciphers }),
  };
  try {
    createSecureContext(context);
  } catch (error) {
    throw new TlsError([refusedByOpenSsl(settings, error as Error)]);
  }
  const endsAtMs = Math.min(...chain.map(endOf));
  return { context, endsAtMs, subject: oneLine(leaf.subject), certificate: leaf, warnings };
}

const versions: readonly SecureVersion[] = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];

function judgeSettings(settings: TlsSettings, problems: string[]): void {
  if (versions.indexOf(settings.versionMin) > versions.indexOf(settings.versionMax)) {
    problems.push(`tls.versionMin is ${settings.versionMin}, which is above tls.versionMax, ${settings.versionMax}`);
  }
  if (settings.verify === "peer" && settings.caFile === undefined) {
    problems.push("tls.verify is peer, which needs tls.caFile: the certificates of those whom it trusts");
  }
  if (settings.failIfNoPeerCertificate && settings.verify === "none") {
    problems.push(
      "tls.failIfNoPeerCertificate is true while tls.verify is none: nobody is asked for a certificate then",
    );
  }
}

function certificatesIn(option: string, file: string, problems: string[]): X509Certificate[] {
  const source = textOf(option, file, problems);
  if (source === undefined) return [];
  const blocks = source.match(/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]*-----END [A-Z0-9 ]+-----/g) ?? [];
  if (blocks.length === 0) {
    problems.push(`${option} ${file}: holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)`);
  }
  return blocks.flatMap((block, index) => {
    try {
      return [new X509Certificate(block)];
    } catch (error) {
      problems.push(`${option} ${file}: certificate ${index + 1} cannot be read: ${(error as Error).message}`);
      return [];
    }
  });
}

function privateKeyIn({ keyFile, keyPassword }: TlsSettings, problems: string[]): KeyObject | undefined {
  const source = textOf("tls.keyFile", keyFile, problems);
  if (source === undefined) return undefined;
  const [block] = /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----[^]*?-----END [A-Z0-9 ]+-----/.exec(source) ?? [];
  if (block === undefined) {
    problems.push(`tls.keyFile ${keyFile}: holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)`);
    return undefined;
  }
  const isEncrypted = block.includes("ENCRYPTED");
  if (isEncrypted && keyPassword === undefined) {
    problems.push(`tls.keyFile ${keyFile}: the key is encrypted, and there is no tls.keyPassword`);
    return undefined;
  }
  try {
    return createPrivateKey({ key: block, passphrase: keyPassword });
  } catch (error) {
    const why = isEncrypted ? "tls.keyPassword does not decrypt the key" : "the key cannot be read";
    problems.push(`tls.keyFile ${keyFile}: ${why} (${(error as Error).message})`);
    return undefined;
  }
}

function textOf(option: string, file: string, problems: string[]): string | undefined {
  try {
    const source = readFileSync(file, "utf8");
    if (source.trim() !== "") return source;
    problems.push(`${option} ${file}: is empty`);
  } catch (error) {
    problems.push(`${option} ${file}: cannot be read: ${(error as Error).message}`);
  }
  return undefined;
}

function judgeKey(settings: TlsSettings, chain: readonly X509Certificate[], key: KeyObject, problems: string[]): void {
  if (chain[0]!.checkPrivateKey(key)) return;
  const place = chain.findIndex((each) => each.checkPrivateKey(key));
  problems.push(
    place < 0
      ? `tls.keyFile ${settings.keyFile}: is not the key of the certificate in ${settings.certificateFile} (${oneLine(chain[0]!.subject)})`
      : `tls.certificateFile ${settings.certificateFile}: the broker's own certificate must be the first in it, and is number ${place + 1}`,
  );
}

function judgeChain(
  { certificateFile }: TlsSettings,
  chain: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
  nowMs: number,
  problems: string[],
  warnings: string[],
): void {
  const place = `tls.certificateFile ${certificateFile}`;
  for (const each of chain) judgeDates(place, each, nowMs, problems);
  for (const [index, each] of chain.entries()) {
    const next = chain[index + 1];
    if (next === undefined || isIssuedBy(each, next)) continue;
    problems.push(
      `${place}: the chain is incomplete or out of order: certificate ${index + 1} (${oneLine(each.subject)}) was issued by ` +
        `${oneLine(each.issuer)}, and the one behind it is that of ${oneLine(next.subject)}`,
    );
    return;
  }
  const last = chain.at(-1)!;
  const isKnown =
    isItsOwnIssuer(last) || authorities.some((each) => isIssuedBy(last, each)) || isIssuedByPublicRoot(last);
  if (!isKnown) {
    warnings.push(
      `${place}: the chain ends at ${oneLine(last.subject)}, and the certificate of its issuer, ${oneLine(last.issuer)}, ` +
        "is neither in the file nor a public root: clients that do not know that issuer will refuse the connection",
    );
  }
}

function judgeDates(place: string, certificate: X509Certificate, nowMs: number, problems: string[]): void {
  const name = oneLine(certificate.subject);
  if (endOf(certificate) <= nowMs) {
    problems.push(`${place}: the certificate of ${name} has expired, on ${iso(certificate.validTo)}`);
  } else if (Date.parse(certificate.validFrom) > nowMs) {
    problems.push(`${place}: the certificate of ${name} is not valid yet; it will be on ${iso(certificate.validFrom)}`);
  }
}

function judgeAuthorities(
  { caFile }: TlsSettings,
  authorities: readonly X509Certificate[],
  nowMs: number,
  problems: string[],
  warnings: string[],
): void {
  const dated: string[] = [];
  for (const each of authorities) judgeDates(`tls.caFile ${caFile}`, each, nowMs, dated);
  // One old certificate in a bundle is ordinary; with none that holds, no client can be verified.
  if (dated.length > 0) (dated.length === authorities.length ? problems : warnings).push(...dated);
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/** By name and signature alone: a broker's own certificate is rarely marked as one that may issue others. */
function isItsOwnIssuer(certificate: X509Certificate): boolean {
  return certificate.subject === certificate.issuer && certificate.verify(certificate.publicKey);
}

function isIssuedByPublicRoot(certificate: X509Certificate): boolean {
  return rootCertificates.some((each) => isIssuedBy(certificate, new X509Certificate(each)));
}

function refusedByOpenSsl(settings: TlsSettings, error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ERR_SSL_NO_CIPHER_MATCH") return `tls.ciphers is "${settings.ciphers}", in which no cipher is known`;
  return `tls: OpenSSL refuses ${settings.certificateFile} and ${settings.keyFile}: ${error.message}`;
}

function endOf(certificate: X509Certificate): number {
  return Date.parse(certificate.validTo);
}

function iso(date: string): string {
  return new Date(Date.parse(date)).toISOString();
}

/** `C=DE, O=Example, CN=broker` */
function oneLine(name: string): string {
  return name.trim().replaceAll("\n", ", ");
}
