/**
 * Requests of every API and version that mean nothing good, and the same with bytes changed: drawn from a seed by tables of
 * their own, so that they are the same bytes for ever, whatever a library draws. What Kafka answered to them is in
 * golden/hostile-requests.txt.
 *
 * Each version has its own topic, and names of groups and transactions of its own: what comes of one is nothing to another.
 */

import { seededRandom, type Random } from "../../../src/base/random.ts";
import type { Field, Fields } from "../../../src/protocols/kafka/codec/fields.ts";
import { putRequestHeader } from "../../../src/protocols/kafka/codec/headers.ts";
import { buildBatch, type RecordModel } from "../../../src/protocols/kafka/codec/record-models.suite.ts";
import { mutated } from "../../hostile/mutated.ts";
import type { AnySchema } from "./schemas.ts";
import { isIn } from "./values.ts";

export const perVersion = 10;
/** Of them, so many are as they were drawn. */
const wholeCount = 5;
/** Key and version of the API stay what they are. */
const keptBytes = 4;
/** In place of a topic's id, which is another one in each broker. */
const placeholder = Buffer.from("0badc0de".repeat(4), "hex");
const clientId = "hostile";
const elementsMax = 3;

function record(offset: number): RecordModel {
  return { offset, timestampMs: 1_700_000_000_000, key: Buffer.from("k"), value: Buffer.alloc(50), headers: [] };
}

const batch = buildBatch([record(0), record(1), record(2)]);
const batches = [batch, batch, batch.subarray(0, 90), Buffer.concat([batch, batch]), Buffer.alloc(0)];

/** The topic that there is, in this version. */
export function topicOf({ key }: AnySchema, version: number): string {
  return `orders-${key}-${version}`;
}

const plain = [0, 0, 1, 2, 3, -1, -2, 100, 0x7fff_ffff, -0x8000_0000];
/** What would depend on time or on chance, or be much work, is not asked for. */
const numbersByField: Readonly<Record<string, readonly number[]>> = {
  acks: [-1, -1, 1, 0, 3],
  maxWaitMs: [0, 1, -1],
  timeoutMs: [10_000],
  sessionTimeoutMs: [60_000, 60_000, 60_000, 0, -1],
  rebalanceTimeoutMs: [60_000],
  transactionTimeoutMs: [60_000, 60_000, 0, -1, 0x7fff_ffff],
  replicaId: [-1, -1, -1, -1, 1],
  isolationLevel: [0, 0, 1, 1, 4],
  producerId: [-1, -1, -2, 0x7fff_ffff],
  numPartitions: [1, 2, -1, 0, -2],
  count: [1, 2, 3, 0, -1],
};
const textsByField: Readonly<Record<string, readonly string[]>> = {
  protocolType: ["consumer", "consumer", "", "connect"],
  protocolName: ["range", "range", "", "x"],
  statesFilter: ["Stable", "Empty", "none"],
  typesFilter: ["classic", "consumer", "none"],
  configurationKeys: ["cleanup.policy", "none", ""],
  configNames: ["cleanup.policy", "retention.ms", "none", ""],
  value: ["compact", "100", "-1", "", "none"],
  clientSoftwareName: ["test", "", "a b"],
  clientSoftwareVersion: ["1", "", "-"],
};

class Drawing {
  readonly #random: Random;
  readonly #schema: AnySchema;
  readonly #version: number;
  readonly #names: readonly string[];

  constructor(random: Random, schema: AnySchema, version: number) {
    this.#random = random;
    this.#schema = schema;
    this.#version = version;
    const scope = `-${schema.key}-${version}`;
    const topic = topicOf(schema, version);
    this.#names = [topic, topic, topic, `nobody${scope}`, `a b${scope}`, `größe${scope}`, "", ".", "x".repeat(250)];
  }

  body(): unknown {
    return this.#struct(this.#schema.fields, "");
  }

  #struct(fields: Fields, of: string): Record<string, unknown> {
    const present = Object.entries(fields).filter(([, field]) => isIn(field.versions, this.#version));
    return Object.fromEntries(present.map(([name, field]) => [name, this.#field(name, field, of)]));
  }

  #field(name: string, field: Field, of: string): unknown {
    if (isIn(field.nullable, this.#version) && this.#below(10) === 0) return null;
    if (field.type === "struct") return this.#struct(field.fields!, name);
    if (field.type !== "array") return this.#one(name, field.type, of);
    const one = (): unknown =>
      field.fields === undefined ? this.#one(name, field.element!, of) : this.#struct(field.fields, name);
    return distinct(Array.from({ length: this.#below(elementsMax + 1) }, one));
  }

  #one(name: string, type: string, of: string): unknown {
    switch (type) {
      case "bool":
        return this.#below(2) === 0;
      case "string":
        return this.#of(this.#texts(name, of));
      case "uuid":
        return this.#of([placeholder.toString("hex"), placeholder.toString("hex"), "0".repeat(32)]);
      case "records":
        return this.#of(batches);
      case "bytes":
        return this.#of([Buffer.alloc(0), Buffer.from([0, 1, 2, 3]), Buffer.alloc(200, 0xff)]);
      case "int8":
        return this.#of(numbersByField[name] ?? [0, 1, 2, 4, -1]);
      case "int16":
        return this.#of(numbersByField[name] ?? [0, 1, -1, 3]);
      default:
        return this.#of(numbersByField[name] ?? plain);
    }
  }

  #texts(name: string, of: string): readonly string[] {
    if (name === "name" && of === "configs") return textsByField["configNames"]!;
    if (name === "name" && of === "protocols") return textsByField["protocolName"]!;
    return textsByField[name] ?? this.#names;
  }

  #of<T>(values: readonly T[]): T {
    return values[this.#below(values.length)]!;
  }

  #below(limit: number): number {
    return Math.floor(this.#random.next() * limit);
  }
}

/** By what they begin with. To name a thing twice is no question of names: Kafka's maps make one of some, and two of others. */
function distinct(elements: readonly unknown[]): unknown[] {
  const keyOf = (each: unknown): string => JSON.stringify(isStruct(each) ? Object.values(each)[0] : each);
  return [...new Map(elements.map((each) => [keyOf(each), each])).values()];
}

function isStruct(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Buffer.isBuffer(value);
}

/** A request without its size. @param topicId in hexadecimal */
export function hostileRequest(schema: AnySchema, version: number, index: number, topicId: string): Buffer {
  const random = seededRandom(schema.key * 10_000 + version * 100 + index);
  const header = putRequestHeader(schema.key, version, 5, clientId, schema.isFlexible(version));
  const bytes = Buffer.concat([header, schema.encode(version, new Drawing(random, schema, version).body())]);
  if (index >= wholeCount) {
    const changed = mutated(bytes.subarray(keptBytes), random);
    return withTopic(Buffer.concat([bytes.subarray(0, keptBytes), changed]), topicId);
  }
  return withTopic(bytes, topicId);
}

function withTopic(bytes: Buffer, topicId: string): Buffer {
  const id = Buffer.from(topicId, "hex");
  for (let at = bytes.indexOf(placeholder); at >= 0; at = bytes.indexOf(placeholder, at)) id.copy(bytes, at);
  return bytes;
}
