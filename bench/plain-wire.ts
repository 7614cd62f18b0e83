// Reading and writing the few types of Kafka's older message versions: for bench/plain-log.ts, and requests by hand.

export class WireReader {
  at = 0;
  readonly #buffer: Buffer;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  i16(): number {
    return this.#buffer.readInt16BE((this.at += 2) - 2);
  }

  i32(): number {
    return this.#buffer.readInt32BE((this.at += 4) - 4);
  }

  i64(): number {
    return Number(this.#buffer.readBigInt64BE((this.at += 8) - 8));
  }

  /** Null is the empty text. */
  text(): string {
    const length = Math.max(0, this.i16());
    return this.#buffer.toString("utf8", this.at, (this.at += length));
  }

  bytes(): Buffer {
    const length = Math.max(0, this.i32());
    return this.#buffer.subarray(this.at, (this.at += length));
  }

  skip(bytes: number): void {
    this.at += bytes;
  }

  /** Of what is left, for who reads it later than the buffer lasts. */
  copy(): WireReader {
    return new WireReader(Buffer.from(this.#buffer.subarray(this.at)));
  }

  /** What it reads, of which `at` is the next byte. */
  get buffer(): Buffer {
    return this.#buffer;
  }
}

/** A frame: its length, then what is written. */
export class WireWriter {
  #buffer = Buffer.allocUnsafe(512);
  /** Setting it back lets what follows be written again. */
  at = 4;

  #reserve(bytes: number): number {
    const at = this.at;
    if (at + bytes > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, at + bytes));
      this.#buffer.copy(grown, 0, 0, at);
      this.#buffer = grown;
    }
    this.at += bytes;
    return at;
  }

  i8(value: number): this {
    const at = this.#reserve(1);
    this.#buffer.writeInt8(value, at);
    return this;
  }

  i16(value: number): this {
    const at = this.#reserve(2);
    this.#buffer.writeInt16BE(value, at);
    return this;
  }

  i32(value: number): this {
    const at = this.#reserve(4);
    this.#buffer.writeInt32BE(value, at);
    return this;
  }

  i64(value: number): this {
    const at = this.#reserve(8);
    this.#buffer.writeBigInt64BE(BigInt(value), at);
    return this;
  }

  text(value: string | null): this {
    this.i16(value === null ? -1 : Buffer.byteLength(value));
    if (value === null) return this;
    const at = this.#reserve(Buffer.byteLength(value));
    this.#buffer.write(value, at);
    return this;
  }

  bytes(value: Buffer): this {
    const at = this.i32(value.length).#reserve(value.length);
    value.copy(this.#buffer, at);
    return this;
  }

  /** Writes an array's length, and returns it. */
  count(length: number): number {
    this.i32(length);
    return length;
  }

  /** `read` puts `bytes` into the buffer that it is given, at the place that it is given. */
  read(bytes: number, read: (into: Buffer, at: number) => void): void {
    const at = this.#reserve(bytes);
    read(this.#buffer, at);
  }

  frame(): Buffer {
    this.#buffer.writeInt32BE(this.at - 4, 0);
    return this.#buffer.subarray(0, this.at);
  }
}
