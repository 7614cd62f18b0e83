/** EXTERNAL with amqplib: a client logs in as the user that its certificate names, in each of the three ways. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connect, credentials } from "amqplib";
import { startBroker } from "../../src/start-broker.ts";
import { makeCertificate, type Certificate } from "./make-certificate.ts";

const folder = mkdtempSync(join(tmpdir(), "entrepot-external-"));
after(() => rmSync(folder, { recursive: true }));
const root = makeCertificate({ name: { CN: "root" }, isAuthority: true });
const broker = makeCertificate({ name: { CN: "broker" }, dns: ["localhost"], ip: ["127.0.0.1"] }, root);
const client = makeCertificate({ name: { O: "Acme, Inc.", CN: "orders" }, dns: ["a.example", "b.example"] }, root);
const certificateFile = join(folder, "broker.pem");
const caFile = join(folder, "ca.pem");
writeFileSync(certificateFile, broker.certificate + broker.key);
writeFileSync(caFile, root.certificate);

/** The users are made over HTTP, as an operator would. */
async function open(user: string, set: Record<string, string>, shown: Certificate | undefined): Promise<string> {
  const running = await startBroker({
    memory: true,
    listen: { amqps: 0, http: 0 },
    set: { "tls.certificateFile": certificateFile, "tls.caFile": caFile, "tls.verify": "peer", ...set },
  });
  try {
    const put = async (path: string, body: unknown): Promise<void> => {
      const { status } = await fetch(`http://127.0.0.1:${running.ports["http"]}/api/${path}`, {
        method: "PUT",
        headers: { authorization: `Basic ${Buffer.from("guest:guest").toString("base64")}` },
        body: JSON.stringify(body),
      });
      assert.ok(status === 201 || status === 204, `${path}: ${status}`);
    };
    const name = encodeURIComponent(user);
    await put(`users/${name}`, { password_hash: "", tags: "" });
    await put(`permissions/%2F/${name}`, { configure: "^own$", write: "", read: "" });
    const connection = await connect(`amqps://127.0.0.1:${running.ports["amqps"]}`, {
      ca: [Buffer.from(root.certificate)],
      ...(shown && { cert: Buffer.from(shown.certificate), key: Buffer.from(shown.key) }),
      credentials: credentials.external(),
    });
    try {
      const channel = await connection.createChannel();
      channel.on("error", () => undefined);
      await channel.assertQueue("own");
      return await channel.assertQueue("other").then(
        () => "everything",
        (error: Error) => error.message,
      );
    } finally {
      await connection.close();
    }
  } finally {
    await running.stop();
  }
}

test("the whole subject names the user, unless something else is asked for", async () => {
  const subject = String.raw`CN=orders,O=Acme\, Inc.`;
  assert.match(await open(subject, {}, client), /refused for user 'CN=orders,O=Acme\\, Inc\.'/);
  assert.match(
    await open("orders", { "auth.certificateLoginFrom": "common_name" }, client),
    /refused for user 'orders'/,
  );
  const second = { "auth.certificateLoginFrom": "subject_alternative_name", "auth.certificateSanIndex": "1" };
  assert.match(await open("b.example", second, client), /refused for user 'b\.example'/);
});

test("a certificate that names nobody here, or none at all, logs in nobody", async () => {
  await assert.rejects(open("somebody else", {}, client), /ACCESS_REFUSED/);
  const uri = { "auth.certificateLoginFrom": "subject_alternative_name", "auth.certificateSanType": "uri" };
  await assert.rejects(open("orders", uri, client));
  await assert.rejects(open("orders", {}, undefined));
});
