/**
 * What one checkpoint writes, in as many segments as it takes: a file holds less than 4 GiB, and how much is in no segment yet
 * is bounded by settings and by how long a disk was short of space, not by that. Nearly always it is one.
 *
 * It goes on in a new one when a flush finds the current one large enough; the run that was being written goes on there. What
 * was put before is not to be shared from then on: `number` tells.
 */
import type { RunMeta, SegmentBuilder, SegmentStore } from "../../log/log.ts";

/** What those who fill segments need to know of them. */
export type SegmentSink = Pick<SegmentBuilder, "beginRun" | "put" | "share" | "endRun" | "bytesBuffered" | "flush"> & {
  /** Of the segment that is being written; payloads are shared within one. */
  readonly number: number;
};

export interface WrittenSegment {
  readonly id: number;
  readonly metas: readonly RunMeta[];
  readonly bytes: number;
}

export class SegmentSeries implements SegmentSink {
  /** Those that are whole. One into which nothing was put is not among them. */
  readonly written: WrittenSegment[] = [];
  number = -1;
  readonly #store: SegmentStore;
  readonly #nextId: () => number;
  readonly #bytesMax: number;
  #builder: SegmentBuilder | undefined;
  #partition = -1;

  private constructor(store: SegmentStore, bytesMax: number, nextId: () => number) {
    this.#store = store;
    this.#bytesMax = bytesMax;
    this.#nextId = nextId;
  }

  /** `bytesMax`: a segment that has more than this at a flush is the last but one. */
  static async begin(store: SegmentStore, bytesMax: number, nextId: () => number): Promise<SegmentSeries> {
    const series = new SegmentSeries(store, bytesMax, nextId);
    await series.#begin();
    return series;
  }

  get metas(): RunMeta[] {
    return this.written.flatMap(({ metas }) => metas);
  }

  get bytesBuffered(): number {
    return this.#builder!.bytesBuffered;
  }

  beginRun(partition: number): void {
    this.#partition = partition;
    this.#builder!.beginRun(partition);
  }

  put(offset: number, timestamp: number, source: Buffer, start: number, end: number, crc?: number): number {
    return this.#builder!.put(offset, timestamp, source, start, end, crc);
  }

  share(offset: number, timestamp: number, position: number, length: number): void {
    this.#builder!.share(offset, timestamp, position, length);
  }

  endRun(): void {
    this.#partition = -1;
    this.#builder!.endRun();
  }

  async flush(): Promise<void> {
    const builder = this.#builder!;
    await builder.flush();
    if (builder.bytes <= this.#bytesMax) return;
    const partition = this.#partition;
    if (partition >= 0) this.endRun();
    await this.finish();
    await this.#begin();
    if (partition >= 0) this.beginRun(partition);
  }

  /** All of it is durable. */
  async finish(): Promise<void> {
    const builder = this.#builder!;
    const metas = await builder.finish();
    this.#builder = undefined;
    if (metas.length > 0) this.written.push({ id: this.number, metas, bytes: builder.bytes });
  }

  /** Removes all of it. */
  async abort(): Promise<void> {
    await this.#builder?.abort();
    // The one that finish() was about may have its name already.
    for (const id of [this.number, ...this.written.map((one) => one.id)]) await this.#store.remove(id);
  }

  async #begin(): Promise<void> {
    this.number = this.#nextId();
    this.#builder = await this.#store.create(this.number);
  }
}
