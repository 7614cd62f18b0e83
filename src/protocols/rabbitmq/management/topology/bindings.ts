/**
 * Bindings: lists from every side, and each as a thing of its own. The default exchange's are shown as well, though nobody
 * made them: each queue is bound to it by its name.
 */

import type { BindingView, Queue } from "../../../../broker/api.ts";
import { bind as bindEnds, unbind as unbindEnds } from "../../model/bindings.ts";
import { shortStringBytesMax } from "../../model/errors.ts";
import { headersOf, type Headers } from "../../model/mapping.ts";
import { jsonOfHeaders } from "../../model/json-table.ts";
import type { Vhost } from "../../model/vhosts.ts";
import { gather } from "../../../../server/http/slices.ts";
import { visibleVhosts } from "../access.ts";
import { argumentsField, isReply, textField } from "../body-fields.ts";
import { notCheap, replyList, replyObject, type Listing } from "../listing.ts";
import { badRequest, done, objectNotFound, vhostNotFound, type Reply } from "../reply.ts";
import type { Call, JsonObject, Route, VhostCall } from "../route.ts";
import { argumentsHash, propertiesKey, quotePlus, readPropertiesKey } from "./binding-key.ts";
import { inVhost } from "./queues.ts";
import { callerOf, exchangeName, faultReply } from "./refusals.ts";

const between = "/bindings/:vhost/e/:source/:dtype/:destination";

export const bindingRoutes: readonly Route[] = [
  {
    method: "GET",
    path: "/bindings",
    access: "vhost",
    about: "All bindings of the virtual hosts that the user may enter.",
    handle: (call) => replyBindings(call, allOf(visibleVhosts(call))),
  },
  {
    method: "GET",
    path: "/bindings/:vhost",
    access: "vhost",
    about: "All bindings of a virtual host.",
    handle: (call) => inVhost(call, () => replyBindings(call, allOf(visibleVhosts(call)))),
  },
  {
    method: "GET",
    path: "/exchanges/:vhost/:exchange/bindings/source",
    access: "vhost",
    about: "What is bound to an exchange.",
    handle: (call) =>
      inVhost(call, ({ vhost }) => replyBindings(call, from(vhost, exchangeName(call.params["exchange"] ?? "")))),
  },
  {
    method: "GET",
    path: "/exchanges/:vhost/:exchange/bindings/destination",
    access: "vhost",
    about: "What an exchange is bound to.",
    handle: (call) =>
      inVhost(call, ({ vhost }) =>
        replyBindings(call, to(vhost, "exchange", exchangeName(call.params["exchange"] ?? ""))),
      ),
  },
  {
    method: "GET",
    path: "/queues/:vhost/:queue/bindings",
    access: "vhost",
    about: "What a queue is bound to.",
    handle: (call) => inVhost(call, ({ vhost }) => replyBindings(call, to(vhost, "queue", call.params["queue"] ?? ""))),
  },
  {
    method: "GET",
    path: between,
    access: "vhost",
    about: "All bindings between an exchange and a queue (q) or another exchange (e).",
    handle: (call) => withEnds(call, (_, ends) => replyBindings(call, betweenEnds(ends)), objectNotFound),
  },
  {
    method: "POST",
    path: between,
    access: "vhost",
    about: "Binds: routing_key, arguments. Location names the binding.",
    handle: (call) => withEnds(call, bind, vhostNotFound),
  },
  {
    method: "GET",
    path: `${between}/:props`,
    access: "vhost",
    about: "One binding.",
    handle: (call) => withBinding(call, (_, binding) => replyObject(call, { ...bindingJson(binding) })),
  },
  {
    method: "DELETE",
    path: `${between}/:props`,
    access: "vhost",
    about: "Unbinds.",
    handle: (call) => withBinding(call, unbind),
  },
];

interface Binding {
  readonly vhost: string;
  readonly source: string;
  readonly destination: string;
  readonly destination_type: "queue" | "exchange";
  readonly routing_key: string;
  readonly args: Headers;
}

interface Ends {
  readonly vhost: Vhost;
  readonly source: string;
  readonly destinationType: "queue" | "exchange";
  readonly destination: string;
}

const noArguments: Headers = {};

function bindingOf(vhost: Vhost, view: BindingView): Binding {
  const isQueue = "queue" in view.destination;
  return {
    vhost: vhost.name,
    source: view.source,
    destination: isQueue ? view.destination.queue.name : view.destination.exchange,
    destination_type: isQueue ? "queue" : "exchange",
    routing_key: view.key,
    args: view.args,
  };
}

function implicitBinding(vhost: Vhost, { name }: Queue): Binding {
  const ends = { source: "", destination: name, destination_type: "queue" } as const;
  return { vhost: vhost.name, ...ends, routing_key: name, args: noArguments };
}

function* allOf(vhosts: readonly Vhost[]): Generator<Binding> {
  for (const vhost of vhosts) {
    for (const exchange of vhost.namespace.exchanges()) yield* from(vhost, exchange.name);
  }
}

function* from(vhost: Vhost, source: string): Generator<Binding> {
  const { namespace } = vhost;
  if (source === "") for (const queue of namespace.queues()) yield implicitBinding(vhost, queue);
  else for (const view of namespace.bindingsFrom(source)) yield bindingOf(vhost, view);
}

function* to(vhost: Vhost, type: Ends["destinationType"], name: string): Generator<Binding> {
  const { namespace } = vhost;
  const queue = type === "queue" ? namespace.queue(name) : undefined;
  if (type === "queue" && queue === undefined) return;
  if (queue !== undefined) yield implicitBinding(vhost, queue);
  const end = queue === undefined ? { exchange: name } : { queue };
  for (const view of namespace.bindingsTo(end)) yield bindingOf(vhost, view);
}

function* betweenEnds({ vhost, source, destinationType, destination }: Ends): Generator<Binding> {
  for (const binding of to(vhost, destinationType, destination)) if (binding.source === source) yield binding;
}

function bindingJson({ args, ...binding }: Binding): JsonObject {
  return {
    ...binding,
    arguments: jsonOfHeaders(args),
    properties_key: propertiesKey(binding.routing_key, args),
  };
}

const listing: Omit<Listing<Binding>, "things"> = {
  name: ({ source }) => source,
  json: bindingJson,
  cheap(binding, column) {
    if (column === "properties_key") return propertiesKey(binding.routing_key, binding.args);
    return Object.hasOwn(binding, column) && column !== "args" ? binding[column as keyof Binding] : notCheap;
  },
  order: ["vhost", "source", "destination", "routing_key", "properties_key"],
  hasPages: false,
};

function replyBindings(call: Call, bindings: Iterable<Binding>): Reply {
  return replyList(call, { ...listing, things: gather(bindings) });
}

function withEnds(call: Call, run: (call: VhostCall, ends: Ends) => Reply, otherwise: Reply): Reply {
  const { dtype, source = "", destination = "" } = call.params;
  if (dtype !== "q" && dtype !== "e") return objectNotFound;
  const destinationType = dtype === "q" ? "queue" : "exchange";
  return inVhost(
    call,
    (found) =>
      run(found, {
        vhost: found.vhost,
        source: exchangeName(source),
        destinationType,
        destination: destinationType === "exchange" ? exchangeName(destination) : destination,
      }),
    otherwise,
  );
}

function withBinding(call: Call, run: (call: VhostCall, binding: Binding, ends: Ends) => Reply): Reply {
  const sought = readPropertiesKey(call.params["props"] ?? "");
  if (sought === undefined) return objectNotFound;
  return withEnds(
    call,
    (found, ends) => {
      const binding = [...betweenEnds(ends)].find(({ routing_key, args }) => {
        if (routing_key !== sought.routingKey) return false;
        const hash = Object.keys(args).length === 0 ? undefined : argumentsHash(args);
        return hash === sought.argumentsHash;
      });
      return binding === undefined ? objectNotFound : run(found, binding, ends);
    },
    objectNotFound,
  );
}

function bind(call: VhostCall, ends: Ends): Reply {
  const routingKey = textField(call.body, "routing_key") ?? "";
  if (isReply(routingKey)) return routingKey;
  // RabbitMQ takes a longer one, which no client could ever unbind.
  if (Buffer.byteLength(routingKey) > shortStringBytesMax) return badRequest(["too_long", "routing_key"]);
  const args = argumentsField(call.body);
  if (isReply(args)) return args;
  const fault = bindEnds(callerOf(call), { ...ends, routingKey }, args);
  if (fault !== undefined) return faultReply(call, fault);
  const key = propertiesKey(routingKey, headersOf(args));
  return { status: 201, headers: { location: `${quotePlus(ends.destination)}/${quotePlus(key)}` } };
}

function unbind(call: VhostCall, binding: Binding, ends: Ends): Reply {
  const fault = unbindEnds(callerOf(call), { ...ends, routingKey: binding.routing_key }, binding.args);
  return fault === undefined ? done : faultReply(call, fault);
}
