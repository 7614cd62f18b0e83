/** The table of fields in docs/crossing.md is that of the code. */
import { test } from "node:test";
import { recordFields } from "../../src/protocols/kafka/mapping/record-fields.ts";
import { holdPart } from "./written-part.ts";

test("docs/crossing.md lists every field that a Kafka record carries in a header", () => {
  const lines = ["| AMQP | Kafka's header | read from Kafka clients |", "| --- | --- | --- |"];
  for (const { header, value } of recordFields) {
    const isRead = ["1", "text"].some((text) => value(text) !== undefined);
    lines.push(`| ${nameOf(header)} | \`${header}\` | ${isRead ? "yes" : "no"} |`);
  }
  holdPart("docs/crossing.md", "fields", "src/protocols/kafka/mapping/record-fields.ts", `${lines.join("\n")}\n`);
});

function nameOf(header: string): string {
  const name = header.slice("amqp.".length);
  return name === "exchange" || name === "routing-key" ? `the ${name.replace("-", " ")}` : `\`${name}\``;
}
