/** Tokens over real sockets: amqplib with a token for a password, keys from an identity provider on HTTP. */

import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { connect, type ChannelModel } from "amqplib";
import { startBroker, type RunningBroker } from "../../src/start-broker.ts";

const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const keys = JSON.stringify({ keys: [{ ...publicKey.export({ format: "jwk" }), kid: "k", use: "sig", alg: "RS256" }] });

let provider: Server;
let url: string;
/** What the provider does with who asks for keys. */
let behaviour: "answers" | "redirects" | "floods" | "fails" = "answers";

before(async () => {
  provider = createServer((request, response) => {
    if (request.url === "/.well-known/openid-configuration") response.end(JSON.stringify({ jwks_uri: `${url}/keys` }));
    else if (behaviour === "redirects") response.writeHead(302, { location: `${url}/elsewhere` }).end();
    else if (behaviour === "floods") response.end(" ".repeat(2_000_000) + keys);
    else if (behaviour === "fails") response.writeHead(500).end(keys);
    else response.end(keys);
  });
  provider.listen(0, "127.0.0.1");
  await new Promise((resolve) => provider.once("listening", resolve));
  url = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`;
});

after(() => {
  provider.closeAllConnections();
  provider.close();
});

function tokenFor(claims: Record<string, unknown>): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + 600;
  const signed = `${part({ alg: "RS256", kid: "k" })}.${part({ iss: url, aud: "mq", sub: "ann", exp, ...claims })}`;
  return `${signed}.${sign("sha256", Buffer.from(signed), privateKey).toString("base64url")}`;
}

function start(): Promise<RunningBroker> {
  return startBroker({
    memory: true,
    listen: { amqp: 0 },
    set: { "auth.backends": "internal, oauth2", "auth.oauth2.resourceServerId": "mq", "auth.oauth2.issuer": url },
  });
}

function open(broker: RunningBroker, user: string, password: string): Promise<ChannelModel> {
  return connect({ hostname: "127.0.0.1", port: broker.ports["amqp"]!, username: user, password });
}

test("a client with a token may do what its scopes say, a client with a password what its permissions say", async () => {
  behaviour = "answers";
  const broker = await start();
  try {
    const scope = "mq.configure:%2F/ann-* mq.write:%2F/ann-* mq.write:%2F/amq.default mq.read:%2F/ann-*";
    const connection = await open(broker, "whoever", tokenFor({ scope }));
    connection.on("error", () => undefined);
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue("ann-orders");
    channel.sendToQueue("ann-orders", Buffer.from("hello"));
    await channel.waitForConfirms();
    const message = await channel.get("ann-orders", { noAck: true });
    assert.equal(message !== false && message.content.toString(), "hello");

    const other = await connection.createChannel();
    other.on("error", () => undefined);
    await assert.rejects(
      other.assertQueue("bob-orders"),
      /ACCESS_REFUSED - access to queue 'bob-orders' in vhost '\/' refused for user 'ann'/,
    );
    await connection.close();

    const guest = await open(broker, "guest", "guest");
    await (await guest.createChannel()).assertQueue("bob-orders");
    await guest.close();
  } finally {
    await broker.stop();
  }
});

test("a token of another audience, or one that a stranger signed, is refused", async () => {
  behaviour = "answers";
  const broker = await start();
  try {
    await assert.rejects(open(broker, "x", tokenFor({ aud: "other", scope: "mq.read:*/*" })), /ACCESS_REFUSED/);
    const [head, , signature] = tokenFor({}).split(".");
    const [, body] = tokenFor({ sub: "root" }).split(".");
    await assert.rejects(open(broker, "x", `${head}.${body}.${signature}`), /ACCESS_REFUSED/);
  } finally {
    await broker.stop();
  }
});

test("a provider that redirects, floods or fails gives no keys, and hurts nobody else", async () => {
  for (const each of ["redirects", "floods", "fails"] as const) {
    behaviour = each;
    const broker = await start();
    try {
      await assert.rejects(open(broker, "x", tokenFor({ scope: "mq.read:*/*" })), /ACCESS_REFUSED/, each);
      await (await open(broker, "guest", "guest")).close();
    } finally {
      await broker.stop();
    }
  }
});
