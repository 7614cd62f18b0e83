import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import { makeCertificate } from "../../tests/tls/make-certificate.ts";
import { peerCertificate, suiteParts } from "./tls-peer.ts";

test("a subject is written as RFC 4514 has it, whatever is in it", () => {
  const { certificate } = makeCertificate({
    name: {
      C: "DE",
      "O+OU": 'Ex, am=ple+Sa"les',
      CN: " müller~#\n1 + 2 \\",
      emailAddress: "a@b",
      GN: "g",
      "1.2.3.4.5": "odd",
    },
  });
  const { subject, issuer, commonName } = peerCertificate(new X509Certificate(certificate));
  assert.equal(
    subject,
    '1.2.3.4.5=odd,GIVENNAME=g,EMAILADDRESS=a@b,CN=\\ m\\C3\\BCller\\7E#\\0A1 \\+ 2 \\\\,OU=Sa\\"les+O=Ex\\, am=ple,C=DE',
  );
  assert.equal(issuer, subject);
  assert.equal(commonName, " müller~#\n1 + 2 \\");
});

test("alternative names come by their types, and one that looks like two stays one", () => {
  const { certificate } = makeCertificate({
    name: {},
    dns: ["a.example", "evil, DNS:root"],
    ip: ["127.0.0.1"],
    uri: ["urn:x"],
    email: ["q@r"],
  });
  const { alternativeNames, commonName, subject } = peerCertificate(new X509Certificate(certificate));
  assert.deepEqual(alternativeNames, [
    { type: "email", value: "q@r" },
    { type: "dns", value: "a.example" },
    { type: "dns", value: "evil, DNS:root" },
    { type: "uri", value: "urn:x" },
    { type: "ip", value: "127.0.0.1" },
  ]);
  assert.equal(commonName, undefined);
  assert.equal(subject, "");
});

test("a suite has its parts", () => {
  assert.deepEqual(suiteParts("TLS_AES_256_GCM_SHA384"), { keyExchange: "any", cipher: "aes_256_gcm", hash: "aead" });
  assert.deepEqual(suiteParts("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"), {
    keyExchange: "ecdhe_rsa",
    cipher: "aes_128_cbc",
    hash: "sha256",
  });
  assert.deepEqual(suiteParts("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"), {
    keyExchange: "ecdhe_ecdsa",
    cipher: "chacha20_poly1305",
    hash: "aead",
  });
  assert.deepEqual(suiteParts("TLS_AES_128_CCM_8_SHA256").cipher, "aes_128_ccm_8");
});
