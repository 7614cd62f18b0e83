/** Every table of src/protocols/kafka/codec/messages, by its name in Kafka's definitions. */

import { readdirSync } from "node:fs";
import { MessageSchema } from "../../../src/protocols/kafka/codec/schema.ts";

const folder = new URL("../../../src/protocols/kafka/codec/messages/", import.meta.url);

export type AnySchema = MessageSchema<unknown, unknown>;

export async function allSchemas(): Promise<AnySchema[]> {
  const files = readdirSync(folder).filter((name) => name.endsWith(".ts"));
  const modules = await Promise.all(
    files.map((name) => import(new URL(name, folder).href) as Promise<Record<string, unknown>>),
  );
  return modules
    .flatMap((module) => Object.values(module))
    .filter((each) => each instanceof MessageSchema) as AnySchema[];
}
