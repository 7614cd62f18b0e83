import assert from "node:assert/strict";
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import { test } from "node:test";
import { errorCode } from "../codec/errors.ts";
import { apiVersions } from "../commands/api-versions.ts";
import { metadata } from "../commands/metadata.ts";
import { saslAuthenticate } from "../commands/sasl-authenticate.ts";
import { saslHandshake } from "../commands/sasl-handshake.ts";
import { KafkaHouse, type KafkaClient } from "../kafka-house.suite.ts";

const rightPlain = Buffer.from("\u0000guest\u0000guest");

function begin(client: KafkaClient, mechanism: string): void {
  assert.equal(client.call(saslHandshake, 1, { mechanism }).errorCode, errorCode.NONE);
}

function logIn(client: KafkaClient, token = rightPlain) {
  begin(client, "PLAIN");
  return client.call(saslAuthenticate, 2, { authBytes: token });
}

/** The client's last message of SCRAM-SHA-256. */
function finalMessage(bare: string, reply: Buffer, password: string): Buffer {
  const [, nonce, salt, iterations] = /^r=(.*),s=(.*),i=(\d+)$/.exec(reply.toString())!;
  const salted = pbkdf2Sync(password, Buffer.from(salt!, "base64"), Number(iterations), 32, "sha256");
  const key = createHmac("sha256", salted).update("Client Key").digest();
  const said = `c=biws,r=${nonce}`;
  const stored = createHash("sha256").update(key).digest();
  const signature = createHmac("sha256", stored).update(`${bare},${reply.toString()},${said}`).digest();
  return Buffer.from(`${said},p=${Buffer.from(key.map((byte, at) => byte ^ signature[at]!)).toString("base64")}`);
}

test("where logins are required, nothing but versions and SASL is answered before one", async () => {
  const house = await KafkaHouse.open({ requireSasl: true });
  const client = house.client();
  client.call(apiVersions, 0, {});
  assert.equal(logIn(client).errorCode, errorCode.NONE);
  assert.equal(client.call(metadata, 9, { topics: [] }).errorCode, errorCode.NONE);
  const other = house.client();
  other.ask(metadata, 9, { topics: [] });
  assert.deepEqual(other.take(), []);
  assert.ok(other.isEnded);
});

test("a mechanism that is not offered is answered with those that are, and ends the connection", async () => {
  const client = (await KafkaHouse.open({ saslMechanisms: ["PLAIN", "OAUTHBEARER"] })).client();
  const { errorCode: code, mechanisms } = client.call(saslHandshake, 1, { mechanism: "SCRAM-SHA-256" });
  assert.equal(code, errorCode.UNSUPPORTED_SASL_MECHANISM);
  assert.deepEqual(mechanisms, ["PLAIN"]);
  assert.ok(client.isEnded);
});

test("SCRAM takes the password's proof, of who is there and of nobody else", async () => {
  const house = await KafkaHouse.open();
  for (const [user, password, isRight] of [
    ["guest", "guest", true],
    ["guest", "wrong", false],
    ["nobody", "guest", false],
  ] as const) {
    const client = house.client();
    begin(client, "SCRAM-SHA-256");
    const bare = `n=${user},r=abc`;
    const first = client.call(saslAuthenticate, 2, { authBytes: Buffer.from(`n,,${bare}`) });
    assert.equal(first.errorCode, errorCode.NONE, "the first answer tells nothing");
    client.ask(saslAuthenticate, 2, { authBytes: finalMessage(bare, first.authBytes, password) });
    house.clock.advance(40_000);
    const answer = client.take()[0]!.response as typeof first;
    assert.equal(answer.errorCode, isRight ? errorCode.NONE : errorCode.SASL_AUTHENTICATION_FAILED);
    assert.equal(answer.authBytes.toString().startsWith("v="), isRight);
    assert.equal(client.isEnded, !isRight);
  }
});

test("a refusal is told late, the second one later, and the log says who it was", async () => {
  const house = await KafkaHouse.open();
  for (const delayMs of [600, 1200]) {
    const client = house.client();
    begin(client, "PLAIN");
    client.ask(saslAuthenticate, 2, { authBytes: Buffer.from("\u0000guest\u0000wrong") });
    // What else comes meanwhile is not looked at.
    client.ask(apiVersions, 0, {});
    house.clock.advance(delayMs - 1);
    assert.deepEqual(client.take(), []);
    house.clock.advance(1);
    const [answer] = client.take() as { response: { errorCode: number; errorMessage: string } }[];
    assert.equal(answer!.response.errorCode, errorCode.SASL_AUTHENTICATION_FAILED);
    assert.equal(answer!.response.errorMessage, "Authentication failed: Invalid username or password");
    assert.ok(client.isEnded);
  }
  const refused = house.logged.filter(({ message }) => message === "a login was refused");
  assert.deepEqual(
    refused.map(({ fields }) => [fields["user"], fields["mechanism"], fields["answeredAfterMs"]]),
    [
      ["guest", "PLAIN", 600],
      ["guest", "PLAIN", 1200],
    ],
  );
  const [counts] = house.authority.attempts.byProtocol();
  assert.deepEqual(counts, { protocol: "kafka", attempts: 2, failed: 2, succeeded: 0 });
});

test("users of this machine only are refused from elsewhere", async () => {
  const house = await KafkaHouse.open();
  const client = house.client({ remoteAddress: "10.0.0.1", isLoopback: false });
  begin(client, "PLAIN");
  client.ask(saslAuthenticate, 2, { authBytes: rightPlain });
  house.clock.advance(600);
  assert.equal((client.take()[0]!.response as { errorCode: number }).errorCode, errorCode.SASL_AUTHENTICATION_FAILED);
  assert.match(String(house.logged[0]!.fields["reason"]), /can only connect via localhost/);
});

test("tokens come bare behind the first version of the handshake", async () => {
  const client = (await KafkaHouse.open({ requireSasl: true })).client();
  assert.equal(client.call(saslHandshake, 0, { mechanism: "PLAIN" }).errorCode, errorCode.NONE);
  const size = Buffer.alloc(4);
  size.writeInt32BE(rightPlain.length);
  client.raw(Buffer.concat([size, rightPlain]));
  assert.deepEqual(Buffer.concat(client.output.take()), Buffer.alloc(4));
  assert.equal(client.call(metadata, 9, { topics: [] }).errorCode, errorCode.NONE);
});

test("a login that holds for a time is renewed by the same user and mechanism, or it is the end", async () => {
  const house = await KafkaHouse.open({ requireSasl: true, loginMsMax: 10_000 });
  house.authority.users.put("ann", { password: "secret", tags: [] });
  house.authority.permissions.set({ user: "ann", vhost: "/", configure: "", write: "", read: ".*" });
  const open = (): KafkaClient => {
    const client = house.client();
    assert.equal(logIn(client).sessionLifetimeMs, 10_000);
    return client;
  };
  const renewed = open();
  const other = open();
  const mechanism = open();
  const late = open();
  house.clock.advance(9_000);
  assert.equal(logIn(renewed).errorCode, errorCode.NONE);
  const tell = (client: KafkaClient): string | undefined => {
    house.clock.advance(40_000);
    return (client.take()[0]?.response as { errorMessage: string } | undefined)?.errorMessage;
  };
  house.clock.advance(1_500);
  assert.equal(renewed.call(metadata, 9, { topics: [] }).errorCode, errorCode.NONE);
  late.ask(metadata, 9, { topics: [] });
  assert.deepEqual(late.take(), []);
  assert.ok(late.isEnded);
  begin(other, "PLAIN");
  other.ask(saslAuthenticate, 2, { authBytes: Buffer.from("\u0000ann\u0000secret") });
  assert.match(tell(other)!, /^Cannot change principals during re-authentication from User.guest: User.ann$/);
  begin(mechanism, "SCRAM-SHA-256");
  mechanism.ask(saslAuthenticate, 2, { authBytes: Buffer.from("n,,n=guest,r=abc") });
  assert.match(tell(mechanism)!, /is not supported for re-authentication of mechanism 'PLAIN'$/);
});

test("a token where no login is under way is refused", async () => {
  const house = await KafkaHouse.open({ requireSasl: true });
  const stranger = house.client();
  const refused = stranger.call(saslAuthenticate, 2, { authBytes: rightPlain });
  assert.equal(refused.errorCode, errorCode.ILLEGAL_SASL_STATE);
  assert.ok(stranger.isEnded);
  const client = house.client();
  logIn(client);
  assert.equal(client.call(saslAuthenticate, 2, { authBytes: rightPlain }).errorCode, errorCode.ILLEGAL_SASL_STATE);
  assert.equal(client.isEnded, false);
});

test("who may not enter the namespace is not let in, whatever the password", async () => {
  const house = await KafkaHouse.open();
  house.authority.users.put("ann", { password: "secret", tags: [] });
  const client = house.client();
  begin(client, "PLAIN");
  client.ask(saslAuthenticate, 2, { authBytes: Buffer.from("\u0000ann\u0000secret") });
  house.clock.advance(600);
  const { errorMessage } = client.take()[0]!.response as { errorMessage: string };
  assert.equal(errorMessage, "user 'ann' may not enter '/'");
});

test("bytes of chance instead of tokens are refused, each in time", async () => {
  const house = await KafkaHouse.open();
  for (const mechanism of ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
    for (const length of [0, 1, 5, 100, 20_000]) {
      const client = house.client();
      begin(client, mechanism);
      client.ask(saslAuthenticate, 2, { authBytes: house.core.random.bytes(length) });
      house.clock.advance(40_000);
      const { errorCode: code } = client.take()[0]!.response as { errorCode: number };
      assert.equal(code, errorCode.SASL_AUTHENTICATION_FAILED);
      assert.ok(client.isEnded);
    }
});

test("a user has no more connections than it may have, and logs in again on those it has", async () => {
  const house = await KafkaHouse.open({ loginMsMax: 60_000 });
  house.authority.users.setLimit("guest", "max-connections", 2);
  const clients = [house.client(), house.client(), house.client()];
  assert.equal(logIn(clients[0]!).errorCode, errorCode.NONE);
  assert.equal(logIn(clients[1]!).errorCode, errorCode.NONE);
  assert.equal(logIn(clients[1]!).errorCode, errorCode.NONE);
  const refused = clients[2]!;
  begin(refused, "PLAIN");
  refused.ask(saslAuthenticate, 2, { authBytes: rightPlain });
  house.clock.advance(600);
  const { errorMessage } = refused.take()[0]!.response as { errorMessage: string };
  assert.equal(errorMessage, "user 'guest' may have 2 connections");
  clients[0]!.destroy();
  assert.equal(logIn(house.client()).errorCode, errorCode.NONE);
});
