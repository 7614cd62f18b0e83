/**
 * CRC-32C sixteen bytes at a time, as WebAssembly that is put together here.
 *
 * A checksum is linear: that of a message is the XOR of those of its bytes, each with as many zeros behind it as bytes
 * follow. The bytes are seen as rows of 16, and column i is a stream of its own. What a byte of row r adds to its column at
 * the end of a block of 64 rows depends on r and the byte alone, and is looked up by its two halves: a table of 16 bytes for
 * each half and each of the four bytes of a checksum. One instruction (a swizzle) looks all 16 columns up at once. So a row
 * costs eight of them, and from block to block the 16 sums are advanced by 1024 zeros in the same manner. In the end the
 * columns are joined: sum 0, a zero, sum 1, and so on.
 *
 * Zeros in front of a message add nothing, so the range is laid against the end of the memory and its first block may be
 * short; what came before it goes into its first four bytes.
 *
 *     memory:  64 rows × 8 tables | 32 tables of a block | 256 sums of a byte | 4 × 16 sums | 32 KB of input
 *
 * Rejected: folding by carry-less multiplication, which WebAssembly does not have; tables of 2 KB a step as in JavaScript,
 * whose lookups one by one take three times as long.
 */

export interface WideCrc {
  /** What `advance` takes at once. */
  readonly bytesMax: number;
  /** The checksum, not inverted, of what gave `crc` and of buffer[start, end) behind it: 64 bytes at least. */
  advance(crc: number, buffer: Buffer, start: number, end: number): number;
}

const rowBytes = 16;
const rows = 64;
const blockBytes = rows * rowBytes;
/** Rows that are done in one turn of the inner loop. */
const unrolled = 4;
const turnBytes = unrolled * rowBytes;
const rowTableBytes = 8 * 16;
const inputBytes = 32_768;

const blockTablesAt = rows * rowTableBytes;
const byteSumsAt = blockTablesAt + 32 * 16;
const columnSumsAt = byteSumsAt + 256 * 4;
const inputAt = columnSumsAt + 4 * 16;
const inputEnd = inputAt + inputBytes;

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  /** Both are positions in the memory. */
  readonly run: (inputAt: number, tableAt: number) => number;
}

/** Node's, which the types of JavaScript alone do not know. */
const { WebAssembly } = globalThis as unknown as {
  readonly WebAssembly?: {
    validate(code: Uint8Array): boolean;
    readonly Module: new (code: Uint8Array) => object;
    readonly Instance: new (module: object) => { readonly exports: Exports };
  };
};

/**
 * @param sums eight tables: of each byte with 0 to 7 zeros behind it.
 * Null where WebAssembly, or a part of it, is missing, or the process may not have the addresses that its memory takes.
 */
export function makeWideCrc(sums: Int32Array): WideCrc | null {
  const exports = instantiate(moduleCode());
  if (exports === undefined) return null;
  const { run } = exports;
  const memory = Buffer.from(exports.memory.buffer);
  fillTables(memory, sums);
  return {
    bytesMax: inputBytes,
    advance(crc, buffer, start, end) {
      const bytes = end - start;
      const at = inputEnd - bytes;
      const zeros = -bytes & (turnBytes - 1);
      if (zeros > 0) memory.fill(0, at - zeros, at);
      buffer.copy(memory, at, start, end);
      memory.writeInt32LE(memory.readInt32LE(at) ^ crc, at);
      const inFirstBlock = (bytes + zeros) & (blockBytes - 1);
      const rowsBefore = inFirstBlock === 0 ? 0 : (blockBytes - inFirstBlock) / rowBytes;
      return run(at - zeros, rowsBefore * rowTableBytes);
    },
  };
}

function instantiate(code: Uint8Array): Exports | undefined {
  if (WebAssembly === undefined || !WebAssembly.validate(code)) return undefined;
  try {
    return new WebAssembly.Instance(new WebAssembly.Module(code)).exports;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Table (half, byte k) of a row or a block stands at 16 × its number; the halves of rows are neighbours. */
function fillTables(memory: Buffer, sums: Int32Array): void {
  /** In steps of eight zeros. */
  const behindZeros = (sum: number, zeros: number): number => {
    let to = sum;
    for (let left = zeros; left > 0; left -= 8)
      to =
        sums[0x700 | (to & 0xff)]! ^
        sums[0x600 | ((to >>> 8) & 0xff)]! ^
        sums[0x500 | ((to >>> 16) & 0xff)]! ^
        sums[0x400 | (to >>> 24)]!;
    return to;
  };
  for (let byte = 0; byte < 256; byte++) memory.writeInt32LE(sums[byte]!, byteSumsAt + 4 * byte);
  for (let nibble = 0; nibble < 16; nibble++) {
    for (let half = 0; half < 2; half++) {
      let sum = nibble << (4 * half);
      for (let row = rows - 1; row >= 0; row--) {
        for (let k = 0; k < 4; k++) memory[row * rowTableBytes + rowTable(half, k) + nibble] = sum >>> (8 * k);
        sum = behindZeros(sum, rowBytes);
      }
      for (let from = 0; from < 4; from++) {
        const advanced = behindZeros(nibble << (4 * half + 8 * from), blockBytes);
        for (let k = 0; k < 4; k++) memory[blockTable(from, half, k) + nibble] = advanced >>> (8 * k);
      }
    }
  }
}

function rowTable(half: number, k: number): number {
  return 16 * (2 * k + half);
}

function blockTable(from: number, half: number, k: number): number {
  return blockTablesAt + 16 * ((2 * from + half) * 4 + k);
}

type Code = readonly number[];

/** Parameters and locals by number: two addresses, the result and a counter, then vectors. */
const local = { input: 0, table: 1, crc: 2, column: 3, sum: 4, row: 8, low: 9, high: 10, advanced: 11 } as const;

function unsigned(value: number): Code {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 0x80; left >>>= 7) bytes.push((left & 0x7f) | 0x80);
  return [...bytes, left];
}

/** Of numbers that are not negative. */
function constant(value: number): Code {
  const bytes = unsigned(value);
  // The highest bit of the last one would be a sign.
  return (bytes.at(-1)! & 0x40) === 0 ? [0x41, ...bytes] : [0x41, ...bytes.slice(0, -1), bytes.at(-1)! | 0x80, 0];
}

const get = (index: number): Code => [0x20, index];
const set = (index: number): Code => [0x21, index];
const tee = (index: number): Code => [0x22, index];
const vector = (code: number): Code => [0xfd, ...unsigned(code)];
const loadVector = (offset: number): Code => [...vector(0x00), 4, ...unsigned(offset)];
const storeVector = (offset: number): Code => [...vector(0x0b), 4, ...unsigned(offset)];
const loadByte = (offset: number): Code => [0x2d, 0, ...unsigned(offset)];
const loadWord = (offset: number): Code => [0x28, 2, ...unsigned(offset)];
const low4 = [...vector(0x0c), ...Array<number>(16).fill(0x0f), ...vector(0x4e)];
const high4 = [...constant(4), ...vector(0x6d)];
const xorVectors = vector(0x51);
/** Indexes are below 16, so the relaxed one does the same, in one instruction instead of two. */
const swizzle = vector(0x100);
const add: Code = [0x6a];
const and: Code = [0x71];
const xor: Code = [0x73];
const shiftLeft: Code = [0x74];
const shiftRight: Code = [0x76];
const notEqual: Code = [0x47];
const loop: Code = [0x03, 0x40];
const when: Code = [0x04, 0x40];
const branch = (depth: number): Code => [0x0c, depth];
const branchIf = (depth: number): Code => [0x0d, depth];
const end: Code = [0x0b];

const planes = [0, 1, 2, 3];

/** Adds a row, `index` of those of this turn, to the sums. */
function addRow(index: number): Code {
  const tables = index * rowTableBytes;
  return [
    ...[...get(local.input), ...loadVector(index * rowBytes), ...tee(local.row), ...low4, ...set(local.low)],
    ...[...get(local.row), ...high4, ...set(local.high)],
    ...planes.flatMap((k) => [
      ...[...get(local.sum + k), ...get(local.table), ...loadVector(tables + rowTable(0, k)), ...get(local.low)],
      ...[...swizzle, ...xorVectors, ...get(local.table), ...loadVector(tables + rowTable(1, k)), ...get(local.high)],
      ...[...swizzle, ...xorVectors, ...set(local.sum + k)],
    ]),
  ];
}

/** The sums with a block of zeros behind them. */
function advanceSums(): Code {
  const part = (from: number, half: number, k: number): Code => [
    ...[...constant(0), ...loadVector(blockTable(from, half, k)), ...get(local.sum + from)],
    ...[...(half === 0 ? low4 : high4), ...swizzle],
  ];
  const advanced = planes.flatMap((k) => {
    const parts = planes.flatMap((from) => [part(from, 0, k), part(from, 1, k)]);
    return [
      ...parts.flatMap((each, index) => (index === 0 ? each : [...each, ...xorVectors])),
      ...set(local.advanced + k),
    ];
  });
  return [...advanced, ...planes.flatMap((k) => [...get(local.advanced + k), ...set(local.sum + k)])];
}

/** From 16 sums to one: each is XORed to what is there, and all of it gets a zero behind. */
function joinSums(): Code {
  const addColumn = (k: number): Code => [
    ...[...get(local.column), ...loadByte(columnSumsAt + 16 * k), ...constant(8 * k), ...shiftLeft, ...xor],
  ];
  return [
    ...planes.flatMap((k) => [...constant(0), ...get(local.sum + k), ...storeVector(columnSumsAt + 16 * k)]),
    ...loop,
    ...[...get(local.crc), ...planes.flatMap(addColumn), ...tee(local.crc)],
    ...[...constant(0xff), ...and, ...constant(2), ...shiftLeft, ...loadWord(byteSumsAt)],
    ...[...get(local.crc), ...constant(8), ...shiftRight, ...xor, ...set(local.crc)],
    ...[...get(local.column), ...constant(1), ...add, ...tee(local.column), ...constant(16), ...notEqual],
    ...[...branchIf(0), ...end, ...get(local.crc)],
  ];
}

function runCode(): Code {
  const turn = Array.from({ length: unrolled }, (_, index) => addRow(index)).flat();
  return [
    ...[...loop, ...loop, ...turn],
    ...[...get(local.input), ...constant(turnBytes), ...add, ...set(local.input)],
    ...[...get(local.table), ...constant(unrolled * rowTableBytes), ...add, ...tee(local.table)],
    ...[...constant(blockTablesAt), ...notEqual, ...branchIf(0), ...end],
    ...[...get(local.input), ...constant(inputEnd), ...notEqual, ...when],
    ...[...advanceSums(), ...constant(0), ...set(local.table), ...branch(1), ...end, ...end],
    ...joinSums(),
  ];
}

function moduleCode(): Uint8Array<ArrayBuffer> {
  const i32 = 0x7f;
  const v128 = 0x7b;
  const section = (id: number, ...bytes: Code): Code => [id, ...unsigned(bytes.length), ...bytes];
  const name = (text: string): Code => [text.length, ...Buffer.from(text)];
  const body = [2, 2, i32, 11, v128, ...runCode(), ...end];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, 1, 0x60, 2, i32, i32, 1, i32),
    ...section(3, 1, 0),
    ...section(5, 1, 0, 1),
    ...section(7, 2, ...name("memory"), 2, 0, ...name("run"), 0, 0),
    ...section(10, 1, ...unsigned(body.length), ...body),
  ]);
}
