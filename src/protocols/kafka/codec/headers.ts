/**
 * What stands before each request and each response.
 *
 *     request  = int16 api key, int16 version, int32 correlation id, string client id or null, tags if flexible
 *     response = int32 correlation id, tags if flexible
 *
 * The client id is an old string in flexible versions too. Whether a header has tags goes by whether the message is
 * flexible, but for the response of ApiVersions, which never has them: a client reads it before it knows what the broker
 * speaks.
 */

import type { Input } from "../../../wire/input.ts";
import { putUvarint, readString, readUvarint } from "./primitives.ts";
import type { MessageSchema } from "./schema.ts";

export const apiVersionsKey = 18;
/** Key, version and correlation id. */
const fixedBytes = 8;

/** The fixed part of a request's header, and where to go on. *Reused.* */
export class RequestHeader {
  apiKey = 0;
  apiVersion = 0;
  correlationId = 0;
  clientId: string | null = null;

  /** Reads the part that is the same in all versions. False: there is less. */
  readFixed(input: Input): boolean {
    if (input.end - input.at < fixedBytes) return false;
    this.apiKey = input.i16();
    this.apiVersion = input.i16();
    this.correlationId = input.i32();
    this.clientId = null;
    return true;
  }

  /** Reads the rest, once it is known whether this API is flexible in this version. False: it is malformed. */
  readRest(input: Input, isFlexible: boolean): boolean {
    this.clientId = readString(input, false);
    if (isFlexible) skipTags(input);
    return input.fault === null;
  }
}

/** Passes over tagged fields that nobody looks at. */
export function skipTags(input: Input): void {
  for (let left = readUvarint(input); left > 0 && input.fault === null; left--) {
    readUvarint(input);
    input.skip(readUvarint(input));
  }
}

/** Whether tags, of which there are none, stand between the correlation id and the response. */
export function responseHasTags(schema: MessageSchema, version: number): boolean {
  return schema.isFlexible(version) && schema.key !== apiVersionsKey;
}

/** What a client writes, for tests and tools: the header of a request. */
export function putRequestHeader(
  apiKey: number,
  version: number,
  correlationId: number,
  clientId: string | null,
  isFlexible: boolean,
): Buffer {
  const name = Buffer.from(clientId ?? "");
  const buffer = Buffer.alloc(fixedBytes + 2 + name.length + (isFlexible ? 1 : 0));
  buffer.writeInt16BE(apiKey, 0);
  buffer.writeInt16BE(version, 2);
  buffer.writeInt32BE(correlationId, 4);
  buffer.writeInt16BE(clientId === null ? -1 : name.length, 8);
  name.copy(buffer, 10);
  if (isFlexible) putUvarint(buffer, 10 + name.length, 0);
  return buffer;
}
