/**
 * What each client of Kafka goes through, in a program of its own (README.md says what each pattern has to show); and the
 * frame of their tests: against a broker that is started for it, or against what listens at ENTREPOT_KAFKA.
 */

import { rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { join } from "node:path";
import { spawnBroker } from "./broker.ts";
import { certificateFolder, judge, prepared, type Program, programLimitMs, run } from "./client-suite.ts";

export const kafkaPatterns = [
  "records",
  "compression",
  "group",
  "resume",
  "times",
  "idempotent",
  "transactions",
  "transform",
  "admin",
  "groups-admin",
] as const;

export type KafkaPatternName = (typeof kafkaPatterns)[number];

/** Of clients that are here to show that they work with their defaults. */
export const patternsOfDefaults: readonly KafkaPatternName[] = ["records", "group", "resume"];

/** Over TLS and with a login only these: everything above the connection is the same. */
const patternsOverTls: readonly KafkaPatternName[] = ["records", "group"];

export interface KafkaSuite {
  /** Those that the client can do at all; all, if left out. */
  readonly patterns?: readonly string[];
  /** Goes through some of them again with TLS and this mechanism: ENTREPOT_INTEROP_SASL, with ca.pem in ENTREPOT_INTEROP_TLS. */
  readonly overTls?: "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512";
  /** Those that it goes through besides there. */
  readonly patternsOfLogin?: readonly string[];
}

/** The users of a broker where clients have to log in. */
const everything = { configure: ".*", write: ".*", read: ".*" };
const definitions = {
  users: [
    { name: "guest", password: "guest", tags: "administrator" },
    { name: "limited", password: "limited", tags: "" },
  ],
  permissions: [
    { user: "guest", vhost: "/", ...everything },
    { user: "limited", vhost: "/", configure: "", write: "public$", read: "public$" },
  ],
};

export function kafkaSuite(client: string, prepare: () => Promise<Program>, more: KafkaSuite = {}): void {
  const patterns = more.patterns ?? kafkaPatterns;
  test(`${client} goes through every pattern`, { timeout: 2 * programLimitMs }, async (t) => {
    const program = await prepared(client, prepare);
    if ("missing" in program) return t.skip(program.missing);
    const given = process.env["ENTREPOT_KAFKA"];
    const broker = given === undefined ? await spawnBroker({ listen: { kafka: "127.0.0.1:0" } }) : undefined;
    const ended = await run(program.command, [...program.args, given ?? broker!.addresses["kafka"]!, ...patterns]);
    await broker?.kill("SIGTERM");
    for (const pattern of patterns) await t.test(pattern, () => judge(ended, pattern, broker?.log()));
  });
  const mechanism = more.overTls;
  if (mechanism === undefined || process.env["ENTREPOT_KAFKA"] !== undefined) return;
  test(`${client} works over TLS and logs in by ${mechanism}`, { timeout: 2 * programLimitMs }, async (t) => {
    const program = await prepared(client, prepare);
    if ("missing" in program) return t.skip(program.missing);
    const files = certificateFolder();
    t.after(() => rmSync(files, { recursive: true }));
    writeFileSync(join(files, "definitions.json"), JSON.stringify(definitions));
    const broker = await spawnBroker({
      listen: { kafkas: "127.0.0.1:0" },
      set: {
        "tls.certificateFile": join(files, "broker.pem"),
        "definitions.importFile": join(files, "definitions.json"),
        "kafka.requireSasl": "true",
      },
    });
    const wanted = [...patternsOverTls, ...(more.patternsOfLogin ?? [])];
    const args = [...program.args, broker.addresses["kafkas"]!, ...wanted];
    const env = { ...process.env, ENTREPOT_INTEROP_TLS: files, ENTREPOT_INTEROP_SASL: mechanism };
    const ended = await run(program.command, args, undefined, env);
    await broker.kill("SIGTERM");
    for (const pattern of wanted) await t.test(pattern, () => judge(ended, pattern, broker.log()));
  });
}
