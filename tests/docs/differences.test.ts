/** docs/rabbitmq.md lists each recorded difference from RabbitMQ with its reason. */

import { test } from "node:test";
import { differences, rewrites } from "../conformance/amqp091/differences.ts";
import { holdPart } from "./written-part.ts";

/** `queue-arguments/an-x-max-age.txt` as words. */
function scenario(golden: string): string {
  return golden
    .replace(/\.txt$/, "")
    .replace("/", ": ")
    .replaceAll("-", " ");
}

test("docs/rabbitmq.md lists the differences that the conformance test allows", () => {
  const reasons = new Map<string, string[]>();
  for (const { golden, reason } of differences) {
    reasons.set(reason, [...(reasons.get(reason) ?? []), scenario(golden)]);
  }
  const single = [...reasons].map(([reason, scenarios]) => `* ${reason} (*${scenarios.join("*; *")}*)\n`);
  const everywhere = rewrites.map(({ reason }) => `* ${reason} (everywhere)\n`);
  const text = `\n${[...single, ...everywhere].join("")}\n`;
  holdPart("docs/rabbitmq.md", "differences", "tests/conformance/amqp091/differences.ts", text);
});
