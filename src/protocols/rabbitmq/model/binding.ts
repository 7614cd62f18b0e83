/**
 * What a binding may say, by the type of its source. The texts are RabbitMQ's. One refusal of its newest versions is left out on
 * purpose: more than two `#` in a topic's pattern, which are a danger to a matcher that backtracks and cost ours nothing.
 */

import type { Exchange, ExchangeSettings } from "../../../broker/api.ts";
import { exchangeDeclaration, type QueueType } from "./declaration.ts";
import { routedType } from "./declare-exchange.ts";
import { erlangBinary, erlangValue, Fault } from "./errors.ts";
import { fieldTypeNames, fieldValue, type FieldTable } from "./field-table.ts";

/** As since RabbitMQ 4.2.6. */
const weightMax = 10_000;
const matches = ["all", "any", "all-with-x", "any-with-x"];

export interface BindingSource {
  readonly kind: ExchangeSettings["kind"];
  /** By its name, as declared; of an exchange that delays, what it is otherwise. */
  readonly type: string;
}

export function bindingSource(exchange: Exchange): BindingSource {
  const { type, arguments: args } = exchangeDeclaration(exchange);
  return { kind: exchange.settings.kind, type: routedType(type, args) };
}

/** @param destination what it is. */
export function checkBinding(
  source: BindingSource,
  destination: QueueType | "exchange",
  routingKey: string,
  args: FieldTable,
): Fault | undefined {
  if (source.type === "x-local-random") return checkLocal(destination, routingKey);
  switch (source.kind) {
    case "headers":
      return checkMatch(args);
    case "consistent-hash":
      return checkWeight(routingKey);
    default:
      return undefined;
  }
}

function checkLocal(destination: QueueType | "exchange", routingKey: string): Fault | undefined {
  const refuse = (text: string): Fault => new Fault("preconditionFailed", text);
  if (routingKey !== "") return refuse(`Non empty binding '${routingKey}' key not permitted`);
  if (destination === "classic") return undefined;
  if (destination === "exchange") return refuse("Destination not found");
  return refuse(`Queue type rabbit_${destination}_queue not valid for this exchange type`);
}

function checkMatch(args: FieldTable): Fault | undefined {
  const match = fieldValue(args, "x-match");
  if (match === undefined) return undefined;
  if (match.type !== "S") {
    const type = fieldTypeNames[match.type];
    const text = `Invalid x-match field type ${type} (value ${erlangValue(match)}); expected longstr`;
    return new Fault("preconditionFailed", text);
  }
  if (matches.includes(match.value.toString())) return undefined;
  const text = `Invalid x-match field value ${erlangValue(match)}; expected all, any, all-with-x, or any-with-x`;
  return new Fault("preconditionFailed", text);
}

function checkWeight(routingKey: string): Fault | undefined {
  if (!/^[+-]?\d+$/.test(routingKey)) {
    const shown = erlangBinary(Buffer.from(routingKey));
    return new Fault("preconditionFailed", `The binding key must be an integer: ${shown}`);
  }
  const weight = Number(routingKey);
  if (weight < 1) return new Fault("preconditionFailed", "The binding key must be greater than 0");
  if (weight <= weightMax) return undefined;
  return new Fault("preconditionFailed", `The binding key must not exceed ${weightMax}`);
}
