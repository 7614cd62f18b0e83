/**
 * Binding queues and exchanges to exchanges, whoever asks: over AMQP or over HTTP, the same checks in the same order with
 * the same texts. Who binds writes to the destination and reads from the source; then there have to be both.
 */

import type { Namespace, Queue } from "../../../broker/api.ts";
import { bindingSource, checkBinding } from "./binding.ts";
import { queueDeclaration } from "./declaration.ts";
import { notFound, type Fault } from "./errors.ts";
import type { FieldTable } from "./field-table.ts";
import { headersOf, type Headers } from "./mapping.ts";
import { checkAccess, checkOwner, checkTopic, defaultRefused, type Caller } from "./permissions.ts";

/** What is bound to what, and by which key. */
export interface BindingEnds {
  readonly source: string;
  readonly destinationType: "queue" | "exchange";
  readonly destination: string;
  readonly routingKey: string;
}

/** Binding again what is bound already changes nothing. */
export function bind(caller: Caller, ends: BindingEnds, args: FieldTable): Fault | undefined {
  const { source, destinationType, destination, routingKey } = ends;
  const { namespace, name: vhost } = caller.virtualHost;
  const refused = checkEnds(caller, ends);
  if (refused !== undefined) return refused;
  const exchange = namespace.exchange(source);
  if (exchange === undefined) return notFound("exchange", source, vhost);
  const found = destinationOf(namespace, ends);
  if (found === undefined) return notFound(destinationType, destination, vhost);
  const type = "queue" in found ? queueDeclaration(found.queue).type : "exchange";
  const fault = checkBinding(bindingSource(exchange), type, routingKey, args) ?? checkDestination(caller, found);
  if (fault !== undefined) return fault;
  namespace.bind(source, found, routingKey, headersOf(args));
  return undefined;
}

/** What is not bound, or not there, counts as unbound. */
export function unbind(caller: Caller, ends: BindingEnds, args: Headers): Fault | undefined {
  const { source, routingKey } = ends;
  const { namespace } = caller.virtualHost;
  const refused = checkEnds(caller, ends);
  if (refused !== undefined) return refused;
  const found = destinationOf(namespace, ends);
  if (found === undefined || namespace.exchange(source) === undefined) return undefined;
  const fault = checkDestination(caller, found);
  // Another connection's queue is only seen to be locked where there is something to unbind.
  if (fault !== undefined) return isBound(namespace, ends, found) ? fault : undefined;
  namespace.unbind(source, found, routingKey, args);
  return undefined;
}

function checkEnds(caller: Caller, { source, destinationType, destination, routingKey }: BindingEnds) {
  const exchange = caller.virtualHost.namespace.exchange(source);
  const isDefault = source === "" || (destinationType === "exchange" && destination === "");
  return (
    checkAccess(caller, "write", destinationType, destination) ??
    (isDefault ? defaultRefused() : undefined) ??
    checkAccess(caller, "read", "exchange", source) ??
    (exchange === undefined ? undefined : checkTopic(caller, "read", exchange, routingKey))
  );
}

type Destination = { readonly queue: Queue } | { readonly exchange: string };

function destinationOf(namespace: Namespace, { destinationType, destination }: BindingEnds): Destination | undefined {
  if (destinationType === "exchange") {
    return namespace.exchange(destination) === undefined ? undefined : { exchange: destination };
  }
  const queue = namespace.queue(destination);
  return queue && { queue };
}

function checkDestination(caller: Caller, destination: Destination): Fault | undefined {
  return "queue" in destination ? checkOwner(caller, destination.queue) : undefined;
}

function isBound(namespace: Namespace, { source, routingKey }: BindingEnds, destination: Destination): boolean {
  for (const binding of namespace.bindingsTo(destination)) {
    if (binding.source === source && binding.key === routingKey) return true;
  }
  return false;
}
