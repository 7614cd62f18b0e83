/**
 * An AMQP 0-9-1 client that can say anything and writes down everything.
 *
 * It sends any method with any fields (also wrong ones) and any bytes, and records each frame of the server, with wire
 * types and order kept, as one line of a transcript. It shares no code with the broker, so that it can contradict it.
 *
 * Determinism: frames are queued by channel as they arrive and become lines only when the scenario takes them with
 * `recv(n)`, so how channels and connections happened to interleave does not show. `recv` ends early when the channel
 * or the connection is closed, and writes a line of its own when nothing comes for `patienceMs`. Where a scenario must
 * show that nothing comes, `barrier(queue)` makes two round trips through the channel and the queue: what was on its way
 * has then arrived. Sleeping instead was rejected: it is slow, and still wrong on a busy machine.
 *
 * A close by the server is answered by the client itself with close-ok. The next call on a channel that was so closed
 * opens it again without a line, so that a scenario can walk through many errors.
 */
import { connect, type Socket } from "node:net";
import {
  FRAME_END,
  frame,
  methodPayload,
  propertySection,
  readField,
  readMethod,
  shownBody,
  shownField,
  shownProps,
  uint,
  type Fields,
} from "./frames.ts";
import { CONTENT_METHODS, methodById, methodByName, PROPERTIES, type Method } from "./spec.ts";
import { quoted, Reader } from "./values.ts";

// What speaks through this client also wants to make frames of its own.
export { frame, methodPayload, propertySection, type Fields } from "./frames.ts";

export interface Content {
  /** Properties by name, or the raw property section. */
  readonly props?: Fields | Uint8Array;
  readonly body?: string | Uint8Array;
  /** The body size that the header claims, when it is to differ from what is sent. */
  readonly bodySize?: number;
  /** Sizes of the body frames; the rest goes into one more. */
  readonly chunks?: readonly number[];
}

export interface Received {
  readonly name: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly line: string;
  /** For methods with content. */
  readonly rawProps: Buffer;
  readonly props: ReadonlyMap<string, unknown>;
  readonly body: Buffer;
}

export interface Transcript {
  readonly line: (text: string) => void;
  /** How long a frame is waited for; shortened once one did not come, since the transcript is then wrong anyway. */
  patienceMs: number;
}

const NO_BYTES = Buffer.alloc(0);

/** What is being received on one channel: a method, and its content as far as it came. */
interface Partial {
  readonly method: Method;
  readonly fields: Record<string, unknown>;
  readonly shown: string;
  header?: { size: number; raw: Buffer; props: Map<string, unknown>; shown: string };
  readonly frames: Buffer[];
}

export class WireConnection {
  readonly label: string;
  readonly transcript: Transcript;
  readonly #socket: Socket;
  readonly #channels = new Map<number, WireChannel>();
  readonly #partial = new Map<number, Partial>();
  #received: Buffer = NO_BYTES;
  #header: Buffer | undefined;
  #wake: (() => void)[] = [];
  isClosed = false;
  frameMax = 131072;
  heartbeats = 0;
  answersClose = true;

  constructor(label: string, socket: Socket, transcript: Transcript) {
    this.label = label;
    this.transcript = transcript;
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (bytes: Buffer) => this.#onBytes(bytes));
    socket.on("error", () => this.#onClosed());
    socket.on("close", () => this.#onClosed());
  }

  static async open(label: string, host: string, port: number, transcript: Transcript): Promise<WireConnection> {
    const socket = connect(port, host);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new WireConnection(label, socket, transcript);
  }

  channel(id: number): WireChannel {
    let channel = this.#channels.get(id);
    if (channel === undefined) {
      channel = new WireChannel(this, id);
      this.#channels.set(id, channel);
    }
    return channel;
  }

  /** Sends bytes as they are; the description stands in the transcript. */
  raw(bytes: Uint8Array, description: string): void {
    this.transcript.line(`${this.label} > ${description}`);
    this.write(bytes);
  }

  write(bytes: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes);
  }

  /** Waits until the server has closed the socket, and says so. */
  async closedByServer(waitMs = this.transcript.patienceMs): Promise<void> {
    await this.waitFor(() => this.isClosed, waitMs);
    this.transcript.line(this.isClosed ? `${this.label} < socket closed` : `${this.label} ! socket still open`);
  }

  /** Drops the TCP connection without a word. */
  async drop(): Promise<void> {
    this.transcript.line(`${this.label} > socket closed`);
    this.#socket.destroy();
    await this.waitFor(() => this.isClosed);
  }

  /** Closes quietly, whatever state it is in. */
  async end(): Promise<void> {
    if (!this.isClosed) {
      this.write(frame(1, 0, methodPayload("connection.close", { "reply-code": 200 })));
      await this.waitFor(() => this.isClosed || this.channel(0).hasSeen("connection.close-ok"), 500);
    }
    this.#socket.destroy();
    await this.waitFor(() => this.isClosed, 500);
  }

  /** True when the condition held in time. */
  async waitFor(condition: () => boolean, waitMs = this.transcript.patienceMs): Promise<boolean> {
    const deadline = Date.now() + waitMs;
    while (!condition()) {
      const left = deadline - Date.now();
      if (left <= 0) {
        this.transcript.patienceMs = Math.min(this.transcript.patienceMs, 300);
        return false;
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return true;
  }

  wake(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const resolve of waiting) resolve();
  }

  /** Bytes that came instead of frames: the protocol header of a refusal. */
  takeHeader(): string {
    const header = this.#header;
    this.#header = undefined;
    return header === undefined ? "nothing" : JSON.stringify(header.toString("latin1"));
  }

  #onClosed(): void {
    this.isClosed = true;
    this.wake();
  }

  #onBytes(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    for (;;) {
      const buffer = this.#received;
      if (buffer.length >= 8 && buffer.toString("latin1", 0, 4) === "AMQP") {
        this.#header = buffer.subarray(0, 8);
        this.#received = buffer.subarray(8);
        continue;
      }
      if (buffer.length < 8) break;
      const size = buffer.readUInt32BE(3);
      if (buffer.length < size + 8) break;
      this.#received = buffer.subarray(size + 8);
      this.#onFrame(buffer.readUInt8(0), buffer.readUInt16BE(1), buffer.subarray(7, 7 + size), buffer[7 + size] ?? 0);
    }
    this.wake();
  }

  #onFrame(type: number, channelId: number, payload: Buffer, end: number): void {
    const channel = this.channel(channelId);
    if (end !== FRAME_END) channel.push(oddFrame(`frame of type ${type} ends with ${end}`));
    else if (type === 8) this.#onHeartbeat(channel, payload);
    else if (type === 1) this.#onMethod(channel, payload);
    else if (type === 2) this.#onHeader(channel, payload);
    else if (type === 3) this.#onBody(channel, payload);
    else channel.push(oddFrame(`frame of type ${type}`));
  }

  #onHeartbeat(channel: WireChannel, payload: Buffer): void {
    this.heartbeats++;
    if (channel.id !== 0 || payload.length > 0) channel.push(oddFrame("misplaced heartbeat"));
  }

  #onMethod(channel: WireChannel, payload: Buffer): void {
    const reader = new Reader(payload);
    const method = methodById.get(reader.u32());
    if (method === undefined) {
      channel.push(oddFrame(`unknown method ${payload.toString("hex")}`));
      return;
    }
    const fields = readMethod(method, reader);
    const parts = method.fields
      .filter((f) => !f.isReserved)
      .map((f) =>
        f.type === "b" ? `${f.name}=${String(fields[f.name])}` : `${f.name}=${shownField(f.type, fields[f.name])}`,
      );
    const text = [method.name, ...parts].join(" ") + (reader.at < payload.length ? " !and more bytes" : "");
    const partial: Partial = { method, fields, shown: text, frames: [] };
    if (CONTENT_METHODS.has(method.name)) this.#partial.set(channel.id, partial);
    else this.#complete(channel, partial);
  }

  #onHeader(channel: WireChannel, payload: Buffer): void {
    const partial = this.#partial.get(channel.id);
    if (partial === undefined) {
      channel.push(oddFrame("content header without a method"));
      return;
    }
    const reader = new Reader(payload);
    reader.take(4);
    const size = Number(reader.u64());
    const raw = payload.subarray(reader.at);
    const flags = reader.u16();
    const props = new Map<string, unknown>();
    PROPERTIES.forEach(([name, type], index) => {
      if ((flags >> (15 - index)) & 1) props.set(name, readField(reader, type));
    });
    partial.header = { size, raw, props, shown: shownProps(props) };
    if (size === 0) this.#complete(channel, partial);
  }

  #onBody(channel: WireChannel, payload: Buffer): void {
    const partial = this.#partial.get(channel.id);
    if (partial?.header === undefined) {
      channel.push(oddFrame("body without a header"));
      return;
    }
    partial.frames.push(payload);
    const size = partial.frames.reduce((sum, bytes) => sum + bytes.length, 0);
    if (size >= partial.header.size) this.#complete(channel, partial);
  }

  #complete(channel: WireChannel, partial: Partial): void {
    this.#partial.delete(channel.id);
    const body = Buffer.concat(partial.frames);
    let line = partial.shown;
    if (partial.header !== undefined) {
      line += ` | ${partial.header.shown}`.trimEnd() + ` | ${shownBody(body)}`;
      if (partial.frames.length > 1) line += ` in frames of ${partial.frames.map((f) => f.length).join(", ")}`;
    }
    const { rawProps, props } = {
      rawProps: partial.header?.raw ?? NO_BYTES,
      props: partial.header?.props ?? new Map<string, unknown>(),
    };
    channel.push({ name: partial.method.name, fields: partial.fields, line, rawProps, props, body });
    if (partial.method.name === "channel.close" && channel.answersClose) {
      this.write(frame(1, channel.id, methodPayload("channel.close-ok")));
    }
    if (partial.method.name === "connection.close" && this.answersClose) {
      this.write(frame(1, 0, methodPayload("connection.close-ok")));
    }
  }
}

function oddFrame(text: string): Received {
  return { name: "odd", fields: {}, line: `!! ${text}`, rawProps: NO_BYTES, props: new Map(), body: NO_BYTES };
}

export class WireChannel {
  readonly connection: WireConnection;
  readonly id: number;
  readonly #queue: Received[] = [];
  readonly #seen = new Set<string>();
  isOpen = false;
  answersClose = true;

  constructor(connection: WireConnection, id: number) {
    this.connection = connection;
    this.id = id;
  }

  get label(): string {
    return `${this.connection.label}${this.id}`;
  }

  push(received: Received): void {
    this.#queue.push(received);
    this.#seen.add(received.name);
    if (received.name === "channel.close" || received.name === "channel.close-ok") this.isOpen = false;
    if (received.name === "channel.open-ok") this.isOpen = true;
  }

  hasSeen(name: string): boolean {
    return this.#seen.has(name);
  }

  get #isQuiet(): boolean {
    return this.#queue.length === 0;
  }

  note(text: string): void {
    this.connection.transcript.line(`${this.label} = ${text}`);
  }

  /** Opens the channel without a line, unless it is open. */
  async open(): Promise<this> {
    if (this.isOpen) return this;
    this.write("channel.open");
    await this.connection.waitFor(
      () => this.#queue.some((r) => r.name === "channel.open-ok") || this.connection.isClosed,
    );
    const at = this.#queue.findIndex((r) => r.name === "channel.open-ok");
    if (at >= 0) this.#queue.splice(at, 1);
    return this;
  }

  /** Sends without a line. */
  write(name: string, fields: Fields = {}, content?: Content): void {
    const frames = [frame(1, this.id, methodPayload(name, fields))];
    if (CONTENT_METHODS.has(name) && content !== undefined) frames.push(...this.contentFrames(content));
    this.connection.write(Buffer.concat(frames));
  }

  contentFrames(content: Content): Buffer[] {
    const body = Buffer.from((content.body ?? "") as string);
    const size = uint(8, content.bodySize ?? body.length);
    const frames = [frame(2, this.id, Buffer.concat([uint(2, 60), uint(2, 0), size, propertySection(content.props)]))];
    const most = this.connection.frameMax === 0 ? body.length : this.connection.frameMax - 8;
    const chunks = [...(content.chunks ?? [])];
    for (let at = 0; at < body.length;) {
      const length = chunks.shift() ?? most;
      frames.push(frame(3, this.id, body.subarray(at, at + length)));
      at += length;
    }
    return frames;
  }

  /** Sends a method, and its content if it has one. */
  send(name: string, fields: Fields = {}, content?: Content): void {
    const types = new Map(methodByName.get(name)?.fields.map((f) => [f.name, f.type]));
    const parts = Object.entries(fields).map(([key, value]) =>
      value === true ? key : `${key}=${shownField(types.get(key) ?? "S", value)}`,
    );
    let line = [name, ...parts].join(" ");
    if (content !== undefined) {
      const props =
        content.props instanceof Uint8Array ? quoted(content.props) : shownProps(Object.entries(content.props ?? {}));
      line += ` | ${props}`.trimEnd() + ` | ${shownBody(Buffer.from((content.body ?? "") as string))}`;
    }
    this.connection.transcript.line(`${this.label} > ${line}`);
    this.write(name, fields, content);
  }

  publish(exchange: string, key: string, body: string | Uint8Array = "", props: Fields = {}, flags: Fields = {}): void {
    this.send("basic.publish", { exchange, "routing-key": key, ...flags }, { props, body });
  }

  /**
   * Takes the next `count` frames, fewer if the channel or the connection ends before: a close of the connection is taken
   * from channel 0, whichever channel waits.
   */
  async recv(count = 1, waitMs = this.connection.transcript.patienceMs): Promise<Received[]> {
    const { transcript } = this.connection;
    const zero = this.connection.channel(0);
    const taken: Received[] = [];
    while (taken.length < count) {
      const isEnding = (): boolean =>
        this.connection.isClosed || zero.#queue.some((r) => r.name === "connection.close");
      await this.connection.waitFor(() => !this.#isQuiet || isEnding(), waitMs);
      const source = this.#isQuiet ? zero : this;
      const received = source.#queue.shift();
      if (received === undefined) {
        transcript.line(`${this.label} ${this.connection.isClosed ? "< socket closed" : "! nothing came"}`);
        break;
      }
      transcript.line(`${source.label} < ${received.line}`);
      taken.push(received);
      if (received.name === "channel.close" || received.name === "connection.close") break;
    }
    return taken;
  }

  /** Sends a method and takes one frame; first opens the channel again if the server had closed it. */
  async call(name: string, fields: Fields = {}, content?: Content): Promise<Received | undefined> {
    if (this.id !== 0 && !this.isOpen && !name.startsWith("channel.")) await this.open();
    this.send(name, fields, content);
    const [received] = await this.recv(1);
    return received;
  }

  /** As `call`, without lines; answers the reply. */
  async quiet(name: string, fields: Fields = {}, content?: Content): Promise<Received> {
    if (this.id !== 0 && !this.isOpen) await this.open();
    const before = this.#queue.length;
    this.write(name, fields, content);
    await this.connection.waitFor(() => this.#queue.length > before || this.connection.isClosed);
    const received = this.#queue.splice(before, 1)[0];
    if (received === undefined) throw new Error(`no answer to ${name}`);
    return received;
  }

  /**
   * Round trips through the queue until two say the same: what was on its way to this channel has arrived, and is taken.
   * At least three, since RabbitMQ lets this question overtake publishes. Writes how many messages wait in the queue and
   * how many consumers it has.
   */
  async barrier(queue: string): Promise<void> {
    const isAnswer = (r: Received): boolean => r.name === "queue.declare-ok" || r.name === "channel.close";
    let counts = "no answer";
    for (let round = 0, before = ""; round < 3 || counts !== before; round++) {
      this.write("queue.declare", { queue, passive: true });
      before = counts;
      await this.connection.waitFor(() => this.#queue.some(isAnswer) || this.connection.isClosed);
      const at = this.#queue.findIndex(isAnswer);
      if (at < 0 || this.#queue[at]?.name === "channel.close") break;
      const [answer] = this.#queue.splice(at, 1);
      counts = `${String(answer?.fields["message-count"])} ready, ${String(answer?.fields["consumer-count"])} consumers`;
    }
    await this.drain();
    this.note(`${queue}: ${counts}`);
  }

  /** One round trip that concerns nobody else: what the server had for this channel has arrived. */
  async roundTrip(): Promise<void> {
    if (!this.isOpen) return;
    this.write("basic.cancel", { "consumer-tag": "round trip" });
    const isAnswer = (r: Received): boolean =>
      r.name === "channel.close" || (r.name === "basic.cancel-ok" && r.fields["consumer-tag"] === "round trip");
    await this.connection.waitFor(() => this.#queue.some(isAnswer) || this.connection.isClosed);
    const at = this.#queue.findIndex(isAnswer);
    if (at >= 0 && this.#queue[at]?.name !== "channel.close") this.#queue.splice(at, 1);
  }

  /** Takes confirms until `count` publishes are covered from `from`, and writes each on its own: coalescing may differ. */
  async confirms(count: number, from = 1): Promise<void> {
    const outcome = new Map<number, string>();
    let lowest = from;
    while (outcome.size < count) {
      await this.connection.waitFor(() => !this.#isQuiet || this.connection.isClosed);
      const received = this.#queue.shift();
      if (received === undefined) {
        this.note("no more confirms came");
        break;
      }
      if (received.name !== "basic.ack" && received.name !== "basic.nack") {
        this.connection.transcript.line(`${this.label} < ${received.line}`);
        if (received.name === "channel.close") break;
        continue;
      }
      const tag = Number(received.fields["delivery-tag"]);
      if (received.fields["multiple"] === true) {
        for (let t = lowest; t < tag; t++) if (!outcome.has(t)) outcome.set(t, received.name);
      }
      outcome.set(tag, received.name);
      while (outcome.has(lowest)) lowest++;
    }
    const lines = [...outcome].toSorted((a, b) => a[0] - b[0]).map(([tag, name]) => `${tag} ${name.slice(6)}`);
    this.note(`confirmed: ${lines.join(", ")}`);
  }

  /** Takes one frame without a line. */
  async take(): Promise<Received | undefined> {
    await this.connection.waitFor(() => !this.#isQuiet || this.connection.isClosed);
    return this.#queue.shift();
  }

  /** Writes what is still there, so that no frame goes unseen. */
  async drain(): Promise<void> {
    while (!this.#isQuiet) await this.recv(1);
  }
}
