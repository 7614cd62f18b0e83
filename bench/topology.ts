// Declares and removes what a scenario publishes to and consumes from.

import { method, MethodFrame, type Table } from "./frames.ts";
import type { Peer } from "./peer.ts";

export interface QueueShape {
  readonly durable: boolean;
  readonly arguments: Table;
}

/** Declares it, and answers how many messages wait in it. */
export async function declareQueue(peer: Peer, name: string, shape: QueueShape): Promise<number> {
  const frame = new MethodFrame(1, method.queueDeclare)
    .u16(0)
    .shortString(name)
    .u8(shape.durable ? 2 : 0)
    .table(shape.arguments);
  const answer = await peer.request(frame, method.queueDeclareOk);
  return answer.readUInt32BE(5 + answer[4]!);
}

export async function deleteQueue(peer: Peer, name: string): Promise<void> {
  const frame = new MethodFrame(1, method.queueDelete).u16(0).shortString(name).u8(0);
  await peer.request(frame, method.queueDeleteOk);
}

export async function declareExchange(
  peer: Peer,
  name: string,
  type: string,
  durable: boolean,
  table: Table = {},
): Promise<void> {
  const frame = new MethodFrame(1, method.exchangeDeclare)
    .u16(0)
    .shortString(name)
    .shortString(type)
    .u8(durable ? 2 : 0)
    .table(table);
  await peer.request(frame, method.exchangeDeclareOk);
}

export async function deleteExchange(peer: Peer, name: string): Promise<void> {
  const frame = new MethodFrame(1, method.exchangeDelete).u16(0).shortString(name).u8(0);
  await peer.request(frame, method.exchangeDeleteOk);
}

/** Binds without waiting for the answer before the next request; the promise is the answer. */
export function bindQueue(peer: Peer, queue: string, exchange: string, key: string): Promise<Buffer> {
  const frame = new MethodFrame(1, method.queueBind)
    .u16(0)
    .shortString(queue)
    .shortString(exchange)
    .shortString(key)
    .u8(0)
    .table({});
  return peer.request(frame, method.queueBindOk);
}

export async function selectConfirms(peer: Peer, channel: number): Promise<void> {
  await peer.request(new MethodFrame(channel, method.confirmSelect).u8(0), method.confirmSelectOk);
}

/** @param tag the consumer's, which a channel must have once only */
export async function consume(
  peer: Peer,
  channel: number,
  queue: string,
  prefetch: number,
  tag = `c${channel}`,
): Promise<void> {
  const qos = new MethodFrame(channel, method.basicQos).u32(0).u16(prefetch).u8(0);
  await peer.request(qos, method.basicQosOk);
  const frame = new MethodFrame(channel, method.basicConsume)
    .u16(0)
    .shortString(queue)
    .shortString(tag)
    .u8(0)
    .table({});
  await peer.request(frame, method.basicConsumeOk);
}
