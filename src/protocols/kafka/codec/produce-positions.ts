/**
 * The hand-written twin of the table of ProduceRequest (messages/produce.ts): where in a request's bytes each partition's
 * records lie, in arrays of numbers that are used again. A request costs the string of each topic's name and nothing more.
 * A property test holds that it takes, refuses and reads what the table does.
 */

import { Malformed, type Input } from "../../../wire/input.ts";
import { skipTags } from "./headers.ts";
import { readLength, readString, readUuid, uuidZero } from "./primitives.ts";

const firstFlexibleVersion = 9;
const firstVersionWithIds = 13;
/** As in schema.ts. */
const elementsMax = 1_000_000;

/** *Reused.* Partition i of all that the request has; those of topic t are `firstPartition[t]` to `firstPartition[t + 1]`. */
export class ProducePositions {
  transactionalId: string | null = null;
  acks = 0;
  timeoutMs = 0;
  topicCount = 0;
  partitionCount = 0;
  /** Before version 13; empty from there on. */
  readonly topicNames: string[] = [];
  /** From version 13 on; zeros before. */
  readonly topicIds: string[] = [];
  readonly firstPartition: number[] = [];
  readonly indexes: number[] = [];
  /** In the input's buffer; -1: null. */
  readonly recordStarts: number[] = [];
  readonly recordEnds: number[] = [];

  /** Reads a request from where the input stands. Answers what is malformed, if something is. */
  read(input: Input, version: number): Malformed | undefined {
    const isFlexible = version >= firstFlexibleVersion;
    this.#clear();
    this.transactionalId = readString(input, isFlexible);
    this.acks = input.i16();
    this.timeoutMs = input.i32();
    const topicCount = count(input, isFlexible, topicBytesLeast(version, isFlexible));
    for (let left = topicCount; left > 0 && input.fault === null; left--) this.#topic(input, version, isFlexible);
    if (isFlexible) skipTags(input);
    this.firstPartition.push(this.indexes.length);
    this.topicCount = topicCount;
    this.partitionCount = this.indexes.length;
    if (topicCount + this.partitionCount > elementsMax) input.fail(`more than ${elementsMax} elements`);
    return input.fault === null ? undefined : new Malformed(`ProduceRequest v${version}: ${input.fault}`);
  }

  #topic(input: Input, version: number, isFlexible: boolean): void {
    const hasId = version >= firstVersionWithIds;
    const name = hasId ? "" : readString(input, isFlexible);
    if (name === null) return input.fail("null, which it cannot be");
    this.topicNames.push(name);
    this.topicIds.push(hasId ? readUuid(input) : uuidZero);
    this.firstPartition.push(this.indexes.length);
    const partitionCount = count(input, isFlexible, isFlexible ? 6 : 8);
    if (this.indexes.length + partitionCount > elementsMax) return input.fail(`more than ${elementsMax} elements`);
    for (let left = partitionCount; left > 0 && input.fault === null; left--) {
      this.indexes.push(input.i32());
      const length = readLength(input, isFlexible);
      const start = length < 0 ? -1 : input.skip(length);
      this.recordStarts.push(start);
      this.recordEnds.push(start < 0 ? -1 : start + length);
      if (isFlexible) skipTags(input);
    }
    if (isFlexible) skipTags(input);
  }

  #clear(): void {
    this.topicNames.length = 0;
    this.topicIds.length = 0;
    this.firstPartition.length = 0;
    this.indexes.length = 0;
    this.recordStarts.length = 0;
    this.recordEnds.length = 0;
  }
}

/** Of an array that cannot be null. */
function count(input: Input, isFlexible: boolean, elementBytesLeast: number): number {
  const elements = readLength(input, isFlexible);
  if (elements < 0) input.fail("null, which it cannot be");
  else if (elements * elementBytesLeast > input.end - input.at) input.fail(`${elements} elements, which do not fit`);
  return input.fault === null ? elements : 0;
}

/** Its name or id, the count of its partitions, its tags. */
function topicBytesLeast(version: number, isFlexible: boolean): number {
  if (version >= firstVersionWithIds) return 18;
  return isFlexible ? 3 : 6;
}
