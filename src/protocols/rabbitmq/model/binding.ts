/** What a binding may say, by the type of its source. The texts are RabbitMQ's. */

import type { ExchangeSettings } from "../../../broker/api.ts";
import { erlangBinary, erlangValue, Fault } from "./errors.ts";
import { fieldTypeNames, fieldValue, type FieldTable } from "./field-table.ts";

const matches = ["all", "any", "all-with-x", "any-with-x"];

export function checkBinding(
  source: { readonly settings: Pick<ExchangeSettings, "kind"> },
  routingKey: string,
  args: FieldTable,
): Fault | undefined {
  switch (source.settings.kind) {
    case "headers":
      return checkMatch(args);
    case "consistent-hash":
      return checkWeight(routingKey);
    default:
      return undefined;
  }
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
  return Number(routingKey) < 1 ? new Fault("preconditionFailed", "The binding key must be greater than 0") : undefined;
}
