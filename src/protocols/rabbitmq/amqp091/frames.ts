/**
 * The wire format of AMQP 0-9-1 as tables, with RabbitMQ's extensions, in the order and with the names of the
 * specification (camel-cased; its "nowait" and "no-wait" are both `noWait`).
 *
 *     frame  = u8 type, u16 channel, u32 size, size bytes of payload, u8 206
 *     method = u16 class, u16 method, arguments       (payload of a frame of type 1)
 *     header = u16 class, u16 weight 0, u64 body size, u16 property flags, properties      (type 2)
 *     body   = a piece of the body                                                         (type 3)
 *
 * The types of arguments are inferred from the tables: whoever adds a method here has its decoder, its encoder and its
 * types. Neighbouring bits share an octet, the first in the lowest place.
 */

import type { FieldTable } from "../model/field-table.ts";

/** Frame types. 0 is ours: the parser hands out the eight bytes of the protocol header under it. */
export const frameTypes = { protocolHeader: 0, method: 1, header: 2, body: 3, heartbeat: 8 } as const;

/** The octet behind each frame. */
export const frameEnd = 206;
/** A frame's octets that are not payload: type, channel, size, end. */
export const frameOverheadBytes = 8;
/** The smallest frame-max that a peer may ask for, by the specification; RabbitMQ 4 refuses less than 8192. */
export const frameMaxLeastBytes = 4096;
/** What holds until a frame-max was agreed on, as in RabbitMQ 4: a token in start-ok can pass 4096. */
export const frameMaxUntunedBytes = 8192;

/** What the wire types are in TypeScript. 64-bit numbers past 2^53 - 1 are bigints. */
export interface WireTypes {
  bit: boolean;
  octet: number;
  short: number;
  long: number;
  longlong: number | bigint;
  shortstr: string;
  /** UTF-8, or the bytes if they are not: a SASL response may be anything. */
  longstr: string | Buffer;
  table: FieldTable;
}

export type WireType = keyof WireTypes;
type Fields = Readonly<Record<string, WireType>>;

export interface MethodSpec<F extends Fields = Fields> {
  readonly classId: number;
  readonly methodId: number;
  /** Both in one number, as the first four octets of the payload read. */
  readonly id: number;
  /** A header frame and body frames follow. */
  readonly hasContent: boolean;
  /** The sender waits for an answer, unless the method has a `noWait` and it is set. */
  readonly isSynchronous: boolean;
  readonly fields: F;
}

function method<const F extends Fields>(
  classId: number,
  methodId: number,
  kind: "synchronous" | "asynchronous" | "content",
  fields: F,
): MethodSpec<F> {
  return {
    classId,
    methodId,
    id: classId * 0x1_0000 + methodId,
    hasContent: kind === "content",
    isSynchronous: kind === "synchronous",
    fields,
  };
}

const ticket = { ticket: "short" } as const;
const noWait = { noWait: "bit" } as const;
const args = { arguments: "table" } as const;
const closing = { replyCode: "short", replyText: "shortstr", classId: "short", methodId: "short" } as const;
const tuning = { channelMax: "short", frameMax: "long", heartbeat: "short" } as const;
const exchangeBinding = { destination: "shortstr", source: "shortstr", routingKey: "shortstr" } as const;
const queueBinding = { queue: "shortstr", exchange: "shortstr", routingKey: "shortstr" } as const;
const route = { exchange: "shortstr", routingKey: "shortstr" } as const;

export const methods = {
  "connection.start": method(10, 10, "synchronous", {
    versionMajor: "octet",
    versionMinor: "octet",
    serverProperties: "table",
    mechanisms: "longstr",
    locales: "longstr",
  }),
  "connection.start-ok": method(10, 11, "asynchronous", {
    clientProperties: "table",
    mechanism: "shortstr",
    response: "longstr",
    locale: "shortstr",
  }),
  "connection.secure": method(10, 20, "synchronous", { challenge: "longstr" }),
  "connection.secure-ok": method(10, 21, "asynchronous", { response: "longstr" }),
  "connection.tune": method(10, 30, "synchronous", tuning),
  "connection.tune-ok": method(10, 31, "asynchronous", tuning),
  "connection.open": method(10, 40, "synchronous", {
    virtualHost: "shortstr",
    capabilities: "shortstr",
    insist: "bit",
  }),
  "connection.open-ok": method(10, 41, "asynchronous", { knownHosts: "shortstr" }),
  "connection.close": method(10, 50, "synchronous", closing),
  "connection.close-ok": method(10, 51, "asynchronous", {}),
  "connection.blocked": method(10, 60, "asynchronous", { reason: "shortstr" }),
  "connection.unblocked": method(10, 61, "asynchronous", {}),
  "connection.update-secret": method(10, 70, "synchronous", { newSecret: "longstr", reason: "shortstr" }),
  "connection.update-secret-ok": method(10, 71, "asynchronous", {}),

  "channel.open": method(20, 10, "synchronous", { outOfBand: "shortstr" }),
  "channel.open-ok": method(20, 11, "asynchronous", { channelId: "longstr" }),
  "channel.flow": method(20, 20, "synchronous", { active: "bit" }),
  "channel.flow-ok": method(20, 21, "asynchronous", { active: "bit" }),
  "channel.close": method(20, 40, "synchronous", closing),
  "channel.close-ok": method(20, 41, "asynchronous", {}),

  "access.request": method(30, 10, "synchronous", {
    realm: "shortstr",
    exclusive: "bit",
    passive: "bit",
    active: "bit",
    write: "bit",
    read: "bit",
  }),
  "access.request-ok": method(30, 11, "asynchronous", { ticket: "short" }),

  "exchange.declare": method(40, 10, "synchronous", {
    ...ticket,
    exchange: "shortstr",
    type: "shortstr",
    passive: "bit",
    durable: "bit",
    autoDelete: "bit",
    internal: "bit",
    ...noWait,
    ...args,
  }),
  "exchange.declare-ok": method(40, 11, "asynchronous", {}),
  "exchange.delete": method(40, 20, "synchronous", { ...ticket, exchange: "shortstr", ifUnused: "bit", ...noWait }),
  "exchange.delete-ok": method(40, 21, "asynchronous", {}),
  "exchange.bind": method(40, 30, "synchronous", { ...ticket, ...exchangeBinding, ...noWait, ...args }),
  "exchange.bind-ok": method(40, 31, "asynchronous", {}),
  "exchange.unbind": method(40, 40, "synchronous", { ...ticket, ...exchangeBinding, ...noWait, ...args }),
  "exchange.unbind-ok": method(40, 51, "asynchronous", {}),

  "queue.declare": method(50, 10, "synchronous", {
    ...ticket,
    queue: "shortstr",
    passive: "bit",
    durable: "bit",
    exclusive: "bit",
    autoDelete: "bit",
    ...noWait,
    ...args,
  }),
  "queue.declare-ok": method(50, 11, "asynchronous", {
    queue: "shortstr",
    messageCount: "long",
    consumerCount: "long",
  }),
  "queue.bind": method(50, 20, "synchronous", { ...ticket, ...queueBinding, ...noWait, ...args }),
  "queue.bind-ok": method(50, 21, "asynchronous", {}),
  "queue.purge": method(50, 30, "synchronous", { ...ticket, queue: "shortstr", ...noWait }),
  "queue.purge-ok": method(50, 31, "asynchronous", { messageCount: "long" }),
  "queue.delete": method(50, 40, "synchronous", {
    ...ticket,
    queue: "shortstr",
    ifUnused: "bit",
    ifEmpty: "bit",
    ...noWait,
  }),
  "queue.delete-ok": method(50, 41, "asynchronous", { messageCount: "long" }),
  "queue.unbind": method(50, 50, "synchronous", { ...ticket, ...queueBinding, ...args }),
  "queue.unbind-ok": method(50, 51, "asynchronous", {}),

  "basic.qos": method(60, 10, "synchronous", { prefetchSize: "long", prefetchCount: "short", global: "bit" }),
  "basic.qos-ok": method(60, 11, "asynchronous", {}),
  "basic.consume": method(60, 20, "synchronous", {
    ...ticket,
    queue: "shortstr",
    consumerTag: "shortstr",
    noLocal: "bit",
    noAck: "bit",
    exclusive: "bit",
    ...noWait,
    ...args,
  }),
  "basic.consume-ok": method(60, 21, "asynchronous", { consumerTag: "shortstr" }),
  "basic.cancel": method(60, 30, "synchronous", { consumerTag: "shortstr", ...noWait }),
  "basic.cancel-ok": method(60, 31, "asynchronous", { consumerTag: "shortstr" }),
  "basic.publish": method(60, 40, "content", { ...ticket, ...route, mandatory: "bit", immediate: "bit" }),
  "basic.return": method(60, 50, "content", { replyCode: "short", replyText: "shortstr", ...route }),
  "basic.deliver": method(60, 60, "content", {
    consumerTag: "shortstr",
    deliveryTag: "longlong",
    redelivered: "bit",
    ...route,
  }),
  "basic.get": method(60, 70, "synchronous", { ...ticket, queue: "shortstr", noAck: "bit" }),
  "basic.get-ok": method(60, 71, "content", {
    deliveryTag: "longlong",
    redelivered: "bit",
    ...route,
    messageCount: "long",
  }),
  "basic.get-empty": method(60, 72, "asynchronous", { clusterId: "shortstr" }),
  "basic.ack": method(60, 80, "asynchronous", { deliveryTag: "longlong", multiple: "bit" }),
  "basic.reject": method(60, 90, "asynchronous", { deliveryTag: "longlong", requeue: "bit" }),
  "basic.recover-async": method(60, 100, "asynchronous", { requeue: "bit" }),
  "basic.recover": method(60, 110, "synchronous", { requeue: "bit" }),
  "basic.recover-ok": method(60, 111, "asynchronous", {}),
  "basic.nack": method(60, 120, "asynchronous", { deliveryTag: "longlong", multiple: "bit", requeue: "bit" }),

  "confirm.select": method(85, 10, "synchronous", noWait),
  "confirm.select-ok": method(85, 11, "asynchronous", {}),

  "tx.select": method(90, 10, "synchronous", {}),
  "tx.select-ok": method(90, 11, "asynchronous", {}),
  "tx.commit": method(90, 20, "synchronous", {}),
  "tx.commit-ok": method(90, 21, "asynchronous", {}),
  "tx.rollback": method(90, 30, "synchronous", {}),
  "tx.rollback-ok": method(90, 31, "asynchronous", {}),
} as const;

export type MethodName = keyof typeof methods;

/** The arguments of a method. */
export type MethodArguments<N extends MethodName> = {
  -readonly [K in keyof (typeof methods)[N]["fields"]]: (typeof methods)[N]["fields"][K] extends WireType
    ? WireTypes[(typeof methods)[N]["fields"][K]]
    : never;
};

/** A decoded method: a union over all, told apart by `name`. */
export type Method = { [N in MethodName]: { readonly name: N; readonly args: MethodArguments<N> } }[MethodName];

const nameById = new Map<number, MethodName>();
for (const [name, spec] of Object.entries(methods)) nameById.set(spec.id, name as MethodName);

/** The name of the method whose class and method number, as one number of 32 bits, is `id`. */
export function methodNameById(id: number): MethodName | undefined {
  return nameById.get(id);
}

/** The methods that the connection meets per message, as numbers to compare with. */
export const publishId = methods["basic.publish"].id;
export const ackId = methods["basic.ack"].id;
export const rejectId = methods["basic.reject"].id;
export const nackId = methods["basic.nack"].id;

/** The class of everything that has content. */
export const basicClassId = 60;
