/**
 * The simulator's own protocol: a message knows which one it is, and carries its deaths in its head.
 *
 * Body: number u32 | length u32 | octets that follow from both. Head: the deaths, newest first, as
 * `reason@queue/reason@queue`. So every delivery says by itself what it must be, to the octet.
 */
import type { Entry, Exchange, MessageFormat } from "../src/broker/api.ts";
import { emptyPublication } from "../src/broker/publication.ts";

export const simFormatId = 200;

const bodyBytesMin = 8;
const nothing = emptyPublication({ name: "" } as Exchange);

export function bodyOf(number: number, length: number): Buffer {
  const body = Buffer.alloc(Math.max(length, bodyBytesMin), (number * 31 + length) & 0xff);
  body.writeUInt32BE(number, 0);
  body.writeUInt32BE(body.length, 4);
  return body;
}

/** Which message it is; undefined when its octets are not those of any. */
export function numberOf(entry: Entry): number | undefined {
  const { buffer, bodyStart, bodyEnd } = entry;
  if (bodyEnd - bodyStart < bodyBytesMin) return undefined;
  const number = buffer.readUInt32BE(bodyStart);
  const length = buffer.readUInt32BE(bodyStart + 4);
  if (length !== bodyEnd - bodyStart) return undefined;
  return bodyOf(number, length).compare(buffer, bodyStart, bodyEnd) === 0 ? number : undefined;
}

export function pathOf(entry: Entry): string {
  return entry.buffer.toString("utf8", entry.headStart, entry.headEnd);
}

const marker = Buffer.from("end");
/** Of one batch in ours, at most. */
const batchBytesMax = 1 << 20;

/** A batch: number of its first message u32 | how many u32 | octets that follow from both. */
export function batchBodyOf(number: number, count: number, length: number): Buffer {
  const body = Buffer.alloc(Math.max(length, bodyBytesMin), (number * 31 + count) & 0xff);
  body.writeUInt32BE(number, 0);
  body.writeUInt32BE(count, 4);
  return body;
}

export function markerBody(): Buffer {
  return Buffer.from(marker);
}

export function isMarker({ buffer, bodyStart, bodyEnd }: Entry): boolean {
  return marker.compare(buffer, bodyStart, bodyEnd) === 0;
}

/** The number of its first message; undefined: its octets are not those of any batch, or not of one of so many messages. */
export function batchNumberOf({ buffer, bodyStart, bodyEnd, count }: Entry): number | undefined {
  if (bodyEnd - bodyStart < bodyBytesMin || buffer.readUInt32BE(bodyStart + 4) !== count) return undefined;
  const number = buffer.readUInt32BE(bodyStart);
  const body = batchBodyOf(number, count, bodyEnd - bodyStart);
  return body.compare(buffer, bodyStart, bodyEnd) === 0 ? number : undefined;
}

/** Of a batch with keys; its text null makes it a tombstone. */
export interface KeyedMessage {
  readonly delta: number;
  readonly key: string;
  readonly text: string | null;
}

/** A batch with keys: JSON. */
export function keyedBody(messages: readonly KeyedMessage[]): Buffer {
  return Buffer.from(JSON.stringify(messages));
}

/** Undefined: it is no such batch. */
export function keyedMessagesIn({ buffer, bodyStart, bodyEnd }: Entry): KeyedMessage[] | undefined {
  try {
    return JSON.parse(buffer.toString("utf8", bodyStart, bodyEnd)) as KeyedMessage[];
  } catch {
    return undefined;
  }
}

/** How the core reads and rewrites them. */
export const simFormat: MessageFormat = {
  id: simFormatId,
  name: "simulated",
  headers: () => ({}),
  property: () => undefined,
  extraKeys: () => [],
  deaths: (buffer, headStart, headEnd) =>
    buffer
      .toString("utf8", headStart, headEnd)
      .split("/")
      .filter((death) => death !== "")
      .map((death) => ({ reason: death.split("@")[0]!, queue: death.split("@")[1]! })),
  withDeath: (buffer, headStart, headEnd, death) => {
    const older = buffer.toString("utf8", headStart, headEnd);
    const newest = `${death.reason}@${death.queue}`;
    return Buffer.from(older === "" ? newest : `${newest}/${older}`);
  },
  isControl: isMarker,
  unpack(batch, into): boolean {
    const first = batchNumberOf(batch);
    if (first === undefined || batch.bodyEnd - batch.bodyStart > batchBytesMax) return false;
    for (let i = 0; i < batch.count; i++) {
      const body = bodyOf(first + i, bodyBytesMin);
      const message = { ...nothing, format: simFormatId, body, bodyEnd: body.length };
      if (!into.add(batch.baseOffset + i, batch.timestampMs, message)) return false;
    }
    return true;
  },
  keys(batch, visit): boolean {
    const messages = keyedMessagesIn(batch);
    for (const { delta, key, text } of messages ?? []) {
      visit(batch.baseOffset + delta, Buffer.from(key), 0, key.length, text === null);
    }
    return messages !== undefined;
  },
  retain(batch, isKept): Buffer | undefined {
    const kept = keyedMessagesIn(batch)?.filter(({ delta }) => isKept(batch.baseOffset + delta)) ?? [];
    return kept.length === 0 ? undefined : keyedBody(kept);
  },
};
