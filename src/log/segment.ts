/**
 * The segments over a Disk: what is where is in segment-format.ts, writing in segment-builder.ts, here is reading.
 *
 * A read is for many entries at once: the index pages that they need, mostly from memory, then their payloads in as few
 * reads as is sensible. Entries of a run lie one behind the other unless they are shared with other runs, so that
 * mostly one read covers all; where what lies between them is more than what is wanted, it is several. Each payload is
 * verified before it is answered. Nothing is allocated for an entry: a span is four arrays and a buffer.
 *
 * Of a run that is read on, what comes next is asked of the disk before its reader asks for it (see read-ahead.ts).
 */

import { assert } from "../base/assert.ts";
import { crc32 } from "../base/crc.ts";
import { ENTRY_TIMESTAMP_AT, DamageError } from "./log.ts";
import type { Damage, Disk, RunMeta, SegmentStore, Span } from "./log.ts";
import { aheadBytesMax, ReadAhead, type Wanted } from "./read-ahead.ts";
import { Windows } from "./direct-writer.ts";
import { createSegment } from "./segment-builder.ts";
import { SegmentFiles } from "./segment-files.ts";
import type { OpenSegment } from "./segment-files.ts";
import {
  decodeDirectory,
  decodeFooter,
  FOOTER_BYTES,
  PAGE_ENTRIES,
  payloadCrc,
  SEGMENT_HEADER_BYTES,
  segmentHeader,
  segmentIdOf,
  segmentName,
} from "./segment-format.ts";
import type { Footer } from "./segment-format.ts";
import { SegmentIndex } from "./segment-index.ts";

/** Bytes between two payloads that are rather read than jumped over. */
const gapBytes = 64 * 1024;
const indexPagesMax = 64;
const timeSearchBytes = 1024 * 1024;

export interface DiskSegments extends SegmentStore {
  close(): Promise<void>;
}

export function openSegments(disk: Disk): DiskSegments {
  const files = new SegmentFiles(disk);
  const reader = new SegmentReader(files);
  const windows = new Windows(disk);
  return {
    create: (id) => createSegment(disk, windows, id),
    open: (id) => files.with(id, (segment) => readDirectory(files, segment, id)),
    read(run, fromOffset, bytesMax, entriesMax, done, covering = false, allocate = newBuffer) {
      void answer(reader.read(run, { fromOffset, bytesMax, entriesMax, covering }, allocate), done);
    },
    offsetAtTime: (run, ms, fromOffset = 0) => reader.offsetAtTime(run, ms, fromOffset),
    async remove(id) {
      reader.forget(id);
      await files.forget(id);
      await disk.remove(segmentName(id));
    },
    async list() {
      const ids: number[] = [];
      for (const name of await disk.list()) {
        const id = segmentIdOf(name);
        if (id !== undefined) ids.push(id);
      }
      return ids.sort((a, b) => a - b);
    },
    close() {
      reader.close();
      return files.close();
    },
  };
}

/** Of entries that are larger than this on average, a search for a time reads the heads alone. */
const headsFromBytes = 4096;

/** Microtasks from the beginning of a read until the disk is asked, and some more. */
const askingStepsMax = 16;

const newBuffer = (bytes: number): Buffer => Buffer.allocUnsafeSlow(bytes);

async function answer(
  reading: Promise<Span>,
  done: (error: Error | undefined, span: Span | undefined) => void,
): Promise<void> {
  let span: Span;
  try {
    span = await reading;
  } catch (error) {
    done(error as Error, undefined);
    return;
  }
  done(undefined, span);
}

async function readDirectory(
  files: SegmentFiles,
  segment: OpenSegment,
  id: number,
): Promise<{ runs: RunMeta[]; bytes: number; damage: Damage[] }> {
  const { name, file } = segment;
  const bytes = await file.size();
  const damage: Damage[] = [];
  const report = (position: number, length: number, what: string): void => {
    damage.push({ file: name, position, length, what });
  };
  const load = async (position: number, length: number): Promise<Buffer> => {
    const buffer = Buffer.alloc(length);
    await files.read(file, buffer, 0, length, position);
    return buffer;
  };
  const endBytes = 2 * FOOTER_BYTES;
  if (bytes < SEGMENT_HEADER_BYTES + endBytes) {
    throw new DamageError([{ file: name, position: 0, length: bytes, what: "the segment is cut off" }]);
  }
  const header = await load(0, SEGMENT_HEADER_BYTES);
  if (!header.equals(segmentHeader(id, header.readUInt32BE(4)))) {
    report(0, SEGMENT_HEADER_BYTES, "the segment's header does not verify");
  }
  let footer: Footer | undefined;
  const end = await load(bytes - endBytes, endBytes);
  for (const at of [0, FOOTER_BYTES]) {
    const found = decodeFooter(end, at, id, bytes);
    if (found === undefined) report(bytes - endBytes + at, FOOTER_BYTES, "a footer of the segment does not verify");
    footer ??= found;
  }
  if (footer === undefined) throw new DamageError(damage);
  let directory: Buffer | undefined;
  for (let copy = 0; copy < 2; copy++) {
    const position = footer.directoryPosition + copy * footer.directoryLength;
    const found = await load(position, footer.directoryLength);
    if (crc32(found, 0, found.length) === footer.directoryCrc) directory ??= found;
    else report(position, found.length, "a directory of the segment does not verify");
  }
  if (directory === undefined) throw new DamageError(damage);
  return { runs: decodeDirectory(directory, id, footer), bytes, damage };
}

/** What of the index a span is made of. */
interface Selection {
  offsets: Float64Array;
  positions: Uint32Array;
  lengths: Uint32Array;
  crcs: Uint32Array;
  count: number;
  nextIndex: number;
  nextOffset: number;
  damage: Damage[];
}

/** What the disk gave, not verified yet. */
interface Fetched {
  segment: OpenSegment;
  selection: Selection;
  groups: Group[];
  /** Of each group, as far as its file reached. */
  bytesRead: number[];
  buffer: Buffer;
}

class SegmentReader {
  readonly #files: SegmentFiles;
  readonly #index: SegmentIndex;
  readonly #ahead = new ReadAhead<Fetched>();

  constructor(files: SegmentFiles) {
    this.#files = files;
    this.#index = new SegmentIndex(files);
  }

  async read(run: RunMeta, wanted: Wanted, allocate: (bytes: number) => Buffer): Promise<Span> {
    assert(wanted.entriesMax > 0, "a read asks for entries");
    const { forgets } = this.#ahead;
    const fetched = await this.#fetch(run, wanted, allocate, this.#ahead.take(run, wanted));
    const { count, offsets, nextIndex, nextOffset } = fetched.selection;
    const end = { lastOffset: count === 0 ? wanted.fromOffset - 1 : offsets[count - 1]!, nextOffset };
    if (this.#ahead.isReadOn(run, wanted, end) && nextIndex < run.count && this.#ahead.forgets === forgets) {
      const next = wantedFrom(nextOffset, wanted.bytesMax, wanted.entriesMax);
      this.#ahead.begin(run, end, next, () => this.#fetchAhead(run, next, allocate));
      await this.#askedOnce();
    }
    return verified(run, fetched);
  }

  /** The disk is to read while this thread verifies: what was begun gets the steps that it takes until it asks. */
  async #askedOnce(): Promise<void> {
    const { asked } = this.#files;
    for (let step = 0; step < askingStepsMax && this.#files.asked === asked; step++) await Promise.resolve();
  }

  /** The file stays open for what is `ahead`, too: that may come to nothing, and the segment be removed meanwhile. */
  #fetch(
    run: RunMeta,
    wanted: Wanted,
    allocate: (bytes: number) => Buffer,
    ahead: Promise<Fetched | undefined> | undefined,
  ): Promise<Fetched> {
    return this.#files.with(
      run.segment,
      async (segment) =>
        (await ahead) ?? (await this.#load(segment, await this.#select(segment, run, wanted), allocate)),
    );
  }

  #fetchAhead(run: RunMeta, wanted: Wanted, allocate: (bytes: number) => Buffer): Promise<Fetched | undefined> {
    return this.#files.with(run.segment, async (segment) => {
      const selection = await this.#select(segment, run, wanted);
      // Only the first may be larger than what is asked for.
      if (selection.count > 0 && selection.lengths[0]! > aheadBytesMax) return undefined;
      return await this.#load(segment, selection, allocate);
    });
  }

  async #load(segment: OpenSegment, selection: Selection, allocate: (bytes: number) => Buffer): Promise<Fetched> {
    const groups = groupsOf(selection);
    let total = 0;
    for (const group of groups) total += group.end - group.start;
    const buffer = allocate(total);
    const bytesRead: number[] = [];
    let filled = 0;
    for (const { start, end } of groups) {
      bytesRead.push(await this.#files.read(segment.file, buffer, filled, end - start, start));
      filled += end - start;
    }
    return { segment, selection, groups, bytesRead, buffer };
  }

  async offsetAtTime(run: RunMeta, ms: number, fromOffset: number): Promise<number> {
    const areLarge = run.bytes > run.count * headsFromBytes;
    for (let page = pageOf(run, fromOffset); page < run.fences.length; page++) {
      if (run.fenceTimestamps[page]! < ms) continue;
      const from = Math.max(fromOffset, run.fences[page]!);
      const end = page + 1 < run.fences.length ? run.fences[page + 1]! : run.lastOffset + 1;
      const found = areLarge
        ? await this.#timeByHeads(run, page, from, ms)
        : await this.#timeBySpans(run, from, end, ms);
      if (found >= 0) return found;
    }
    return run.lastOffset + 1;
  }

  /** -1: no entry in [from, end) is of this time or later. */
  async #timeBySpans(run: RunMeta, from: number, end: number, ms: number): Promise<number> {
    for (let at = from; at < end;) {
      const span = await this.read(run, wantedFrom(at, timeSearchBytes, PAGE_ENTRIES), newBuffer);
      for (let index = 0; index < span.count && span.offsets[index]! < end; index++) {
        if (isSince(span.buffer, span.positions[index]!, span.lengths[index]!, ms)) return span.offsets[index]!;
      }
      at = span.nextOffset;
    }
    return -1;
  }

  /** The same for a page of large entries: of each its time is read, and all of it only of the one that is answered. */
  async #timeByHeads(run: RunMeta, page: number, from: number, ms: number): Promise<number> {
    return this.#files.with(run.segment, async (segment) => {
      const entries = await this.#index.page(segment, run, page, 1);
      const head = Buffer.alloc(ENTRY_TIMESTAMP_AT + 6);
      for (let index = entries.find(from); index < entries.entries; index++) {
        const offset = entries.offset(index);
        const bytesRead = await this.#files.read(segment.file, head, 0, head.length, entries.position(index));
        if (!isSince(head, 0, Math.min(bytesRead, entries.length(index)), ms)) continue;
        const { count, offsets } = await this.read(run, wantedFrom(offset, 1, 1), newBuffer);
        if (count === 1 && offsets[0] === offset) return offset;
      }
      return -1;
    });
  }

  forget(segment: number): void {
    this.#ahead.forget(segment);
    this.#index.forget(segment);
  }

  close(): void {
    this.#ahead.forget();
  }

  async #select(segment: OpenSegment, run: RunMeta, wanted: Wanted): Promise<Selection> {
    const { fromOffset, bytesMax, entriesMax, covering } = wanted;
    const expected = Math.min(entriesMax, run.count, Math.ceil((bytesMax * run.count) / Math.max(1, run.bytes)) + 1);
    const selection = new GrowingSelection(Math.min(expected, indexPagesMax * PAGE_ENTRIES));
    let page = pageOf(run, fromOffset);
    const pagesAhead = Math.min(indexPagesMax, Math.ceil(expected / PAGE_ENTRIES) + 1);
    let isFirst = true;
    let bytes = 0;
    for (; page < run.fences.length; page++) {
      const entries = await this.#index.page(segment, run, page, pagesAhead);
      selection.damage.push(...entries.damage);
      let index = isFirst ? entries.find(fromOffset) : 0;
      if (isFirst && covering && index > 0 && (index === entries.entries || entries.offset(index) > fromOffset))
        index--;
      isFirst = false;
      for (; index < entries.entries; index++) {
        const length = entries.length(index);
        const isFull = selection.count === entriesMax || (selection.count > 0 && bytes + length > bytesMax);
        if (isFull) return selection.end(page * PAGE_ENTRIES + index, entries.offset(index));
        selection.add(entries.offset(index), entries.position(index), length, entries.payloadCrc(index));
        bytes += length;
      }
    }
    return selection.end(run.count, run.lastOffset + 1);
  }
}

function wantedFrom(fromOffset: number, bytesMax: number, entriesMax: number): Wanted {
  return { fromOffset, bytesMax, entriesMax, covering: false };
}

/** Leaves out what is not what was written. */
function verified(run: RunMeta, { segment, selection, groups, bytesRead, buffer }: Fetched): Span {
  const { offsets, positions, lengths, crcs, damage, nextIndex, nextOffset } = selection;
  let filled = 0;
  let good = 0;
  let index = 0;
  for (const [number, { start, end, last }] of groups.entries()) {
    for (; index < last; index++) {
      const position = positions[index]!;
      const length = lengths[index]!;
      const at = filled + position - start;
      const isThere = position + length - start <= bytesRead[number]!;
      if (isThere && payloadCrc(run.version, buffer, at, at + length) === crcs[index]) {
        offsets[good] = offsets[index]!;
        positions[good] = at;
        lengths[good] = length;
        good++;
      } else {
        const offset = offsets[index]!;
        const what = `the entry at offset ${offset} of partition ${run.partition} does not verify`;
        damage.push({ file: segment.name, position, length, what, offset });
      }
    }
    filled += end - start;
  }
  return { offsets, positions, lengths, count: good, buffer, nextIndex, nextOffset, damage };
}

/** The entry, as far as it is there, says that it is of this time or later. */
function isSince(buffer: Buffer, start: number, length: number, ms: number): boolean {
  return length >= ENTRY_TIMESTAMP_AT + 6 && buffer.readUIntBE(start + ENTRY_TIMESTAMP_AT, 6) >= ms;
}

/** The last page that begins at or before the offset; the first if none does. */
function pageOf(run: RunMeta, offset: number): number {
  let low = 0;
  let high = run.fences.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (run.fences[middle]! <= offset) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

/** Entries, up to index `last`, that one read of [start, end) covers. */
interface Group {
  start: number;
  end: number;
  last: number;
}

function groupsOf({ positions, lengths, count }: Selection): Group[] {
  const groups: Group[] = [];
  let group: Group | undefined;
  let wanted = 0;
  for (let index = 0; index < count; index++) {
    const from = positions[index]!;
    const to = from + lengths[index]!;
    const start = group === undefined ? from : Math.min(group.start, from);
    const end = group === undefined ? to : Math.max(group.end, to);
    if (group === undefined || end - start > 2 * (wanted + to - from) + gapBytes) {
      group = { start: from, end: to, last: index + 1 };
      groups.push(group);
      wanted = to - from;
    } else {
      group.start = start;
      group.end = end;
      group.last = index + 1;
      wanted += to - from;
    }
  }
  return groups;
}

class GrowingSelection implements Selection {
  offsets: Float64Array<ArrayBuffer>;
  positions: Uint32Array<ArrayBuffer>;
  lengths: Uint32Array<ArrayBuffer>;
  crcs: Uint32Array<ArrayBuffer>;
  count = 0;
  nextIndex = 0;
  nextOffset = 0;
  readonly damage: Damage[] = [];

  constructor(room: number) {
    this.offsets = new Float64Array(room);
    this.positions = new Uint32Array(room);
    this.lengths = new Uint32Array(room);
    this.crcs = new Uint32Array(room);
  }

  add(offset: number, position: number, length: number, crc: number): void {
    if (this.count === this.offsets.length) this.#grow();
    this.offsets[this.count] = offset;
    this.positions[this.count] = position;
    this.lengths[this.count] = length;
    this.crcs[this.count] = crc;
    this.count++;
  }

  end(nextIndex: number, nextOffset: number): this {
    this.nextIndex = nextIndex;
    this.nextOffset = nextOffset;
    return this;
  }

  #grow(): void {
    const grown = new GrowingSelection(Math.max(16, this.count * 2));
    grown.offsets.set(this.offsets);
    grown.positions.set(this.positions);
    grown.lengths.set(this.lengths);
    grown.crcs.set(this.crcs);
    this.offsets = grown.offsets;
    this.positions = grown.positions;
    this.lengths = grown.lengths;
    this.crcs = grown.crcs;
  }
}
