import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { nameOfCertificate, type SanType } from "./certificate-name.ts";

// Made with OpenSSL for these tests; nobody has their keys. A subject with everything that has to be escaped, and all kinds of
// alternative names:
const odd = Buffer.from(
  [
    "MIIDVjCCAvygAwIBAgIUaraXHuTlFNFCBS0gYqj4hcQ5YAUwCgYIKoZIzj0EAwIwgeExCzAJBgNVBAYTAkRFMR8wHQYDVQQKDBZBY21lLCBJbm",
    "MuICJ4IiA8eT4gXCB6MQ4wDAYDVQQLDAUgI29wczELMAkGA1UECwwCI3gxDzANBgNVBAsMBsO8bsOvfjEXMBUGCgmSJomT8ixkARkWB2V4YW1w",
    "bGUxEjAQBgoJkiaJk/IsZAEBDAJ1MTEUMBIGCSqGSIb3DQEJARYFYUBiLmMxDTALBgNVBAkMBE1haW4xCjAIBgNVBAUTATcxFDASBgNVBAMMC2",
    "NsaWVudDtvbmUgMQ8wDQYDVQQDDAZzZWNvbmQwIBcNMjYxMTIyMDYwNDU0WhgPMjEyNjEwMjkwNjA0NTRaMIHhMQswCQYDVQQGEwJERTEfMB0G",
    "A1UECgwWQWNtZSwgSW5jLiAieCIgPHk+IFwgejEOMAwGA1UECwwFICNvcHMxCzAJBgNVBAsMAiN4MQ8wDQYDVQQLDAbDvG7Dr34xFzAVBgoJki",
    "aJk/IsZAEZFgdleGFtcGxlMRIwEAYKCZImiZPyLGQBAQwCdTExFDASBgkqhkiG9w0BCQEWBWFAYi5jMQ0wCwYDVQQJDARNYWluMQowCAYDVQQF",
    "EwE3MRQwEgYDVQQDDAtjbGllbnQ7b25lIDEPMA0GA1UEAwwGc2Vjb25kMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAElYzN20zKwtFV5dyj5G",
    "p6AChov98gDMnrbpJUKMt400q41cUFDUfkVHAJd1JNOgClyncZjMhX7UiGBuZlkwpxE6OBjTCBijBpBgNVHREEYjBgggtvbmUuZXhhbXBsZYIL",
    "dHdvLmV4YW1wbGWHBMAAAgeHECABDbgAAAAAAAAAAAAAAAGBDG1lQHguZXhhbXBsZYYHdXJuOng6MaAVBgorBgEEAYI3FAIDoAcMBXVwbkB4MB",
    "0GA1UdDgQWBBQik8EkLKNI7di3/lTXm/YA3uZ9xDAKBggqhkjOPQQDAgNIADBFAiEA4th3ZohF1fl1cA7/iPK5YFI+p7o7/diSiisKyjsH3bIC",
    "IDv7NSB+pX9I6a2NPKotNwveHEfjsKRpZTl10JsRA7eh",
  ].join(""),
  "base64",
);

// A part of the subject with two attributes:
const plain = Buffer.from(
  [
    "MIIBwTCCAWegAwIBAgIUUJvXghpa0YIHrUKt3chOsqm+0uowCgYIKoZIzj0EAwIwNTENMAsGA1UECgwEQWNtZTEUMAgGA1UECwwBYTAIBgNVBA",
    "sMAWIxDjAMBgNVBAMMBXBsYWluMCAXDTI2MTEyMjA2MDQzNloYDzIxMjYxMDI5MDYwNDM2WjA1MQ0wCwYDVQQKDARBY21lMRQwCAYDVQQLDAFh",
    "MAgGA1UECwwBYjEOMAwGA1UEAwwFcGxhaW4wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARrE8XeU981eIaG6AYZnYSqfsmi+tknTKIfW4PXgu",
    "49YKeaTBO3SX5evny3NnEaRUcO4qL2x+VXqikfPALiVzNLo1MwUTAdBgNVHQ4EFgQUDyu9j4vLuNuVdR6tsLJUp1nTftgwHwYDVR0jBBgwFoAU",
    "Dyu9j4vLuNuVdR6tsLJUp1nTftgwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiB8BN5/5hzIg7xxEPUAGav5br+mvfLybxjlOV",
    "XPGPx8LAIhAKqzw6rixKM0MvmCDKNog10dhH1FGoHhjRHXD4Go35kj",
  ].join(""),
  "base64",
);

test("a distinguished name is written as RabbitMQ writes it", () => {
  // What rabbit_cert_info of RabbitMQ 3.10.8 says of both.
  assert.equal(
    nameOfCertificate(odd, { from: "distinguished_name" }),
    String.raw`CN=second,CN=client\;one\ ,SERIALNUMBER=7,2.5.4.9=Main,EMAILADDRESS=a@b.c,UID=u1,DC=example,` +
      String.raw`OU=\C3\BCn\C3\AF\7E,OU=\#x,OU=\ #ops,O=Acme\, Inc. \"x\" \<y\> \\ z,C=DE`,
  );
  assert.equal(nameOfCertificate(plain, { from: "distinguished_name" }), "CN=plain,OU=a+OU=b,O=Acme");
});

test("common names come in the order of the subject, as they are", () => {
  assert.equal(nameOfCertificate(odd, { from: "common_name" }), "client;one ,second");
  assert.equal(nameOfCertificate(plain, { from: "common_name" }), "plain");
});

test("an alternative name is the one of its type with its index, or none", () => {
  const name = (type: SanType, index: number, of = odd): string | undefined =>
    nameOfCertificate(of, { from: "subject_alternative_name", type, index });
  assert.equal(name("dns", 0), "one.example");
  assert.equal(name("dns", 1), "two.example");
  assert.equal(name("dns", 2), undefined);
  assert.equal(name("ip", 0), "192.0.2.7");
  assert.equal(name("ip", 1), "2001:db8:0:0:0:0:0:1");
  assert.equal(name("email", 0), "me@x.example");
  assert.equal(name("uri", 0), "urn:x:1");
  assert.equal(name("other_name", 0), "upn@x");
  assert.equal(name("dns", 0, plain), undefined);
});

test("what is no certificate has no name, whatever it is", () => {
  const wheres = [
    { from: "distinguished_name" },
    { from: "common_name" },
    { from: "subject_alternative_name", type: "other_name", index: 0 },
  ] as const;
  const place = fc.record({ at: fc.nat(odd.length - 1), byte: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(place, { maxLength: 4 }), fc.nat(odd.length), (changes, length) => {
      const bytes = Buffer.from(odd.subarray(0, length));
      for (const { at, byte } of changes) if (at < bytes.length) bytes[at] = byte;
      for (const where of wheres) assert.match(typeof nameOfCertificate(bytes, where), /^(?:string|undefined)$/);
    }),
    { numRuns: 2000 },
  );
  assert.equal(nameOfCertificate(Buffer.alloc(0), { from: "common_name" }), undefined);
});
