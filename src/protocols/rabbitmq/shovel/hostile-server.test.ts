/** A server at the other end that sends what it likes: the shovel may give up, but must neither throw nor write beyond bounds. */

import { test } from "node:test";
import * as check from "node:assert/strict";
import fc from "fast-check";
import { VirtualClock } from "../../../base/clock.ts";
import type { Peer } from "../../../server/protocol.ts";
import { ChunkPool, Output } from "../../../wire/output.ts";
import { ContentParts, writeAck, writeDeliver } from "../amqp091/codec-hot.ts";
import { encodeProperties } from "../model/properties.ts";
import { methodFrame } from "../amqp091/wire-house.suite.ts";
import { Client } from "./client.ts";
import { planShovel } from "./definition.ts";
import { HeadChanges } from "./forward-headers.ts";
import { Forwarding } from "./forwarding.ts";

const pool = new ChunkPool();

function peer(): Peer {
  const ignore = (): void => undefined;
  return {
    address: {
      remoteAddress: "far",
      remotePort: 1,
      localAddress: "here",
      localPort: 2,
      isLoopback: false,
      isTls: false,
      certificateName: undefined,
    },
    output: new Output(pool),
    unsentBytes: 0,
    flush: ignore,
    pauseReading: ignore,
    resumeReading: ignore,
    end: ignore,
    destroy: ignore,
  };
}

function client(ended: () => void, vhost = "/", frameMaxBytes = 0): Client {
  const limits = { heartbeatSeconds: 0, channelMax: 0, frameMaxBytes };
  const who = { mechanism: "PLAIN", user: "u", password: "p", vhost } as const;
  const login = { ...who, ...limits, connectionName: "n", product: "p", version: "0" };
  return new Client(peer(), login, new VirtualClock(), ended);
}

/** A client of each side, joined; what ends either is counted. */
function joined() {
  let endCount = 0;
  const [source, destination] = [client(() => endCount++), client(() => endCount++)];
  const plan = planShovel({
    "src-uri": "amqp://",
    "src-queue": "a",
    "dest-uri": "amqp://",
    "dest-queue": "b",
    "src-delete-after": 1000,
    "dest-add-forward-headers": true,
    "dest-publish-properties": { app_id: "x" },
  });
  const changes = new HeadChanges(plan.destination, [["shovel-name", "s"]], () => 0);
  const forwarding = new Forwarding(source, destination, plan, changes, 1000, new VirtualClock(), () => undefined);
  source.reader = forwarding.sourceReader;
  destination.reader = forwarding.destinationReader;
  return { source, destination, ended: () => endCount };
}

function messages(): Buffer {
  const output = new Output(pool);
  const source = Buffer.from("exchange.key.body");
  const head = encodeProperties({ messageId: "m", headers: [{ name: "h", value: { type: "I", value: 1 } }] });
  const parts = Object.assign(new ContentParts(), {
    source,
    exchangeEnd: 8,
    routingKeyStart: 9,
    routingKeyEnd: 12,
    bodyStart: 13,
    bodyEnd: 17,
    headSource: head,
    headEnd: head.length,
  });
  for (let tag = 1; tag <= 3; tag++) writeDeliver(output, 1, 0, Buffer.from("tag"), tag, false, parts);
  writeAck(output, 1, 2, true);
  return Buffer.concat(output.take());
}

test("what is delivered whole goes on whole", () => {
  const { source, destination, ended } = joined();
  source.receive(messages());
  check.ok(destination.peer.output.bytes > 3 * "body".length);
  check.equal(ended(), 0);
});

test("any change to any byte of a server's stream is survived, in any chunks", () => {
  const stream = messages();
  const change = fc.record({ at: fc.nat(stream.length - 1), to: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), fc.nat(stream.length), (changes, cut) => {
      const bytes = Buffer.from(stream);
      for (const { at, to } of changes) bytes[at] = to;
      const { source, destination } = joined();
      for (const side of [source, destination]) {
        side.receive(bytes.subarray(0, cut));
        side.receive(bytes.subarray(cut));
      }
      check.ok(destination.peer.output.bytes < 100_000);
    }),
    { numRuns: 3000 },
  );
});

/** The server's side of logging in. */
async function answerLogin(side: Client, frameMax: number): Promise<void> {
  const start = { versionMajor: 0, versionMinor: 9, serverProperties: [], mechanisms: "PLAIN", locales: "en_US" };
  side.receive(methodFrame(0, "connection.start", start));
  await new Promise((resolve) => setImmediate(resolve));
  side.receive(methodFrame(0, "connection.tune", { channelMax: 0, frameMax, heartbeat: 0 }));
}

test("frames that have no room for a body are agreed on with nobody", async () => {
  for (const [theirs, ours] of [
    [8, 0],
    [4095, 131_072],
    [131_072, 8],
  ] as const) {
    const side = client(() => undefined, "/", ours);
    const opening = side.open();
    const refused = check.rejects(opening, /are less than the least, 4096/);
    await answerLogin(side, theirs);
    await refused;
  }
});

test("what cannot be said to a server ends the attempt, and nothing else", async () => {
  let ended = 0;
  const side = client(() => ended++, "v".repeat(256));
  const opening = side.open();
  const refused = check.rejects(opening, /255 bytes/);
  await answerLogin(side, 0);
  await refused;
  side.abandon(new Error("given up"));
  // A promise that nobody looks at would end the process here.
  await new Promise((resolve) => setImmediate(resolve));
  check.equal(ended, 1);
});
