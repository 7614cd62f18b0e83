/**
 * Writes a segment file, once, from start to end.
 *
 * Payloads go to the file as they come (see direct-writer.ts); the index is gathered in memory (16 bytes an entry) and
 * follows at the end with directory and footer. All of it goes under a draft's name, and gets its own name when it is whole.
 *
 * One into which nothing was put is never written: nobody would read it.
 *
 * To share() a payload its CRC is looked up by its position, since put() sees each payload anyway and the positions
 * only grow.
 */

import { putU32 } from "../base/bytes.ts";
import { assert } from "../base/assert.ts";
import { crc32 } from "../base/crc.ts";
import { crc32c } from "../base/crc32c.ts";
import { DirectWriter } from "./direct-writer.ts";
import type { Windows } from "./direct-writer.ts";
import { SEGMENT_PAYLOAD_BYTES_MAX } from "./log.ts";
import type { Disk, RunMeta, SegmentBuilder } from "./log.ts";
import {
  encodeDirectory,
  encodeFooter,
  entryCheck,
  FOOTER_BYTES,
  INDEX_ENTRY_BYTES,
  PAGE_BYTES,
  PAGE_ENTRIES,
  PAGE_HEADER_BYTES,
  pageCrc,
  pageLength,
  SEGMENT_HEADER_BYTES,
  segmentHeader,
  segmentName,
  segmentVersion,
} from "./segment-format.ts";
import { writeU64 } from "./u64.ts";

const deltaMax = 0xffff_ffff;

export async function createSegment(disk: Disk, windows: Windows, id: number): Promise<SegmentBuilder> {
  const draft = `${segmentName(id)}.tmp`;
  await disk.remove(draft);
  return new DiskSegmentBuilder(disk, id, draft, new DirectWriter(disk, draft, windows));
}

class DiskSegmentBuilder implements SegmentBuilder {
  bytes = 0;
  readonly #disk: Disk;
  readonly #id: number;
  readonly #draft: string;
  readonly #file: DirectWriter;
  readonly #payloads = new PayloadCrcs();
  readonly #index = new IndexBuilder();

  constructor(disk: Disk, id: number, draft: string, file: DirectWriter) {
    this.#disk = disk;
    this.#id = id;
    this.#draft = draft;
    this.#file = file;
    const header = segmentHeader(id);
    file.append(header, 0, header.length);
  }

  get bytesBuffered(): number {
    return this.#file.bytesBuffered;
  }

  beginRun(partition: number): void {
    this.#index.beginRun(partition);
  }

  put(
    offset: number,
    timestamp: number,
    source: Buffer,
    start: number,
    end: number,
    crc = crc32c(source, start, end),
  ): number {
    const length = end - start;
    const position = SEGMENT_HEADER_BYTES + this.bytes;
    assert(position + length <= SEGMENT_PAYLOAD_BYTES_MAX, "a segment's payload stays below 4 GB");
    this.#file.append(source, start, end);
    this.bytes += length;
    this.#payloads.add(position, crc);
    this.#index.add(offset, timestamp, position, length, crc);
    return position;
  }

  share(offset: number, timestamp: number, position: number, length: number): void {
    // Where an empty payload was put another one begins.
    const crc = length === 0 ? 0 : this.#payloads.at(position);
    this.#index.add(offset, timestamp, position, length, crc);
  }

  endRun(): void {
    this.#index.endRun();
  }

  flush(): Promise<void> {
    return this.#file.flush();
  }

  async finish(): Promise<RunMeta[]> {
    const indexPosition = SEGMENT_HEADER_BYTES + this.bytes;
    const runs = this.#index.finish(this.#id, indexPosition);
    if (runs.length === 0) {
      await this.abort();
      return runs;
    }
    this.#file.append(this.#index.buffer, 0, this.#index.length);
    const directory = encodeDirectory(runs);
    const directoryPosition = indexPosition + this.#index.length;
    const footer = encodeFooter({
      version: segmentVersion,
      id: this.#id,
      fileBytes: directoryPosition + 2 * directory.length + 2 * FOOTER_BYTES,
      directoryPosition,
      directoryLength: directory.length,
      runs: runs.length,
      directoryCrc: crc32(directory, 0, directory.length),
    });
    for (const part of [directory, directory, footer, footer]) this.#file.append(part, 0, part.length);
    await this.#file.finish();
    await this.#disk.rename(this.#draft, segmentName(this.#id));
    await this.#disk.syncDirectory();
    return runs;
  }

  async abort(): Promise<void> {
    await this.#file.abort();
    await this.#disk.remove(this.#draft);
  }
}

/** The CRC of each payload, by position; positions are added in order. */
class PayloadCrcs {
  #positions = new Uint32Array(1024);
  #crcs = new Uint32Array(1024);
  #count = 0;

  add(position: number, crc: number): void {
    if (this.#count === this.#positions.length) {
      this.#positions = doubled(this.#positions);
      this.#crcs = doubled(this.#crcs);
    }
    this.#positions[this.#count] = position;
    this.#crcs[this.#count] = crc;
    this.#count++;
  }

  at(position: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      // Empty payloads have the position of what follows: the last one there is the one with bytes.
      if (this.#positions[middle]! <= position) low = middle + 1;
      else high = middle;
    }
    assert(low > 0 && this.#positions[low - 1] === position, "what is shared was put before");
    return this.#crcs[low - 1]!;
  }
}

function doubled(array: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const grown = new Uint32Array(array.length * 2);
  grown.set(array);
  return grown;
}

/** Pages of the index, as they will stand in the file, and the runs that they make. */
class IndexBuilder {
  buffer = Buffer.allocUnsafeSlow(8 * PAGE_BYTES);
  /** Of whole pages. */
  length = 0;
  readonly #runs: RunMeta[] = [];
  #partition = -1;
  #fences: number[] = [];
  #fenceTimestamps: number[] = [];
  #runAt = 0;
  #runEntries = 0;
  #runBytes = 0;
  #runFirstTimestamp = 0;
  #lastOffset = -1;

  // The page under construction, at `length`.
  #entries = 0;
  #base = 0;
  #firstTimestamp = 0;
  #maxTimestamp = 0;

  beginRun(partition: number): void {
    assert(this.#partition < 0, "a run is ended before the next begins");
    this.#partition = partition;
    this.#lastOffset = -1;
    this.#openRun();
  }

  add(offset: number, timestamp: number, position: number, length: number, crc: number): void {
    assert(this.#partition >= 0 && offset > this.#lastOffset, "entries stand in a run, in order of offset");
    if (this.#entries === PAGE_ENTRIES) this.#endPage();
    // Compaction can leave gaps of any size; a delta has 32 bits.
    if (this.#entries > 0 && offset - this.#base > deltaMax) {
      this.#closeRun();
      this.#openRun();
    }
    if (this.#entries === 0) this.#beginPage(offset, timestamp);
    const delta = offset - this.#base;
    const at = this.length + PAGE_HEADER_BYTES + this.#entries * INDEX_ENTRY_BYTES;
    putU32(this.buffer, at, delta);
    putU32(this.buffer, at + 4, position);
    putU32(this.buffer, at + 8, length);
    putU32(this.buffer, at + 12, entryCheck(crc, delta));
    this.#entries++;
    this.#runEntries++;
    this.#runBytes += length;
    this.#lastOffset = offset;
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp;
  }

  endRun(): void {
    this.#closeRun();
    this.#partition = -1;
  }

  /** The runs, for an index that begins at this position of the file. */
  finish(segment: number, position: number): RunMeta[] {
    assert(this.#partition < 0, "the last run is ended");
    for (const run of this.#runs) {
      run.segment = segment;
      run.indexPosition += position;
    }
    return this.#runs;
  }

  #openRun(): void {
    this.#fences = [];
    this.#fenceTimestamps = [];
    this.#runAt = this.length;
    this.#runEntries = 0;
    this.#runBytes = 0;
  }

  #closeRun(): void {
    if (this.#entries > 0) this.#endPage();
    if (this.#runEntries === 0) return;
    this.#runs.push({
      segment: 0,
      version: segmentVersion,
      partition: this.#partition,
      firstOffset: this.#fences[0]!,
      lastOffset: this.#lastOffset,
      count: this.#runEntries,
      bytes: this.#runBytes,
      indexPosition: this.#runAt,
      firstTimestamp: this.#runFirstTimestamp,
      lastTimestamp: this.#fenceTimestamps.reduce((greatest, one) => Math.max(greatest, one)),
      fences: Float64Array.from(this.#fences),
      fenceTimestamps: Float64Array.from(this.#fenceTimestamps),
    });
  }

  #beginPage(offset: number, timestamp: number): void {
    if (this.length + PAGE_BYTES > this.buffer.length) {
      const grown = Buffer.allocUnsafeSlow(this.buffer.length * 2);
      this.buffer.copy(grown, 0, 0, this.length);
      this.buffer = grown;
    }
    if (this.#runEntries === 0) this.#runFirstTimestamp = timestamp;
    this.#base = offset;
    this.#firstTimestamp = timestamp;
    this.#maxTimestamp = timestamp;
  }

  #endPage(): void {
    const { buffer, length: at } = this;
    writeU64(buffer, this.#base, at);
    writeU64(buffer, this.#firstTimestamp, at + 8);
    writeU64(buffer, this.#maxTimestamp, at + 16);
    buffer.writeUInt32BE(this.#entries, at + 24);
    buffer.writeUInt32BE(pageCrc(buffer, at, this.#entries), at + 28);
    this.#fences.push(this.#base);
    this.#fenceTimestamps.push(this.#maxTimestamp);
    this.length += pageLength(this.#entries);
    this.#entries = 0;
  }
}
