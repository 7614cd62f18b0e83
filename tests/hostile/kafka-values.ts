/** Values of requests that mean nothing good: names that exist and names that do not, numbers at their ends. */

import fc from "fast-check";
import type { Preferred } from "../conformance/kafka/values.ts";
import { batch } from "./kafka-witness.ts";

const names = fc.constantFrom(
  "orders",
  "orders",
  "nobody",
  "",
  "a b",
  ".",
  "__consumer_offsets",
  "x".repeat(250),
  "größe",
);
const numbers = fc.constantFrom(0, 0, 1, 2, 3, -1, -2, 100, 0x7fff_ffff, -0x8000_0000);

/** Values that get further than the first check. */
export function senseless(topicId: string): Preferred {
  return (name, field) => {
    if (
      /^(name|topic|topicName|groupId|key|transactionalId|memberId|resourceName)$/.test(name) &&
      field.type === "string"
    ) {
      return names;
    }
    if (name === "maxWaitMs") return fc.constantFrom(0, 1, -1);
    // Silence is an answer to acks=0.
    if (name === "acks") return fc.constantFrom(-1, -1, 1, 1, 0, 3);
    if (field.type === "uuid") return fc.constantFrom(topicId, topicId, "0".repeat(32));
    if (field.type === "records") return fc.constantFrom(batch, batch.subarray(0, 90), Buffer.concat([batch, batch]));
    if (field.type === "int8") return fc.constantFrom(0, 1, 2, 4, -1);
    if (field.type === "int16") return fc.constantFrom(0, 1, -1, 3);
    return field.type === "int32" || field.type === "int64" ? numbers : undefined;
  };
}
