/**
 * One partition that is being fetched: where its reader stands, and how much there is for it. It lives as long as its request,
 * or as the session that remembers it.
 *
 * What there is was counted as far as `#countedTo` and is not counted again when more comes, so that a fetch that waits for a
 * megabyte looks at each batch once.
 */

import type { Entry, Queue } from "../../../broker/api.ts";
import type { Identity } from "../../../auth/identity.ts";
import { errorCode } from "../codec/errors.ts";
import { mayRead } from "../security/access.ts";
import type { KafkaServer } from "../server.ts";
import { epochFault } from "../topics/find-partition.ts";
import type { Topic } from "../topics/topics.ts";

/** What a message of another protocol takes more, about, when it stands in a batch of its own. */
const foreignBytes = 96;

/** Who is told that there may be more. */
export interface PartitionOwner {
  advanced(partition: FetchPartition): void;
}

export class FetchPartition {
  /** As it is named to the client; of a topic that is asked for by an id that is not known, empty. */
  topicName: string;
  readonly topicId: string;
  readonly index: number;
  queue: Queue | undefined;
  #topic: Topic | undefined;
  /** An error's code. */
  error = 0;
  offset = 0;
  bytesMax = 0;
  leaderEpoch = -1;
  /** What the client was told last. */
  toldEnd = -1;
  toldStart = -1;
  /** Of what it may read, from `offset` on; as far as it was counted. */
  countedBytes = 0;
  /** What comes next is not in memory. */
  isCold = false;
  #countedTo = 0;
  #unfollow: (() => void) | undefined;
  readonly #byId: boolean;
  /** Who was allowed to read it. */
  #identity: Identity | undefined;
  #identityVersion = 0;

  constructor(topicName: string, topicId: string, index: number, byId: boolean) {
    this.topicName = topicName;
    this.topicId = topicId;
    this.index = index;
    this.#byId = byId;
  }

  /** What the client asks of it now. */
  ask(offset: number, bytesMax: number, leaderEpoch: number): void {
    this.offset = offset;
    this.bytesMax = bytesMax;
    this.leaderEpoch = leaderEpoch;
    this.forgetCount();
  }

  /** It is counted from the reader's place on again: what was in memory may be gone. */
  forgetCount(): void {
    this.countedBytes = 0;
    this.#countedTo = this.offset;
    this.isCold = false;
  }

  /** Looks whether it is there and may be read; `error` says so. */
  resolve(server: KafkaServer, identity: Identity): void {
    if (this.queue === undefined || this.queue.isDeleted) this.#find(server);
    const { queue } = this;
    const unknown = this.#byId ? errorCode.UNKNOWN_TOPIC_ID : errorCode.UNKNOWN_TOPIC_OR_PARTITION;
    if (this.topicName !== "" && !this.#isAllowed(server, identity)) this.error = errorCode.TOPIC_AUTHORIZATION_FAILED;
    else if (queue === undefined) this.error = this.topicName === "" ? unknown : errorCode.UNKNOWN_TOPIC_OR_PARTITION;
    else this.error = epochFault(this.leaderEpoch) || this.#judgeOffset(queue);
    // What was counted before is not to be had.
    if (this.error !== errorCode.NONE) this.forgetCount();
  }

  /** Asked anew when the answer may be another one: a pattern is matched for it. */
  #isAllowed(server: KafkaServer, identity: Identity): boolean {
    if (identity === this.#identity && identity.version === this.#identityVersion) return true;
    const isAllowed = mayRead({ identity, server }, this.topicName);
    this.#identity = isAllowed ? identity : undefined;
    this.#identityVersion = identity.version;
    return isAllowed;
  }

  #judgeOffset(queue: Queue): number {
    return this.offset < queue.firstOffset || this.offset > queue.visibleEnd
      ? errorCode.OFFSET_OUT_OF_RANGE
      : errorCode.NONE;
  }

  #find(server: KafkaServer): void {
    const topic = this.#byId ? server.topics.findById(this.topicId) : server.topics.find(this.topicName);
    if (this.#unfollow !== undefined) this.unfollow();
    if (this.#byId) this.topicName = topic?.name ?? "";
    this.#identity = undefined;
    this.#topic = topic;
    this.queue = topic?.partitions[this.index];
    this.forgetCount();
  }

  /** What is in it has the time at which the broker took it. */
  get usesAppendTime(): boolean {
    return this.#topic?.limits.usesAppendTime === true;
  }

  /** Its messages go when they are settled: behind a reader's place there may be none up to the end. */
  get isGapped(): boolean {
    return this.queue!.settings.mode !== "offset";
  }

  /** Below it may be read. */
  end(isCommittedOnly: boolean): number {
    const queue = this.queue!;
    return isCommittedOnly ? queue.stableEnd : queue.visibleEnd;
  }

  /** Counts on, until there is `enough`. */
  count(isCommittedOnly: boolean, enough: number): void {
    if (this.error !== 0 || this.countedBytes >= enough) return;
    const end = this.end(isCommittedOnly);
    this.isCold = false;
    if (this.#countedTo >= end) return;
    counted = this.countedBytes;
    countedEnough = Math.min(enough, this.bytesMax);
    this.#countedTo = this.queue!.read(this.#countedTo, end, countEntry);
    this.countedBytes = counted;
    this.isCold = this.#countedTo < end && counted < countedEnough;
  }

  /** Brings what comes next into memory. */
  load(done: () => void): void {
    this.queue!.load(this.#countedTo, done);
  }

  /** Tells `owner` of more, from now on. */
  follow(owner: PartitionOwner): void {
    if (this.#unfollow !== undefined || this.queue === undefined) return;
    this.#unfollow = this.queue.follow(() => owner.advanced(this));
  }

  unfollow(): void {
    this.#unfollow?.();
    this.#unfollow = undefined;
  }
}

let counted = 0;
let countedEnough = 0;

function countEntry(entry: Entry): boolean {
  if (counted >= countedEnough) return false;
  counted += sizeOf(entry);
  return true;
}

/** What an entry takes in an answer, about. */
export function sizeOf(entry: Entry): number {
  const bytes = entry.bodyEnd - entry.bodyStart;
  return entry.isBatch ? bytes : bytes + entry.headEnd - entry.headStart + foreignBytes;
}
