/** Says what was published instead of what was expected, as an assertion of node:assert's, which test runners show as a difference. */

import { deepStrictEqual } from "node:assert";
import type { PublishedMessage } from "./published.ts";

/** A message's text, or those of its fields that matter. */
export type ExpectedMessage = string | Partial<PublishedMessage>;

/** @throws AssertionError unless these were published, in this order, and nothing else. */
export function assertPublished(messages: readonly PublishedMessage[], expected: readonly ExpectedMessage[]): void {
  // Of each message what its place asks for; of what nobody expected, its text.
  const shown = messages.map((message, index) => {
    const wanted = expected[index];
    if (typeof wanted !== "object") return message.text;
    return Object.fromEntries(Object.keys(wanted).map((name) => [name, message[name as keyof PublishedMessage]]));
  });
  deepStrictEqual(shown, expected);
}
