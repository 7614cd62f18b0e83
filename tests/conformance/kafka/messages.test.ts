/**
 * Our tables against Kafka's own: its definitions, version by version, and the bytes that its classes write for the same
 * values. What was compared is kept in golden/messages.txt, so that a machine without Java still compares with Kafka.
 *
 * `ENTREPOT_WRITE_GOLDEN=1` asks Kafka's classes again and writes the file.
 */

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { errorCode, errorText, type ErrorName } from "../../../src/protocols/kafka/codec/errors.ts";
import type { Field, Fields } from "../../../src/protocols/kafka/codec/fields.ts";
import { versionsOf } from "../../../src/protocols/kafka/codec/schema.ts";
import { Malformed } from "../../../src/wire/input.ts";
import { kafkaClasses } from "./kafka-classes.ts";
import { allSchemas, type AnySchema } from "./schemas.ts";
import { fromJson, isIn, toJson, valuesOf, withoutAbsent } from "./values.ts";

const goldenFile = new URL("golden/messages.txt", import.meta.url);
const schemas = await allSchemas();
const schemaByName = new Map(schemas.map((each) => [each.name, each]));
const kafka = await kafkaClasses();
const seed = Number(process.env["ENTREPOT_SEED"] ?? 4);
const isWriting = process.env["ENTREPOT_WRITE_GOLDEN"] === "1";

type Plain = Record<string, unknown>;

interface KafkaField {
  readonly name: string;
  readonly type: string;
  readonly versions: string;
  readonly nullableVersions?: string;
  readonly default?: unknown;
  readonly tag?: number;
  readonly taggedVersions?: string;
  readonly fields?: readonly KafkaField[];
}

interface KafkaMessage {
  readonly name: string;
  readonly apiKey?: number;
  readonly validVersions: string;
  readonly flexibleVersions?: string;
  readonly fields: readonly KafkaField[];
  readonly commonStructs?: readonly { readonly name: string; readonly fields: readonly KafkaField[] }[];
}

/** What one version of a message is made of, in words that do not depend on how it was written down. */
function shapeOf(
  fields: readonly KafkaField[],
  commons: ReadonlyMap<string, readonly KafkaField[]>,
  version: number,
): unknown[] {
  return fields
    .filter((field) => isIn(field.versions, version))
    .map((field) => {
      assert.ok(field.tag === undefined || field.taggedVersions === field.versions, "tagged in all its versions");
      const isArray = field.type.startsWith("[]");
      const element = isArray ? field.type.slice(2) : field.type;
      const inner = field.fields ?? commons.get(element);
      return {
        name: field.name[0]!.toLowerCase() + field.name.slice(1),
        type: isArray ? "array" : inner === undefined ? element : "struct",
        element: isArray && inner === undefined ? element : undefined,
        isNullable: isIn(field.nullableVersions, version),
        tag: field.tag,
        default: kafkaDefault(isArray ? "array" : inner === undefined ? element : "struct", field.default),
        fields: inner && shapeOf(inner, commons, version),
      };
    });
}

const zero: Readonly<Record<string, unknown>> = {
  string: "",
  bool: false,
  uuid: "0".repeat(32),
  bytes: "",
  records: "",
  array: "",
  struct: "",
};

function kafkaDefault(type: string, text: unknown): unknown {
  if (text === "null") return null;
  if (text === undefined) return zero[type] ?? 0;
  if (type === "bool") return text === true || text === "true";
  return Object.hasOwn(zero, type) ? text : Number(text);
}

function ourShape(fields: Fields, version: number): unknown[] {
  return Object.entries(fields)
    .filter(([, field]) => isIn(field.versions, version))
    .map(([name, field]: [string, Field]) => ({
      name,
      type: field.type,
      element: field.element,
      isNullable: isIn(field.nullable, version),
      tag: field.tag,
      default: field.default === undefined ? (zero[field.type] ?? 0) : field.default,
      fields: field.fields && ourShape(field.fields, version),
    }));
}

function questionsFor(schema: AnySchema, seed: number, perVersion: number): string[] {
  const questions: string[] = [];
  for (let version = schema.minVersion; version <= schema.maxVersion; version++) {
    for (const value of fc.sample(valuesOf(schema.fields, version), { seed, numRuns: perVersion })) {
      // The greatest number of 64 bits, as Java knows it.
      const json = JSON.stringify(toJson(schema.fields, value)).replaceAll(
        "9223372036854776000",
        "9223372036854775807",
      );
      questions.push(`write\t${schema.name}\t${version}\t${json}`);
    }
  }
  return questions;
}

const codes = Array.from({ length: 140 }, (_, index) => index - 1);
const writeQuestions = schemas.flatMap((schema) => questionsFor(schema, seed, 20));

interface Answers {
  readonly definitions: readonly string[];
  readonly errors: readonly string[];
  readonly written: readonly string[];
}

let answers: Promise<Answers> | undefined;

/** All that these tests want to know, in one run of Java. */
function asked(): Promise<Answers> {
  answers ??= askAll();
  return answers;
}

async function askAll(): Promise<Answers> {
  assert.ok(typeof kafka === "function");
  const all = await kafka([
    ...schemas.map(({ name }) => `definition\t${name}`),
    ...codes.map((code) => `error\t${code}`),
    ...writeQuestions,
  ]);
  const [first, second] = [schemas.length, schemas.length + codes.length];
  return { definitions: all.slice(0, first), errors: all.slice(first, second), written: all.slice(second) };
}

test("each table is Kafka's definition, in every version", async (t) => {
  if (typeof kafka !== "function") return t.skip(kafka.missing);
  const { definitions } = await asked();
  for (const [index, schema] of schemas.entries()) {
    const text = Buffer.from(definitions[index]!, "base64")
      .toString()
      .replaceAll(/^\s*\/\/.*$/gm, "");
    const definition = JSON.parse(text) as KafkaMessage;
    const commons = new Map((definition.commonStructs ?? []).map((each) => [each.name, each.fields] as const));
    assert.equal(schema.name, definition.name);
    assert.equal(schema.key, definition.apiKey ?? -1);
    const { first, last } = versionsOf(definition.validVersions);
    assert.deepEqual([schema.name, schema.minVersion, schema.maxVersion], [schema.name, first, last]);
    for (let version = first; version <= last; version++) {
      const isFlexible = isIn(definition.flexibleVersions ?? "none", version);
      assert.equal(schema.isFlexible(version), isFlexible, `${schema.name} v${version}`);
      const [ours, theirs] = [ourShape(schema.fields, version), shapeOf(definition.fields, commons, version)];
      assert.deepEqual(ours, theirs, `${schema.name} v${version}`);
    }
  }
});

test("error codes have Kafka's names and texts, and none is missing", async (t) => {
  if (typeof kafka !== "function") return t.skip(kafka.missing);
  const { errors } = await asked();
  const theirs = new Map<string, string>();
  for (const [index, code] of codes.entries()) {
    const [name, text] = errors[index]!.split("\t");
    // Of a code that it does not know Kafka says that it is unknown.
    if (name === "UNKNOWN_SERVER_ERROR" && code !== -1) continue;
    theirs.set(`${code} ${name!}`, text!);
  }
  const ours = Object.entries(errorCode).map(([name, code]) => [`${code} ${name}`, errorText(code) ?? "NONE"] as const);
  assert.deepEqual(new Map(ours), theirs);
  assert.equal(errorCode["NONE" satisfies ErrorName], 0);
});

/** Our bytes are Kafka's, and are read as the values that they were made from. */
function compare(question: string, answer: string): void {
  const [, name, version, json] = question.split("\t", 4) as [string, string, string, string];
  const schema = schemaByName.get(name)!;
  const value = fromJson(schema.fields, JSON.parse(json) as Plain);
  const bytes = schema.encode(Number(version), value);
  assert.equal(bytes.toString("hex"), answer, question.slice(0, 2000));
  const read = schema.decode(bytes, Number(version));
  assert.ok(!(read instanceof Malformed), `${question.slice(0, 2000)}\n${(read as Malformed).reason}`);
  assert.deepEqual(withoutAbsent(schema.fields, read as Plain, Number(version)), value, question.slice(0, 2000));
}

test("random values have the bytes that Kafka's classes write, in every version", { timeout: 120_000 }, async (t) => {
  if (typeof kafka !== "function") return t.skip(kafka.missing);
  const { written } = await asked();
  t.diagnostic(`${writeQuestions.length} messages, seed ${seed}`);
  for (const [index, question] of writeQuestions.entries()) compare(question, written[index]!);
});

test("the bytes that Kafka's classes wrote are ours", async () => {
  if (isWriting && typeof kafka === "function") {
    const sorted = schemas.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const questions = sorted.flatMap((schema) => questionsFor(schema, 1, 3)).filter((each) => each.length < 600);
    const answers = await kafka(questions);
    const lines = questions.map((each, index) => `${each.split("\t").slice(1).join("\t")}\t${answers[index]!}\n`);
    writeFileSync(goldenFile, lines.join(""));
  }
  const lines = readFileSync(goldenFile, "utf8").split("\n").slice(0, -1);
  const seen = new Set<string>();
  for (const line of lines) {
    const at = line.lastIndexOf("\t");
    compare(`write\t${line.slice(0, at)}`, line.slice(at + 1));
    seen.add(line.split("\t", 2).join(" v"));
  }
  for (const { name, minVersion, maxVersion } of schemas) {
    for (let version = minVersion; version <= maxVersion; version++) {
      assert.ok(seen.has(`${name} v${version}`), `${name} v${version} is in the golden file`);
    }
  }
});
