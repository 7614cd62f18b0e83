import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../base/random.ts";
import type { LiveMessage, LiveSubscriber } from "./api.ts";
import { LiveChannelsState } from "./live-channels.ts";
import { message as routing } from "./router/routing-fixtures.suite.ts";
import { Bottle } from "./test-broker.suite.ts";

class Listener implements LiveSubscriber {
  readonly heard: string[] = [];

  receive({ channel, body, bodyStart, bodyEnd }: LiveMessage, pattern: string): void {
    this.heard.push(`${pattern} ${channel} ${body.toString("utf8", bodyStart, bodyEnd)}`);
  }
}

const open = (): LiveChannelsState => new LiveChannelsState(() => seededRandom(1).next());

function say(live: LiveChannelsState, channel: string, text: string): number {
  const body = Buffer.from(text);
  const head = Buffer.alloc(0);
  const bytes = { head, headStart: 0, headEnd: 0, body, bodyStart: 0, bodyEnd: body.length };
  return live.publish({ format: 7, channel, ...bytes }, routing(channel));
}

test("who is connected now gets what is said now, and nobody what was said before", () => {
  const live = open();
  assert.equal(say(live, "news", "early"), 0);
  const [a, b] = [new Listener(), new Listener()];
  const endA = live.subscribe("direct", "news", a);
  live.subscribe("direct", "news", b);
  live.subscribe("direct", "other", b);
  assert.equal(say(live, "news", "one"), 2);
  endA();
  endA();
  assert.equal(say(live, "news", "two"), 1);
  assert.deepEqual([a.heard, b.heard], [["news news one"], ["news news one", "news news two"]]);
  assert.equal(live.subscriptionCount, 2);
});

test("patterns match as those of a topic exchange do, once for each subscription", () => {
  const live = open();
  const listener = new Listener();
  const ends = ["a.#", "#.c", "a.*.c", "b.#"].map((pattern) => live.subscribe("topic", pattern, listener));
  live.subscribe("direct", "a.b.c", listener);
  assert.equal(say(live, "a.b.c", "x"), 4);
  assert.deepEqual(
    listener.heard.sort(),
    ["#.c a.b.c x", "a.#", "a.*.c", "a.b.c"].map((one) => (one.includes("x") ? one : `${one} a.b.c x`)).sort(),
  );
  for (const end of ends) end();
  assert.equal(say(live, "a.b", "y"), 0);
});

test("each namespace has live channels of its own", async () => {
  const bottle = await Bottle.open();
  const listener = new Listener();
  bottle.ns.live.subscribe("fanout", "", listener);
  assert.equal(say(bottle.ns.live as LiveChannelsState, "any", "x"), 1);
  assert.deepEqual(listener.heard, [" any x"]);
});
