/**
 * What a message is refused for, and further keys in its headers, whoever publishes it: over HTTP all of it
 * is asked each time; over AMQP publishing.ts keeps answers and finds out by positions what it needs of this.
 */

import type { Identity } from "../../../auth/identity.ts";
import type { Exchange } from "../../../broker/api.ts";
import { expiryFault } from "./arguments.ts";
import { exchangeDeclaration } from "./declaration.ts";
import { erlangString, Fault, resource } from "./errors.ts";
import { fieldTypeNames, fieldValue, type FieldTable } from "./field-table.ts";
import { keysOf } from "./mapping.ts";
import { checkAccess, checkTopic, type Caller } from "./permissions.ts";

/** May the caller publish with this key to this exchange. */
export function checkPublish(caller: Caller, exchange: Exchange, routingKey: string): Fault | undefined {
  return (
    checkAccess(caller, "write", "exchange", exchange.name) ??
    (exchangeDeclaration(exchange).internal ? internalRefused(exchange.name, caller.virtualHost.name) : undefined) ??
    checkTopic(caller, "write", exchange, routingKey)
  );
}

export function internalRefused(exchange: string, vhost: string): Fault {
  return new Fault("accessRefused", `cannot publish to internal ${resource("exchange", exchange, vhost)}`);
}

export function unknownDeliveryMode(mode: number): Fault {
  return new Fault("preconditionFailed", `invalid message: {delivery_mode_unknown,${mode}}`);
}

/** Who publishes in another's name is allowed to, or refused. */
export function checkUserId(user: Identity, claimed: string): Fault | undefined {
  if (claimed === user.name || user.tags.includes("impersonator")) return undefined;
  const text = `user_id property set to '${claimed}' but authenticated user was '${user.name}'`;
  return new Fault("preconditionFailed", text);
}

/** @returns ms, as the property `expiration` says. */
export function readExpiration(text: string): number | Fault {
  const number = /^[+-]?\d+/.exec(text)?.[0];
  let wrong: string | undefined;
  if (number === undefined) wrong = "no_integer";
  else if (number.length < text.length) wrong = `{leftover_string,${erlangString(text.slice(number.length))}}`;
  else wrong = expiryFault(Number(number));
  if (wrong !== undefined) return new Fault("preconditionFailed", `invalid expiration '${text}': ${wrong}`);
  return Number(number);
}

/** The routing keys that a message has beside its own, in CC and BCC. */
export function readCopies(headers: FieldTable): string[] | Fault {
  const keys: string[] = [];
  for (const name of ["CC", "BCC"]) {
    const value = fieldValue(headers, name);
    const found = keysOf(value);
    if (found === undefined) {
      const what = `{unacceptable_type_in_header,${erlangString(name)},${fieldTypeNames[value!.type]}}`;
      return new Fault("preconditionFailed", `invalid message: ${what}`);
    }
    keys.push(...found);
  }
  return keys;
}

/** BCC is nobody's business: on the way it is taken out. */
export function withoutBcc(headers: FieldTable): FieldTable {
  return headers.filter(({ name }) => name !== "BCC");
}
