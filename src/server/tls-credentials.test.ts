import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { encryptedKey, makeCertificate } from "../../tests/tls/make-certificate.ts";
import { readTlsCredentials, TlsError, type TlsCredentials, type TlsSettings } from "./tls-credentials.ts";

const directory = mkdtempSync(join(tmpdir(), "entrepot-tls-"));
after(() => rmSync(directory, { recursive: true }));

const root = makeCertificate({ name: { CN: "root" }, isAuthority: true });
const middle = makeCertificate({ name: { CN: "middle" }, isAuthority: true }, root);
const broker = makeCertificate({ name: { O: "Example", CN: "broker" }, dns: ["localhost"] }, middle);
const other = makeCertificate({ name: { CN: "other" } });

let files = 0;
function file(...contents: string[]): string {
  const path = join(directory, `${files++}.pem`);
  writeFileSync(path, contents.join(""));
  return path;
}

const key = file(broker.key);
const chain = file(broker.certificate, middle.certificate);

function read(change: Partial<TlsSettings>): TlsCredentials {
  const settings: TlsSettings = {
    certificateFile: chain,
    keyFile: key,
    keyPassword: undefined,
    caFile: undefined,
    verify: "none",
    failIfNoPeerCertificate: false,
    versionMin: "TLSv1.2",
    versionMax: "TLSv1.3",
    ciphers: undefined,
    honorCipherOrder: true,
    handshakeTimeoutMs: 5000,
    ...change,
  };
  return readTlsCredentials(settings, Date.now());
}

function problemOf(change: Partial<TlsSettings>): string {
  try {
    read(change);
  } catch (error) {
    assert.ok(error instanceof TlsError, String(error));
    assert.equal(error.problems.length, 1, error.message);
    return error.message.replaceAll(directory, "DIR");
  }
  return assert.fail("was taken");
}

test("a chain and its key are taken; the root need not be in the file", () => {
  const caFile = file(root.certificate);
  const { warnings, subject, endsAtMs } = read({ caFile });
  assert.deepEqual(warnings, []);
  assert.equal(subject, "O=Example, CN=broker");
  assert.ok(endsAtMs > Date.now());
  assert.deepEqual(
    read({ certificateFile: file(broker.certificate, middle.certificate, root.certificate) }).warnings,
    [],
  );
});

test("certificate and key may be in one file, in either order; a key may be encrypted", () => {
  const both = file(broker.key, broker.certificate, middle.certificate);
  assert.ok(read({ certificateFile: both, keyFile: both }));
  assert.ok(read({ keyFile: file(encryptedKey(broker, "secret")), keyPassword: "secret" }));
});

test("a chain whose end nobody may know is a warning that says what is missing", () => {
  assert.match(
    read({ certificateFile: file(broker.certificate) }).warnings[0]!,
    /the chain ends at O=Example, CN=broker, and the certificate of its issuer, CN=middle, is neither in the file/,
  );
  assert.match(read({}).warnings[0]!, /issuer, CN=root,/);
  const self = makeCertificate({ name: { CN: "self" } });
  assert.deepEqual(read({ certificateFile: file(self.certificate), keyFile: file(self.key) }).warnings, []);
});

test("a chain that is out of order or has a gap is refused", () => {
  assert.match(
    problemOf({ certificateFile: file(broker.certificate, root.certificate) }),
    /incomplete or out of order: certificate 1 \(O=Example, CN=broker\) was issued by CN=middle, and the one behind it is that of CN=root/,
  );
  const swapped = [middle.certificate, broker.certificate];
  assert.throws(() => read({ certificateFile: file(...swapped) }), /must be the first in it, and is number 2/);
});

test("dates are looked at, of the whole chain", () => {
  const old = makeCertificate({ name: { CN: "old" }, fromDay: -9, toDay: -1 });
  assert.match(
    problemOf({ certificateFile: file(old.certificate), keyFile: file(old.key) }),
    /^tls.certificateFile DIR.*: the certificate of CN=old has expired, on \d{4}-/,
  );
  const early = makeCertificate({ name: { CN: "early" }, fromDay: 1, toDay: 9 });
  assert.match(problemOf({ certificateFile: file(early.certificate), keyFile: file(early.key) }), /is not valid yet/);
  const oldMiddle = makeCertificate({ name: { CN: "old middle" }, isAuthority: true, fromDay: -9, toDay: -1 }, root);
  const under = makeCertificate({ name: { CN: "under" } }, oldMiddle);
  const certificateFile = file(under.certificate, oldMiddle.certificate);
  assert.match(problemOf({ certificateFile, keyFile: file(under.key) }), /CN=old middle has expired/);
});

test("files that are missing, empty, or hold something else are named", () => {
  assert.match(
    problemOf({ certificateFile: "/nowhere/c.pem" }),
    /^tls.certificateFile \/nowhere\/c.pem: cannot be read: ENOENT/,
  );
  assert.match(problemOf({ keyFile: "/nowhere/k.pem" }), /^tls.keyFile \/nowhere\/k.pem: cannot be read: ENOENT/);
  assert.match(problemOf({ caFile: file("\n") }), /^tls.caFile DIR.*: is empty/);
  assert.match(problemOf({ caFile: file("hello") }), /^tls.caFile DIR.*: holds no certificate in PEM form/);
  assert.match(problemOf({ keyFile: file(broker.certificate) }), /holds no private key in PEM form/);
  const broken = broker.certificate.replace(/\n.{20}/, "\nAAAAAAAAAAAAAAAAAAAA");
  assert.match(problemOf({ certificateFile: file(broken) }), /certificate 1 cannot be read/);
  const cut = broker.key.replace(/\n.{20}/, "\nAAAAAAAAAAAAAAAAAAAA");
  assert.match(problemOf({ keyFile: file(cut) }), /the key cannot be read/);
});

test("a key of another certificate, and one that is locked, are refused", () => {
  assert.match(
    problemOf({ keyFile: file(other.key) }),
    /is not the key of the certificate in DIR.* \(O=Example, CN=broker\)/,
  );
  const locked = file(encryptedKey(broker, "secret"));
  assert.match(problemOf({ keyFile: locked }), /the key is encrypted, and there is no tls.keyPassword/);
  assert.match(problemOf({ keyFile: locked, keyPassword: "wrong" }), /tls.keyPassword does not decrypt the key/);
});

test("what clients are asked for needs somebody to vouch for it", () => {
  assert.match(problemOf({ verify: "peer" }), /needs tls.caFile/);
  assert.match(problemOf({ failIfNoPeerCertificate: true }), /while tls.verify is none/);
  const gone = makeCertificate({ name: { CN: "gone" }, isAuthority: true, fromDay: -9, toDay: -1 });
  assert.match(problemOf({ verify: "peer", caFile: file(gone.certificate) }), /^tls.caFile .* CN=gone has expired/);
  const { warnings } = read({ verify: "peer", caFile: file(gone.certificate, root.certificate) });
  assert.match(warnings.join(), /CN=gone has expired/);
});

test("versions and ciphers that cannot be are refused", () => {
  assert.match(problemOf({ versionMin: "TLSv1.3", versionMax: "TLSv1.2" }), /above tls.versionMax/);
  assert.match(problemOf({ ciphers: "ROT13" }), /tls.ciphers is "ROT13", in which no cipher is known/);
});

test("everything that is wrong comes at once", () => {
  const caught = assert.throws(
    () => read({ certificateFile: "/nowhere/c", keyFile: "/nowhere/k", verify: "peer" }),
    TlsError,
  );
  assert.equal(caught, undefined);
  try {
    read({ certificateFile: "/nowhere/c", keyFile: "/nowhere/k", verify: "peer" });
  } catch (error) {
    assert.equal((error as TlsError).problems.length, 3);
  }
});
