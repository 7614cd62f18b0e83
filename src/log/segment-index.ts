/**
 * Pages of segments' indexes, verified, the most recently used of them in memory.
 *
 * A page whose CRC is wrong is salvaged when it is loaded: each of its entries is tried against its payload, and those
 * that verify make a page of their own, with the others in its damage. So readers see pages that can be trusted, some
 * of them with fewer entries than they had.
 */

import type { Damage, RunMeta } from "./log.ts";
import type { OpenSegment, SegmentFiles } from "./segment-files.ts";
import {
  INDEX_ENTRY_BYTES,
  PAGE_BYTES,
  PAGE_HEADER_BYTES,
  pageCrc,
  pageEntriesOf,
  pageLength,
  payloadCrc,
  payloadCrcOf,
} from "./segment-format.ts";
import { readU64 } from "./u64.ts";

/** Of 8 KB each. */
const pagesMax = 256;

export class IndexPage {
  readonly entries: number;
  readonly damage: Damage[];
  readonly #buffer: Buffer;
  readonly #base: number;

  /** `buffer` holds the entries without the page's header. */
  constructor(buffer: Buffer, base: number, entries: number, damage: Damage[]) {
    this.#buffer = buffer;
    this.#base = base;
    this.entries = entries;
    this.damage = damage;
  }

  delta(index: number): number {
    return this.#buffer.readUInt32BE(index * INDEX_ENTRY_BYTES);
  }
  offset(index: number): number {
    return this.#base + this.delta(index);
  }
  position(index: number): number {
    return this.#buffer.readUInt32BE(index * INDEX_ENTRY_BYTES + 4);
  }
  length(index: number): number {
    return this.#buffer.readUInt32BE(index * INDEX_ENTRY_BYTES + 8);
  }
  payloadCrc(index: number): number {
    return payloadCrcOf(this.#buffer.readUInt32BE(index * INDEX_ENTRY_BYTES + 12), this.delta(index));
  }

  /** Index of the first entry with this offset or a later one; `entries` if there is none. */
  find(offset: number): number {
    let low = 0;
    let high = this.entries;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.offset(middle) < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export class SegmentIndex {
  readonly #files: SegmentFiles;
  /** Least recently used first. */
  readonly #pageByKey = new Map<string, IndexPage>();

  constructor(files: SegmentFiles) {
    this.#files = files;
  }

  /** Page `first` of the run, and in the same read those behind it, up to `count`, that are not in memory. */
  async page(segment: OpenSegment, run: RunMeta, first: number, count: number): Promise<IndexPage> {
    const known = this.#pageByKey.get(keyOf(run, first));
    if (known !== undefined) {
      this.#keep(keyOf(run, first), known);
      return known;
    }
    let end = first + 1;
    while (end < first + count && end < run.fences.length && !this.#pageByKey.has(keyOf(run, end))) end++;
    const start = run.indexPosition + first * PAGE_BYTES;
    const length = (end - first - 1) * PAGE_BYTES + pageLength(pageEntriesOf(run.count, end - 1));
    const buffer = Buffer.alloc(length);
    await this.#files.read(segment.file, buffer, 0, length, start);
    let answer: IndexPage | undefined;
    for (let page = first; page < end; page++) {
      const loaded = await this.#verify(segment, run, page, buffer, (page - first) * PAGE_BYTES);
      this.#keep(keyOf(run, page), loaded);
      answer ??= loaded;
    }
    return answer!;
  }

  forget(segment: number): void {
    for (const key of this.#pageByKey.keys()) if (key.startsWith(`${segment}/`)) this.#pageByKey.delete(key);
  }

  #keep(key: string, page: IndexPage): void {
    this.#pageByKey.delete(key);
    this.#pageByKey.set(key, page);
    if (this.#pageByKey.size <= pagesMax) return;
    for (const oldest of this.#pageByKey.keys()) {
      this.#pageByKey.delete(oldest);
      return;
    }
  }

  async #verify(segment: OpenSegment, run: RunMeta, page: number, buffer: Buffer, at: number): Promise<IndexPage> {
    const entries = pageEntriesOf(run.count, page);
    const base = run.fences[page]!;
    // Copied: what is kept of one page must not keep what was read with it.
    const body = Buffer.from(buffer.subarray(at + PAGE_HEADER_BYTES, at + pageLength(entries)));
    const isSound =
      buffer.readUInt32BE(at + 28) === pageCrc(buffer, at, entries) &&
      readU64(buffer, at) === base &&
      buffer.readUInt32BE(at + 24) === entries;
    if (isSound) return new IndexPage(body, base, entries, []);
    return await this.#salvage(segment, run, page, new IndexPage(body, base, entries, []), body);
  }

  async #salvage(
    segment: OpenSegment,
    run: RunMeta,
    page: number,
    suspect: IndexPage,
    body: Buffer,
  ): Promise<IndexPage> {
    const file = segment.name;
    const start = run.indexPosition + page * PAGE_BYTES;
    const lastOffset = page + 1 < run.fences.length ? run.fences[page + 1]! - 1 : run.lastOffset;
    const damage = [
      {
        file,
        position: start,
        length: pageLength(suspect.entries),
        what: `the index of offsets ${run.fences[page]} to ${lastOffset} of partition ${run.partition} does not verify`,
      },
    ];
    const good = Buffer.alloc(body.length);
    let count = 0;
    let before = -1;
    for (let index = 0; index < suspect.entries; index++) {
      const at = index * INDEX_ENTRY_BYTES;
      const offset = suspect.offset(index);
      if (offset > before && offset <= lastOffset && (await this.#isTrue(segment, run, suspect, index))) {
        body.copy(good, count * INDEX_ENTRY_BYTES, at, at + INDEX_ENTRY_BYTES);
        count++;
        before = offset;
      } else {
        const what = `entry ${index} of this index page of partition ${run.partition} is lost`;
        damage.push({ file, position: start + PAGE_HEADER_BYTES + at, length: INDEX_ENTRY_BYTES, what });
      }
    }
    return new IndexPage(good, run.fences[page]!, count, damage);
  }

  async #isTrue(segment: OpenSegment, run: RunMeta, page: IndexPage, index: number): Promise<boolean> {
    const position = page.position(index);
    const length = page.length(index);
    if (length > run.bytes || position + length > run.indexPosition) return false;
    const payload = Buffer.allocUnsafe(length);
    const bytesRead = await this.#files.read(segment.file, payload, 0, length, position);
    return bytesRead === length && payloadCrc(run.version, payload, 0, length) === page.payloadCrc(index);
  }
}

function keyOf(run: RunMeta, page: number): string {
  return `${run.segment}/${run.indexPosition + page * PAGE_BYTES}`;
}
