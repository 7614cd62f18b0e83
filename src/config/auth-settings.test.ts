import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { plainAuthSettings } from "../auth/authority.ts";
import { authSettings, certificateLogin } from "./auth-settings.ts";
import { ConfigurationError } from "./configuration-error.ts";
import { settingsFor } from "./settings.ts";

const directory = mkdtempSync(join(tmpdir(), "entrepot-auth-"));
after(() => rmSync(directory, { recursive: true }));

async function problemsOf(set: Record<string, string>): Promise<readonly string[]> {
  try {
    authSettings((await settingsFor({ set })).values);
  } catch (error) {
    assert.ok(error instanceof ConfigurationError);
    return error.problems;
  }
  return [];
}

test("without a word, logins are judged as tests assume", async () => {
  const { values, shown } = await settingsFor({});
  assert.deepEqual(authSettings(values), plainAuthSettings);
  assert.deepEqual(certificateLogin(values), { from: "distinguished_name" });
  assert.ok(shown.every(({ key, text }) => !key.endsWith("Password") || !text.includes("guest")));
});

test("lists are written with commas, as JSON, and as lists in a file", async () => {
  const of = async (text: string): Promise<readonly string[]> =>
    (await settingsFor({ set: { "auth.loopbackUsers": text } })).values["auth.loopbackUsers"];
  assert.deepEqual(await of("guest, ann"), ["guest", "ann"]);
  assert.deepEqual(await of(""), []);
  assert.deepEqual(await of('["a,b", "c"]'), ["a,b", "c"]);
  for (const wrong of ["a,,b", "[1]", "[", ","]) await assert.rejects(of(wrong), ConfigurationError);
  const file = join(directory, "lists.yaml");
  writeFileSync(file, "auth:\n  loopbackUsers: [guest, 'a,b', 7]\n  backends:\n    - internal\n");
  const { values, shown } = await settingsFor({ config: file });
  assert.deepEqual(values["auth.loopbackUsers"], ["guest", "a,b", "7"]);
  assert.deepEqual(values["auth.backends"], ["internal"]);
  const written = shown.find(({ key }) => key === "auth.loopbackUsers")!.text;
  assert.deepEqual(await of(written), ["guest", "a,b", "7"]);
});

test("keys for tokens come from PEM files and key sets; aliases and prefix are taken over", async () => {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  writeFileSync(join(directory, "key.pem"), publicKey.export({ type: "spki", format: "pem" }));
  const jwk = { ...publicKey.export({ format: "jwk" }), kid: "from-set" };
  writeFileSync(join(directory, "keys.json"), JSON.stringify({ keys: [jwk] }));
  const file = join(directory, "oauth.yaml");
  writeFileSync(
    file,
    `auth:
  backends: [oauth2, internal]
  oauth2:
    resourceServerId: mq
    jwksFile: ${join(directory, "keys.json")}
    signingKeys:
      from-pem: ${join(directory, "key.pem")}
    scopeAliases:
      admin: mq.tag:administrator mq.read:*/*
      reader: [mq.read:*/*]
`,
  );
  const { tokens, backends } = authSettings((await settingsFor({ config: file })).values);
  assert.deepEqual(backends, ["oauth2", "internal"]);
  assert.deepEqual([...tokens!.keys.keys()], ["from-set", "from-pem"]);
  assert.equal(tokens!.scopePrefix, "mq.");
  assert.deepEqual(tokens!.scopeAliases.get("admin"), ["mq.tag:administrator", "mq.read:*/*"]);
  assert.deepEqual(tokens!.scopeAliases.get("reader"), ["mq.read:*/*"]);
});

test("what cannot work is refused at the start, all of it together", async () => {
  assert.match((await problemsOf({ "auth.backends": "" }))[0]!, /nobody could log in/);
  const oauth2 = { "auth.backends": "oauth2" };
  assert.match((await problemsOf(oauth2)).join("\n"), /resourceServerId: is needed/);
  const named = { ...oauth2, "auth.oauth2.resourceServerId": "mq" };
  assert.match((await problemsOf(named)).join("\n"), /needs keys/);
  for (const url of ["nonsense", "http://idp.example/keys", "file:///etc/passwd"])
    assert.match((await problemsOf({ ...named, "auth.oauth2.jwksUrl": url })).join("\n"), /no https:\/\/ URL/, url);
  assert.deepEqual(await problemsOf({ ...named, "auth.oauth2.jwksUrl": "http://127.0.0.1:8080/keys" }), []);
  const several = await problemsOf({
    ...named,
    "auth.oauth2.signingKeys": JSON.stringify({ a: join(directory, "missing.pem"), b: 7 }),
    "auth.oauth2.algorithms": "RS256, none",
    "auth.oauth2.scopeAliases": '{"x": 1}',
  });
  assert.equal(several.length, 4);
  assert.match(several.join("\n"), /signingKeys\.a: .*ENOENT[^]*signingKeys\.b: is not[^]*none: no such[^]*Aliases\.x/);
});
