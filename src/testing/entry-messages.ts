/** The messages of an entry as all protocols see them, those of a batch one by one. */

import type { Broker, CanonicalMessage, Entry } from "../broker/api.ts";
import { heldMessage } from "./held-entry.ts";

/** @param topic where a batch lies. */
export function entryMessages(broker: Broker, entry: Entry, topic: string): CanonicalMessage[] {
  const format = broker.formatOf(entry);
  if (!entry.isBatch) return [format.canonical!(entry)];
  const found: CanonicalMessage[] = [];
  format.stamp?.(entry.buffer, entry.bodyStart, entry.bodyEnd, entry.baseOffset, entry.timestampMs);
  format.unpack?.(entry, {
    bytesMax: Infinity,
    topic,
    add(_offset, timestampMs, message) {
      const held = heldMessage(message, timestampMs);
      found.push(broker.formatOf(held).canonical!(held));
      return true;
    },
  });
  return found;
}
