// Builds the AMQP 0-9-1 frames that the load programs send. It shares no code with the broker on purpose: a mistake in
// the broker's codec must not be cancelled by the same mistake here. Only what a load needs is here, and only
// setting up goes through MethodFrame; publishes and acknowledgements are written once and then patched in place.

export const frameEnd = 0xce;

/** Class and method in one number, as the first four payload bytes of a method frame. */
export const method = {
  connectionStart: 0x000a000a,
  connectionStartOk: 0x000a000b,
  connectionTune: 0x000a001e,
  connectionTuneOk: 0x000a001f,
  connectionOpen: 0x000a0028,
  connectionOpenOk: 0x000a0029,
  connectionClose: 0x000a0032,
  connectionCloseOk: 0x000a0033,
  channelOpen: 0x0014000a,
  channelOpenOk: 0x0014000b,
  channelClose: 0x00140028,
  exchangeDeclare: 0x0028000a,
  exchangeDeclareOk: 0x0028000b,
  exchangeDelete: 0x00280014,
  exchangeDeleteOk: 0x00280015,
  queueDeclare: 0x0032000a,
  queueDeclareOk: 0x0032000b,
  queueBind: 0x00320014,
  queueBindOk: 0x00320015,
  queueDelete: 0x00320028,
  queueDeleteOk: 0x00320029,
  basicQos: 0x003c000a,
  basicQosOk: 0x003c000b,
  basicConsume: 0x003c0014,
  basicConsumeOk: 0x003c0015,
  basicPublish: 0x003c0028,
  basicReturn: 0x003c0032,
  basicDeliver: 0x003c003c,
  basicAck: 0x003c0050,
  basicNack: 0x003c0078,
  confirmSelect: 0x0055000a,
  confirmSelectOk: 0x0055000b,
} as const;

export type TableValue = string | number | boolean;
export type Table = Readonly<Record<string, TableValue>>;

/** A method frame under construction: fields are added in the order of the specification. */
export class MethodFrame {
  readonly #parts: Buffer[] = [];
  readonly #channel: number;

  constructor(channel: number, id: number) {
    this.#channel = channel;
    this.u32(id);
  }

  u8(value: number): this {
    this.#parts.push(Buffer.of(value));
    return this;
  }

  u16(value: number): this {
    const bytes = Buffer.alloc(2);
    bytes.writeUInt16BE(value);
    this.#parts.push(bytes);
    return this;
  }

  u32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    this.#parts.push(bytes);
    return this;
  }

  u64(value: number): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(BigInt(value));
    this.#parts.push(bytes);
    return this;
  }

  shortString(value: string): this {
    return this.u8(Buffer.byteLength(value)).#raw(value);
  }

  longString(value: string): this {
    return this.u32(Buffer.byteLength(value)).#raw(value);
  }

  table(value: Table): this {
    const body = tableBytes(value);
    this.u32(body.length);
    this.#parts.push(body);
    return this;
  }

  bytes(): Buffer {
    return frame(1, this.#channel, Buffer.concat(this.#parts));
  }

  #raw(value: string): this {
    this.#parts.push(Buffer.from(value));
    return this;
  }
}

function tableBytes(value: Table): Buffer {
  const parts: Buffer[] = [];
  for (const [name, entry] of Object.entries(value)) {
    const key = Buffer.from(name);
    parts.push(Buffer.of(key.length), key, tableValueBytes(entry));
  }
  return Buffer.concat(parts);
}

function tableValueBytes(value: TableValue): Buffer {
  if (typeof value === "boolean") return Buffer.from([0x74, value ? 1 : 0]);
  if (typeof value === "number") {
    const bytes = Buffer.alloc(5, "I");
    bytes.writeInt32BE(value, 1);
    return bytes;
  }
  const text = Buffer.from(value);
  const bytes = Buffer.alloc(5 + text.length, "S");
  bytes.writeUInt32BE(text.length, 1);
  text.copy(bytes, 5);
  return bytes;
}

/** One frame of any type. */
export function frame(type: number, channel: number, payload: Buffer): Buffer {
  const bytes = Buffer.alloc(payload.length + 8);
  bytes[0] = type;
  bytes.writeUInt16BE(channel, 1);
  bytes.writeUInt32BE(payload.length, 3);
  payload.copy(bytes, 7);
  bytes[bytes.length - 1] = frameEnd;
  return bytes;
}

export interface PublishShape {
  readonly channel: number;
  readonly exchange: string;
  readonly routingKey: string;
  readonly persistent: boolean;
  readonly bodyBytes: number;
  /** With a header `x-delay` of 32 bits, to be patched for each message. */
  readonly delayed: boolean;
  /** The frame size limit that was agreed on, in bytes: a longer body takes several frames. */
  readonly frameBytesMax: number;
}

/**
 * A whole publish: method, content header and the body's frames.
 * `bodyAt` and `delayAt` say where the body and the delay header's value begin, in bytes.
 */
export function publishFrames(shape: PublishShape): { bytes: Buffer; bodyAt: number; delayAt: number } {
  const start = new MethodFrame(shape.channel, method.basicPublish)
    .u16(0)
    .shortString(shape.exchange)
    .shortString(shape.routingKey)
    .u8(0)
    .bytes();
  const headers = shape.delayed ? tableBytes({ "x-delay": 0 }) : Buffer.alloc(0);
  const propertiesAt = 14;
  const headersBytes = shape.delayed ? 4 + headers.length : 0;
  const header = Buffer.alloc(propertiesAt + headersBytes + 1);
  header.writeUInt16BE(60, 0);
  header.writeBigUInt64BE(BigInt(shape.bodyBytes), 4);
  // Property flags: bit 13 is headers, bit 12 is delivery-mode.
  header.writeUInt16BE((shape.delayed ? 0x2000 : 0) | 0x1000, 12);
  if (shape.delayed) {
    header.writeUInt32BE(headers.length, propertiesAt);
    headers.copy(header, propertiesAt + 4);
  }
  header[header.length - 1] = shape.persistent ? 2 : 1;
  const headerFrame = frame(2, shape.channel, header);
  const bodyFrames: Buffer[] = [];
  for (let left = shape.bodyBytes; left > 0 || bodyFrames.length === 0; left -= shape.frameBytesMax - 8) {
    bodyFrames.push(frame(3, shape.channel, Buffer.alloc(Math.min(left, shape.frameBytesMax - 8), 0x2e)));
  }
  return {
    bytes: Buffer.concat([start, headerFrame, ...bodyFrames]),
    bodyAt: start.length + headerFrame.length + 7,
    delayAt: start.length + headerFrame.length - 1 - 1 - 4,
  };
}
