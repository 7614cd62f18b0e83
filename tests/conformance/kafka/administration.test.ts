/**
 * Topics and configs are administered as by Kafka 4.1.1: codes, texts and what is shown, for each step, against a transcript of
 * Kafka's own answers. With ENTREPOT_KAFKA=host:port a Kafka without topics is asked, and the transcript written anew.
 */

import * as check from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout } from "node:timers/promises";
import { test } from "node:test";
import { putRequestHeader } from "../../../src/protocols/kafka/codec/headers.ts";
import { KafkaHouse } from "../../../src/protocols/kafka/kafka-house.suite.ts";
import { steps, type Step } from "./administration-steps.ts";

const transcript = new URL("golden/administration.txt", import.meta.url);

/** What is another one at each run, or in no order, or of another broker. */
const leftOut = new Set(["throttleTimeMs", "topicId", "host", "port", "clusterId", "documentation"]);

/** Of a topic that was made, what was set; of one that is described, all but one that Kafka 4.1 sets itself for the whole cluster. */
function isShown(element: {
  readonly name?: string;
  readonly configSource?: number;
  readonly configType?: number;
}): boolean {
  if (element.configSource === undefined) return true;
  return element.configType === undefined
    ? element.configSource !== 5 && element.configSource !== 3
    : element.name !== "min.insync.replicas";
}

function shown(value: unknown, key = ""): unknown {
  if (Array.isArray(value)) {
    const each = value.filter(isShown).map((element) => shown(element));
    if (key === "synonyms") return each;
    const texts = each.map((element) => JSON.stringify(element)).sort((a, b) => (a < b ? -1 : 1));
    return texts.map((text): unknown => JSON.parse(text));
  }
  if (value === null || typeof value !== "object") return value;
  const kept = Object.entries(value).filter(([name]) => !leftOut.has(name));
  return Object.fromEntries(kept.map(([name, each]) => [name, shown(each, name)]));
}

function line({ command, version, body }: Step, response: unknown): string {
  return `${command.name} v${version} ${JSON.stringify(body)}\n  ${JSON.stringify(shown(response))}\n`;
}

/** One request of a Kafka, over a connection of its own. */
async function askKafka(address: string, { command, version, body }: Step): Promise<unknown> {
  const [host, port] = address.split(":");
  const socket = connect(Number(port), host);
  const isFlexible = command.request.isFlexible(version);
  const request = Buffer.concat([
    putRequestHeader(command.key, version, 1, "test", isFlexible),
    command.request.encode(version, body as never),
  ]);
  const size = Buffer.alloc(4);
  size.writeInt32BE(request.length);
  socket.write(Buffer.concat([size, request]));
  let read = Buffer.alloc(0);
  for await (const chunk of socket) {
    read = Buffer.concat([read, chunk as Buffer]);
    if (read.length >= 4 && read.length >= 4 + read.readInt32BE(0)) break;
  }
  await setTimeout(200);
  return command.response.decode(read, version, 8 + (command.response.isFlexible(version) ? 1 : 0));
}

test("topics and configs are administered as by Kafka 4.1.1", async () => {
  const address = process.env["ENTREPOT_KAFKA"];
  if (address !== undefined) {
    const lines: string[] = [];
    for (const step of steps) lines.push(line(step, await askKafka(address, step)));
    writeFileSync(transcript, lines.join(""));
  }
  const expected = readFileSync(transcript, "utf8").split("\n");
  const client = (await KafkaHouse.open()).client();
  const ours = steps.map((step) => line(step, client.call(step.command, step.version, step.body as never)));
  const lines = ours.join("").split("\n");
  const wrong = lines.flatMap((text, index) =>
    text === expected[index] ? [] : [{ asked: lines[index - 1], ours: text, kafka: expected[index] }],
  );
  check.deepEqual(wrong, []);
});
