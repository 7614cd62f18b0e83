/** A client of Kafka's protocol that sends what it is told, right or wrong, and reads one answer at a time. */

import { connect, type Socket } from "node:net";
import { once } from "node:events";
import { SizedFraming, sizeBytes } from "../../../src/protocols/kafka/codec/framing.ts";
import { putRequestHeader, responseHasTags } from "../../../src/protocols/kafka/codec/headers.ts";
import type { MessageSchema } from "../../../src/protocols/kafka/codec/schema.ts";
import { FrameReader } from "../../../src/wire/frame-reader.ts";
import { Malformed } from "../../../src/wire/input.ts";

export class WireClient {
  readonly #socket: Socket;
  readonly #reader = new FrameReader(new SizedFraming(104_857_600));
  readonly #waiting: ((frame: Buffer | undefined) => void)[] = [];
  #correlationId = 0;

  /** @param address HOST:PORT */
  static async open(address: string): Promise<WireClient> {
    const [host, port] = address.split(":") as [string, string];
    const socket = connect(Number(port), host);
    await once(socket, "connect");
    return new WireClient(socket);
  }

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#reader.push(chunk);
      while (this.#reader.next()) {
        const { buffer, start, end } = this.#reader;
        this.#waiting.shift()?.(Buffer.from(buffer.subarray(start + sizeBytes, end)));
      }
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      for (const waiting of this.#waiting.splice(0)) waiting(undefined);
    });
  }

  /** The answer to a request; undefined: the connection was closed instead. */
  async ask<Read, Written>(
    request: MessageSchema<unknown, Written>,
    response: MessageSchema<Read>,
    version: number,
    value: Written,
  ): Promise<Read | undefined> {
    const header = putRequestHeader(
      request.key,
      version,
      ++this.#correlationId,
      "wire-client",
      request.isFlexible(version),
    );
    const frame = await this.send(Buffer.concat([header, request.encode(version, value)]));
    return frame === undefined ? undefined : this.decode(frame, response, version);
  }

  /** Throws unless the frame is an answer of this version to the last request. */
  decode<Read>(frame: Buffer, response: MessageSchema<Read>, version: number): Read {
    const read = response.decode(frame, version, responseHasTags(response, version) ? 5 : 4);
    if (read instanceof Malformed) throw new Error(`${read.reason}: ${frame.toString("hex")}`);
    return read;
  }

  /** Any bytes, with their size before them. */
  async send(bytes: Buffer): Promise<Buffer | undefined> {
    const size = Buffer.alloc(4);
    size.writeInt32BE(bytes.length);
    this.#socket.write(Buffer.concat([size, bytes]));
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  close(): void {
    this.#socket.destroy();
  }
}
