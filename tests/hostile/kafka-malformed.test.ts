/**
 * Requests of every API in every version that are malformed within their frame, one fault at a time, each with what Kafka's
 * broker makes of it: the end of the connection without a word where it cannot read them, an answer where it can, and
 * UNSUPPORTED_VERSION of ApiVersions alone. A connection beside them notices nothing.
 *
 * ENTREPOT_KAFKA=127.0.0.1:9092 sends the same to whatever listens there: against Kafka 4.1 all of it passes.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Field } from "../../src/protocols/kafka/codec/fields.ts";
import { putRequestHeader } from "../../src/protocols/kafka/codec/headers.ts";
import { isIn } from "../conformance/kafka/values.ts";
import { spawnBroker } from "../interop/broker.ts";
import { advertisedApis, holdTo, type Api, type Verdict } from "./kafka-verdict.ts";
import { KafkaWitness } from "./kafka-witness.ts";

type Kind = "answer" | "closed";
type Case = readonly [what: string, bytes: Buffer, kind: Kind];

const correlationId = 5;
const clientId = "hostile";
const clientIdAt = 8;
const junk = Buffer.from([0xff, 0xff, 0xff]);
/** Nobody has defined a tag of this number: one field, two bytes of it. */
const unknownTag = Buffer.from([1, 99, 2, 0xaa, 0xbb]);

/** @param changed what is written over the bytes from `at` on. */
function patched(bytes: Buffer, at: number, changed: Buffer, replacedBytes = changed.length): Buffer {
  return Buffer.concat([bytes.subarray(0, at), changed, bytes.subarray(at + replacedBytes)]);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/** What is answered at once, by an error or not; the rest is as when it is left out. */
const answered: Readonly<Record<string, unknown>> = {
  ProduceRequest: { acks: -1 },
  // Where there is none, Kafka never answers.
  AddPartitionsToTxnRequest: {
    transactions: [{ transactionalId: "nobody's", topics: [{ name: "nobody's", partitions: [0] }] }],
  },
};

function smallBody({ request }: Api, version: number): Buffer {
  return request.encode(version, answered[request.name] ?? {});
}

function headerCases(header: Buffer, body: Buffer, isFlexible: boolean): Case[] {
  const whole = Buffer.concat([header, body]);
  const anonymous = Buffer.concat([putRequestHeader(0, 0, 0, null, isFlexible), body]);
  header.copy(anonymous, 0, 0, clientIdAt);
  const cases: Case[] = [
    ["nothing wrong", whole, "answer"],
    ["a client without a name", anonymous, "answer"],
    ["a client's name of a negative length", patched(anonymous, clientIdAt, int16(-2)), "answer"],
    ["a client's name beyond its end", patched(whole, clientIdAt, int16(0x7fff)), "closed"],
    ["less than a header", whole.subarray(0, clientIdAt - 1), "closed"],
    ["a header without a client's name", whole.subarray(0, clientIdAt), "closed"],
    ["half of a client's name", whole.subarray(0, clientIdAt + 4), "closed"],
  ];
  if (!isFlexible) return cases;
  const tagsAt = header.length - 1;
  cases.push(
    ["a header without its tags", whole.subarray(0, tagsAt), "closed"],
    ["an unknown tag in its header", patched(whole, tagsAt, unknownTag, 1), "answer"],
    ["a tag in its header beyond its end", patched(whole, tagsAt, Buffer.from([1, 99, 0xff, 0x7f]), 1), "closed"],
  );
  return cases;
}

function bodyCases(header: Buffer, body: Buffer, isFlexible: boolean): Case[] {
  const whole = Buffer.concat([header, body]);
  const cases: Case[] = [["bytes behind its end", Buffer.concat([whole, junk]), "answer"]];
  if (body.length === 0) return cases;
  cases.push(
    ["nothing behind its header", header, "closed"],
    ["its last byte missing", whole.subarray(0, whole.length - 1), "closed"],
  );
  if (!isFlexible) return cases;
  const tagsAt = whole.length - 1;
  cases.push(
    ["an unknown tag", patched(whole, tagsAt, unknownTag), "answer"],
    ["a tag beyond its end", patched(whole, tagsAt, Buffer.from([1, 99, 0x7f])), "closed"],
    ["more tags than there are", patched(whole, tagsAt, Buffer.from([5])), "closed"],
    ["a varint without an end", patched(whole, tagsAt, Buffer.alloc(6, 0xff)), "closed"],
  );
  return cases;
}

/** Of the length that the body begins with, if it does. */
function lengthCases({ request }: Api, version: number, header: Buffer, body: Buffer): Case[] {
  const isFlexible = request.isFlexible(version);
  const present = Object.entries(request.fields).filter(
    ([, field]) => isIn(field.versions, version) && field.tag === undefined,
  );
  const [name, field] = present[0] ?? [];
  if (field === undefined || !["string", "bytes", "records", "array"].includes(field.type)) return [];
  const whole = Buffer.concat([header, body]);
  const isShort = field.type === "string";
  const usualBytes = isFlexible ? 1 : isShort ? 2 : 4;
  const put = (old: Buffer, flexible: string): Buffer =>
    patched(whole, header.length, isFlexible ? Buffer.from(flexible, "hex") : old, usualBytes);
  const beyond = put(isShort ? int16(0x7fff) : int32(0x7fff_ffff), "ffffffff07");
  // Any negative length is null.
  const negative = put(isShort ? int16(-2) : int32(-2), "ffffffff0f");
  return [
    [`${name} beyond its end`, beyond, "closed"],
    [`${name} of a negative length`, negative, isIn(field.nullable, version) ? "answer" : "closed"],
  ];
}

/** Tags that are known: Fetch has some. */
function knownTagCases({ request }: Api, version: number, whole: Buffer): Case[] {
  const tags = Object.values(request.fields).filter(({ tag }) => tag !== undefined);
  if (!request.isFlexible(version)) return [];
  return tags.map((field): Case => {
    const end = whole.length - 1;
    if (!isIn(field.versions, version))
      return ["a tag of other versions", patched(whole, end, Buffer.from([1, field.tag!, 1, 0])), "closed"];
    // Zeros are a value of each: a text that is null, or numbers. Of a size that lies there is no talk.
    return [
      "a tag of a wrong size",
      patched(whole, end, Buffer.from([1, field.tag!, 0x7f, ...zerosOf(field)])),
      "answer",
    ];
  });
}

function zerosOf(field: Field): Uint8Array {
  return new Uint8Array(field.type === "string" ? 1 : 13);
}

function casesOf(api: Api, version: number): Case[] {
  const isFlexible = api.request.isFlexible(version);
  const header = putRequestHeader(api.request.key, version, correlationId, clientId, isFlexible);
  const body = smallBody(api, version);
  return [
    ...headerCases(header, body, isFlexible),
    ...bodyCases(header, body, isFlexible),
    ...lengthCases(api, version, header, body),
    ...knownTagCases(api, version, Buffer.concat([header, body])),
  ];
}

test(
  "what is malformed within its frame is answered or ends its connection, as with Kafka",
  { timeout: 280_000 },
  async (t) => {
    const given = process.env["ENTREPOT_KAFKA"];
    const broker = given === undefined ? await spawnBroker({ listen: { kafka: "127.0.0.1:0" } }) : undefined;
    t.after(() => broker?.kill("SIGKILL"));
    const address = given ?? broker!.addresses["kafka"]!;
    const apis = await advertisedApis(address);
    assert.ok(apis.size > 25);
    const witness = await KafkaWitness.open(address, `witness-${Date.now()}`);

    await t.test("a version that there is not", async () => {
      for (const { request, response, minVersion, maxVersion } of apis.values()) {
        const isAnswered = request.name === "ApiVersionsRequest";
        const verdict: Verdict = isAnswered
          ? { kind: "unsupported", correlationId, response, version: 0 }
          : { kind: "closed" };
        for (const version of [-0x8000, -1, minVersion - 1, maxVersion + 1, 0x7fff]) {
          const isFlexible = request.isFlexible(version);
          const header = putRequestHeader(request.key, version, correlationId, clientId, isFlexible);
          const name = `${request.name} v${version}`;
          await holdTo(verdict, address, Buffer.concat([header, junk]), name);
          const lying = patched(header, clientIdAt, int16(0x7fff));
          await holdTo({ kind: "closed" }, address, lying, `${name} with a name beyond its end`);
        }
        await witness.produce(`versions of ${request.name}`);
      }
    });

    await t.test("an API that there is not", async () => {
      // The two in the middle were Kafka's own once, and are its controllers'.
      for (const key of [-1, 4, 52, 999, 0x7fff]) {
        const bytes = putRequestHeader(key, 0, correlationId, clientId, false);
        await holdTo({ kind: "closed" }, address, bytes, `API ${key}`);
      }
      await witness.produce("APIs that there are not");
    });

    await t.test("every version that there is", async () => {
      let count = 0;
      for (const api of apis.values()) {
        for (let version = api.minVersion; version <= api.maxVersion; version++) {
          for (const [what, bytes, kind] of casesOf(api, version)) {
            const { response } = api;
            const verdict: Verdict = kind === "closed" ? { kind } : { kind, correlationId, response, version };
            await holdTo(verdict, address, bytes, `${api.request.name} v${version} with ${what}`);
            count++;
          }
          await witness.produce(`${api.request.name} v${version}`);
        }
      }
      t.diagnostic(`${count} requests, the witness waited ${Math.round(witness.longestMs)} ms at most`);
    });
    witness.client.close();
  },
);
