/**
 * What is done to exchanges, whoever asks: over AMQP or over HTTP, the same checks in the same order with the same texts.
 *
 * Refused, in RabbitMQ's order: an unknown type, the default exchange, what the user may not, names that begin with
 * `amq.`, a declaration that differs from the existing exchange's, deletion while in use, if asked.
 */

import { exchangeDeclaration, keptForm } from "./declaration.ts";
import {
  checkExchangeType,
  checkNewExchange,
  checkSameExchange,
  exchangeSettings,
  type ExchangeFlags,
} from "./declare-exchange.ts";
import { Fault, resource } from "./errors.ts";
import { fieldTypeNames, fieldValue, type FieldTable } from "./field-table.ts";
import { checkAccess, defaultRefused, type Caller } from "./permissions.ts";

export interface ExchangeAsked extends ExchangeFlags {
  readonly arguments: FieldTable;
}

/** Makes the exchange, or finds that it is there as it is asked for. */
export function declareExchange(caller: Caller, name: string, asked: ExchangeAsked): { isNew: boolean } | Fault {
  const { namespace, name: vhost } = caller.virtualHost;
  const { type, internal, arguments: args } = asked;
  const typeFault = checkExchangeType(type);
  if (typeFault !== undefined) return typeFault;
  if (name === "") return defaultRefused();
  const refused = checkAccess(caller, "configure", "exchange", name);
  if (refused !== undefined) return refused;
  const existing = namespace.exchange(name);
  if (existing !== undefined) {
    const difference = checkSameExchange(existing.settings, exchangeDeclaration(existing), asked, name, vhost);
    return difference ?? { isNew: false };
  }
  if (name.startsWith("amq.")) {
    return new Fault("accessRefused", `exchange name '${name}' contains reserved prefix 'amq.*'`);
  }
  const fault = checkAlternate(caller, name, args) ?? checkNewExchange(type, args, name, vhost);
  if (fault !== undefined) return fault;
  namespace.createExchange(name, exchangeSettings(asked, args), keptForm({ type, internal, arguments: args }));
  return { isNew: true };
}

/** Who declares an alternate exchange sends messages on from one exchange to the other. */
function checkAlternate(caller: Caller, name: string, args: FieldTable): Fault | undefined {
  const alternate = fieldValue(args, "alternate-exchange");
  if (alternate === undefined) return undefined;
  if (alternate.type !== "S") {
    const what = `for arg 'alternate-exchange' in ${resource("exchange", name, caller.virtualHost.name)}`;
    return new Fault("preconditionFailed", `invalid type '${fieldTypeNames[alternate.type]}' ${what}`);
  }
  return (
    checkAccess(caller, "read", "exchange", name) ??
    checkAccess(caller, "write", "exchange", alternate.value.toString())
  );
}

/** One that is not there counts as deleted. */
export function deleteExchange(caller: Caller, name: string, asked: { readonly ifUnused: boolean }): Fault | undefined {
  const { namespace, name: vhost } = caller.virtualHost;
  if (name === "") return defaultRefused();
  const what = resource("exchange", name, vhost);
  if (name.startsWith("amq.")) return new Fault("accessRefused", `deletion of system ${what} not allowed`);
  const refused = checkAccess(caller, "configure", "exchange", name);
  if (refused !== undefined || namespace.exchange(name) === undefined) return refused;
  if (asked.ifUnused && namespace.hasBindingsFrom(name)) return new Fault("preconditionFailed", `${what} in use`);
  namespace.deleteExchange(name);
  return undefined;
}
