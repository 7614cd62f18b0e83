/**
 * What this protocol remembers of what was declared, beside the settings that the core works by: the type's name, flags
 * that only AMQP knows, and the arguments, byte for byte, since a second declaration is compared with them. It is kept
 * with the queue or exchange as JSON, under the protocol's own key. What another protocol made has none; then it is what
 * its settings say.
 */

import type { Exchange, Queue } from "../../../broker/api.ts";
import { Malformed } from "../../../wire/input.ts";
import { numberArgument } from "./arguments.ts";
import { decodeTable, tableBytes, writeTable, type FieldTable } from "./field-table.ts";

export type QueueType = "classic" | "quorum" | "stream";

export interface QueueDeclaration {
  readonly type: QueueType;
  readonly durable: boolean;
  readonly autoDelete: boolean;
  readonly exclusive: boolean;
  /** The user; undefined: nobody knows, as of an import. */
  readonly declaredBy?: string;
  readonly arguments: FieldTable;
}

export interface ExchangeDeclaration {
  readonly type: string;
  readonly internal: boolean;
  readonly arguments: FieldTable;
}

interface Kept {
  readonly amqp091?: Readonly<Record<string, unknown>> & { readonly arguments: string };
}

const declarationByQueue = new WeakMap<Queue, QueueDeclaration>();
const effectiveArgumentsByQueue = new WeakMap<Queue, FieldTable>();
const declarationByExchange = new WeakMap<Exchange, ExchangeDeclaration>();

/** The JSON to keep. */
export function keptForm(declaration: QueueDeclaration | ExchangeDeclaration): unknown {
  const bytes = Buffer.alloc(tableBytes(declaration.arguments));
  writeTable(bytes, 0, declaration.arguments);
  return { amqp091: { ...declaration, arguments: bytes.toString("base64") } };
}

export function queueDeclaration(queue: Queue): QueueDeclaration {
  let declaration = declarationByQueue.get(queue);
  if (declaration === undefined) {
    const { durable, autoDelete, mode } = queue.settings;
    const type = mode === "offset" ? "stream" : "classic";
    declaration = { type, durable, autoDelete, exclusive: false, ...read(queue.declaration) };
    declarationByQueue.set(queue, declaration);
  }
  return declaration;
}

export function exchangeDeclaration(exchange: Exchange): ExchangeDeclaration {
  let declaration = declarationByExchange.get(exchange);
  if (declaration === undefined) {
    declaration = { type: exchange.settings.kind, internal: false, ...read(exchange.declaration) };
    declarationByExchange.set(exchange, declaration);
  }
  return declaration;
}

/** Of what another protocol made: the arguments with which it is used here. */
export function setDeclaredArguments(queue: Queue, args: FieldTable): void {
  declarationByQueue.set(queue, { ...queueDeclaration(queue), arguments: args });
}

/** Whether it was declared by a protocol of this family: what another made, policies leave alone. */
export function isDeclaredHere(kept: Queue | Exchange): boolean {
  return (kept.declaration as Kept | null | undefined)?.amqp091 !== undefined;
}

/** The arguments that a queue works by: those of its declaration, with what policies make of them. */
export function effectiveArgumentsOf(queue: Queue): FieldTable {
  return effectiveArgumentsByQueue.get(queue) ?? queueDeclaration(queue).arguments;
}

/** Says what they are; undefined: those of its declaration. */
export function setEffectiveArguments(queue: Queue, args: FieldTable | undefined): void {
  if (args === undefined) effectiveArgumentsByQueue.delete(queue);
  else effectiveArgumentsByQueue.set(queue, args);
}

/** ms that a delivery of this queue may stay unsettled, if its consumer does not say; 0: no limit. */
export function consumerTimeoutMs(queue: Queue, settings: { readonly consumerTimeoutMs: number }): number {
  return numberArgument(effectiveArgumentsOf(queue), "x-consumer-timeout") ?? settings.consumerTimeoutMs;
}

function read(kept: unknown): { arguments: FieldTable } {
  const own = (kept as Kept | null | undefined)?.amqp091;
  if (own === undefined) return { arguments: [] };
  const bytes = Buffer.from(own.arguments, "base64");
  const table = decodeTable(bytes, 0, bytes.length);
  return { ...own, arguments: table instanceof Malformed ? [] : table };
}
