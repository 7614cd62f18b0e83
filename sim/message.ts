/**
 * The simulator's own protocol: a message knows which one it is, and carries its deaths in its head.
 *
 * Body: number u32 | length u32 | octets that follow from both. Head: the deaths, newest first, as
 * `reason@queue/reason@queue`. So every delivery says by itself what it must be, to the octet.
 */
import type { Entry, MessageFormat } from "../src/broker/api.ts";

export const simFormatId = 200;

const bodyBytesMin = 8;

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
};
