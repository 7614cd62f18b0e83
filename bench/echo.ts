// A stand-in for a broker, to find out what the load program itself can do: it stores nothing, checks nothing, confirms
// each read's publishes with one `multiple` confirm and writes every body straight to the one consumer. What the load
// reaches against it is the ceiling of any number that the load prints.
//
//     node bench/echo.ts 5999        then        node bench/load.ts durable-100b --uri amqp://127.0.0.1:5999

import { createServer, type Socket } from "node:net";
import { frame, method, MethodFrame } from "./frames.ts";

const fixedAnswers: Readonly<Record<number, MethodFrame>> = {
  [method.connectionStartOk]: new MethodFrame(0, method.connectionTune).u16(2047).u32(131072).u16(0),
  [method.connectionOpen]: new MethodFrame(0, method.connectionOpenOk).shortString(""),
  [method.connectionClose]: new MethodFrame(0, method.connectionCloseOk),
  [method.channelOpen]: new MethodFrame(1, method.channelOpenOk).longString(""),
  [method.queueDeclare]: new MethodFrame(1, method.queueDeclareOk).shortString("").u32(0).u32(0),
  [method.queueDelete]: new MethodFrame(1, method.queueDeleteOk).u32(0),
  [method.confirmSelect]: new MethodFrame(1, method.confirmSelectOk),
  [method.basicQos]: new MethodFrame(1, method.basicQosOk),
  [method.basicConsume]: new MethodFrame(1, method.basicConsumeOk).shortString("c1"),
};

/** Deliver frames for bodies of one size, written once; only the tag and the body's stamp change. */
class Deliveries {
  readonly #socket: Socket;
  #bodyBytes = -1;
  #frames = Buffer.alloc(0);
  #frameBytes = 0;
  #bodyAt = 0;
  #count = 0;
  #tag = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  add(bytes: Buffer, at: number, bodyBytes: number): void {
    if (bodyBytes !== this.#bodyBytes) this.#prepare(bodyBytes);
    const start = this.#count * this.#frameBytes;
    this.#frames.writeUInt32BE(++this.#tag, start + 18);
    bytes.copy(this.#frames, start + this.#bodyAt, at, at + 10);
    if (++this.#count * this.#frameBytes + this.#frameBytes > this.#frames.length) this.flush();
  }

  flush(): void {
    if (this.#count === 0) return;
    this.#socket.write(this.#frames.subarray(0, this.#count * this.#frameBytes));
    this.#count = 0;
    if (this.#socket.writableLength > 0) this.#frames = Buffer.from(this.#frames);
  }

  #prepare(bodyBytes: number): void {
    const deliver = new MethodFrame(1, method.basicDeliver)
      .shortString("c1")
      .u64(0)
      .u8(0)
      .shortString("")
      .shortString("bench-plain");
    const header = Buffer.from("003c00000000000000000000100002", "hex");
    header.writeBigUInt64BE(BigInt(bodyBytes), 4);
    const body = frame(3, 1, Buffer.alloc(bodyBytes, 0x2e));
    const one = Buffer.concat([deliver.bytes(), frame(2, 1, header), body]);
    this.#bodyBytes = bodyBytes;
    this.#frameBytes = one.length;
    this.#bodyAt = one.length - body.length + 7;
    this.#frames = Buffer.alloc(Math.max(1, Math.floor(131072 / one.length)) * one.length, one);
  }
}

let consumer: Deliveries | undefined;

function serve(socket: Socket): void {
  let rest = Buffer.alloc(0);
  let published = 0;
  let greeted = false;
  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: Buffer) => {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    const before = published;
    let at = 0;
    if (!greeted) {
      greeted = true;
      at = 8;
      const start = new MethodFrame(0, method.connectionStart).u8(0).u8(9).table({});
      socket.write(start.longString("PLAIN").longString("en_US").bytes());
    }
    while (bytes.length - at >= 7) {
      const size = bytes.readUInt32BE(at + 3);
      if (bytes.length - at < size + 8) break;
      if (bytes[at] === 3) {
        published++;
        consumer?.add(bytes, at + 7, size);
      } else if (bytes[at] === 1) {
        const id = bytes.readUInt32BE(at + 7);
        if (id === method.basicConsume) consumer = new Deliveries(socket);
        const answer = fixedAnswers[id];
        if (answer) socket.write(answer.bytes());
      }
      at += size + 8;
    }
    rest = at < bytes.length ? Buffer.from(bytes.subarray(at)) : Buffer.alloc(0);
    consumer?.flush();
    if (published === before) return;
    socket.write(new MethodFrame(1, method.basicAck).u64(published).u8(1).bytes());
  });
}

createServer(serve).listen(Number(process.argv[2] ?? 5999), "127.0.0.1");
