/** Tokens as passwords: how long they count, and how a client renews them. */

import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { test } from "node:test";
import { allAlgorithms, readPemKey } from "../../../auth/oauth2/signing-keys.ts";
import { defaultVhost, plainVhost } from "../model/vhosts.ts";
import { methodFrame, publishFrames, WireHouse, type Received, type WireClient } from "./wire-house.suite.ts";

const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });

const tokens = {
  resourceServerId: "rabbitmq",
  scopePrefix: "rabbitmq.",
  additionalScopesKeys: [],
  scopeAliases: new Map<string, readonly string[]>(),
  verifyAudience: true,
  requireExpiry: true,
  issuer: undefined,
  verifyIssuer: true,
  jwksUrl: undefined,
  keys: new Map([["k", readPemKey(publicKey.export({ type: "spki", format: "pem" }))]]),
  defaultKey: undefined,
  algorithms: allAlgorithms,
  usernameClaims: ["sub"],
};

function tokenOf(house: WireHouse, user: string, seconds: number): string {
  const scope = "rabbitmq.configure:*/* rabbitmq.write:*/* rabbitmq.read:*/*";
  const exp = Math.floor(house.clock.now() / 1000) + seconds;
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const said = `${part({ alg: "RS256", kid: "k" })}.${part({ sub: user, aud: "rabbitmq", exp, scope })}`;
  return `${said}.${sign("RSA-SHA256", Buffer.from(said), privateKey).toString("base64url")}`;
}

/** Tokens are verified on a thread of Node's: what comes of it is not the virtual clock's to bring about. */
async function arrived(client: WireClient): Promise<Received[]> {
  for (let turns = 0; turns < 1_000_000; turns++) {
    const received = client.take();
    if (received.length > 0) return received;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error("nothing came");
}

async function loggedIn(vhost = defaultVhost): Promise<{ house: WireHouse; client: WireClient }> {
  const house = await WireHouse.open({}, { backends: ["internal", "oauth2"], tokens });
  if (vhost !== defaultVhost) house.server.vhosts.create(vhost, plainVhost);
  const client = house.peer();
  client.logIn({ user: "whoever", password: tokenOf(house, "ann", 60), vhost });
  const received = [...(await arrived(client)), ...(await arrived(client))];
  assert.deepEqual(
    received.map(({ name }) => name),
    ["connection.start", "connection.tune", "connection.open-ok"],
  );
  client.send(1, "channel.open", { outOfBand: "" });
  client.take();
  return { house, client };
}

test("a token lets in, and when it has ended nothing new is allowed", async () => {
  const { house, client } = await loggedIn();
  client.declare("q");
  client.publish("q", "in time");
  assert.equal(client.names().length, 1);
  house.clock.advance(61_000);
  client.publish("q", "too late");
  const [refused] = client.take().filter(({ name }) => name === "channel.close");
  assert.equal(refused?.args["replyCode"], 403);
  const text = String(refused?.args["replyText"]);
  assert.match(
    text,
    /^ACCESS_REFUSED - access to exchange 'amq.default' in vhost '\/' refused for user 'ann', backend /,
  );
  assert.match(text, /returned an error: "Provided JWT token has expired at timestamp \d+/);
});

test("another token renews the login, before the end of the first or after it", async () => {
  const { house, client } = await loggedIn();
  client.declare("q");
  client.take();
  house.clock.advance(61_000);
  client.send(0, "connection.update-secret", { newSecret: tokenOf(house, "ann", 60), reason: "renewed" });
  const [answer] = await arrived(client);
  assert.equal(answer?.name, "connection.update-secret-ok");
  client.publish("q", "again");
  assert.deepEqual(client.names(), []);
  assert.equal(house.core.namespace("/")!.queue("q")!.readyCount, 1);
});

test("another's token, or none, ends the connection", async () => {
  for (const secretOf of [(house: WireHouse) => tokenOf(house, "bob", 60), () => "no token"]) {
    const { house, client } = await loggedIn();
    client.send(0, "connection.update-secret", { newSecret: secretOf(house), reason: "" });
    const [refused] = await arrived(client);
    assert.equal(refused?.args["replyText"], "NOT_ALLOWED - New secret was refused by one of the backends");
    assert.equal(refused?.args["replyCode"], 530);
  }
});

test("who logged in by password stays who they are, whatever they send", async () => {
  const house = await WireHouse.open();
  const client = house.client();
  client.send(0, "connection.update-secret", { newSecret: "anything", reason: "" });
  client.declare("q");
  assert.deepEqual(client.names(), ["connection.update-secret-ok", "queue.declare-ok"]);
});

test("what waited for a publish is not done any more when the virtual host has gone meanwhile", async () => {
  const { house, client } = await loggedIn("v");
  client.declare("q");
  client.take();
  const flags = { passive: false, durable: true, exclusive: false, autoDelete: false, noWait: false };
  const declare = methodFrame(1, "queue.declare", { ticket: 0, queue: "new", ...flags, arguments: [] });
  client.connection.receive(Buffer.concat([publishFrames("q", "m", { deliveryMode: 2 }), declare]));
  house.server.vhosts.delete("v");
  assert.deepEqual(client.names(), ["connection.close"]);
  assert.equal(house.server.live.channelCountOfUser("ann"), 0);
});
