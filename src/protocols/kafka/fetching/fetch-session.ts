/**
 * A client's memory at the broker of what it fetches (KIP-227): requests tell what has changed, answers tell what is new.
 *
 * A session follows its partitions, so that a fetch of a thousand partitions costs what those of them cost that have moved:
 * `active` are those that have something, or may have. They stand in the order in which they are served; who was given
 * records goes to the end.
 */

import type { FetchPartition, PartitionOwner } from "./fetch-partition.ts";

export class FetchSession implements PartitionOwner {
  readonly id: number;
  readonly usesIds: boolean;
  /** That the next request must have. */
  epoch = 1;
  lastUsedMs: number;
  readonly active = new Set<FetchPartition>();
  /** The fetch that waits, if one does. */
  waiting: PartitionOwner | undefined;
  readonly #partitionByKey = new Map<string, FetchPartition>();
  #isClosed = false;

  constructor(id: number, usesIds: boolean, nowMs: number) {
    this.id = id;
    this.usesIds = usesIds;
    this.lastUsedMs = nowMs;
  }

  get size(): number {
    return this.#partitionByKey.size;
  }

  find(key: string): FetchPartition | undefined {
    return this.#partitionByKey.get(key);
  }

  add(key: string, partition: FetchPartition): void {
    this.#partitionByKey.set(key, partition);
    this.active.add(partition);
  }

  remove(key: string): void {
    const partition = this.#partitionByKey.get(key);
    if (partition === undefined) return;
    partition.unfollow();
    this.active.delete(partition);
    this.#partitionByKey.delete(key);
  }

  /** Is told of more in the partition, or goes on being told. Answers are written after the session's end, too. */
  follow(partition: FetchPartition): void {
    if (!this.#isClosed) partition.follow(this);
  }

  advanced(partition: FetchPartition): void {
    this.active.add(partition);
    this.waiting?.advanced(partition);
  }

  nextEpoch(): void {
    this.epoch = this.epoch === 0x7fff_ffff ? 1 : this.epoch + 1;
  }

  close(): void {
    this.#isClosed = true;
    for (const partition of this.#partitionByKey.values()) partition.unfollow();
    this.#partitionByKey.clear();
    this.active.clear();
  }
}
