/**
 * What is defined, as JSON in RabbitMQ's form and order: users with their hashes, virtual hosts, permissions, parameters,
 * policies, queues, exchanges, bindings; of the whole broker, or of one virtual host. No messages. What RabbitMQ leaves out is
 * left out: exclusive queues, the exchanges that every virtual host has, what is `internal`. Topics of another protocol are no
 * queues that RabbitMQ could make: they are a category of their own, if there are any.
 *
 * Operators' policies are parameters there, under the component `operator_policy`.
 */

import type { Broker } from "../../../broker/api.ts";
import type { Authority } from "../../../auth/authority.ts";
import { exchangeDeclaration, queueDeclaration } from "./declaration.ts";
import type { Events } from "./events.ts";
import type { ForeignTopics } from "./foreign-topics.ts";
import { jsonOfHeaders, jsonOfTable } from "./json-table.ts";
import type { Parameters } from "./parameters.ts";
import type { Policies } from "./policies.ts";
import type { VhostLimits } from "./vhost-limits.ts";
import type { Vhost, Vhosts } from "./vhosts.ts";
import { isTopic } from "./work-queue.ts";

/** What definitions are made of, and go into: a `RabbitServer` is one. */
export interface Defined {
  readonly broker: Broker;
  readonly authority: Authority;
  readonly events: Events;
  readonly vhosts: Vhosts;
  readonly parameters: Parameters;
  readonly policies: Policies;
  readonly vhostLimits: VhostLimits;
  /** Absent where no other protocol makes topics. */
  readonly foreignTopics?: ForeignTopics | undefined;
  readonly version: string;
}

type Row = Readonly<Record<string, unknown>>;
export type Definitions = Readonly<Record<string, unknown>>;

/** @param spokenVersion of RabbitMQ, as which other brokers read it. */
export function exportDefinitions(server: Defined, spokenVersion: string): Definitions {
  const { authority, parameters, policies } = server;
  const vhosts = [...server.vhosts.all()];
  return {
    rabbit_version: spokenVersion,
    rabbitmq_version: spokenVersion,
    product_name: "Entrepot",
    product_version: server.version,
    users: [...authority.users.all()].map(({ name, passwordHash, hashingAlgorithm, tags, limits }) => ({
      name,
      password_hash: passwordHash,
      hashing_algorithm: hashingAlgorithm,
      tags,
      limits,
    })),
    vhosts: vhosts.map((vhost) => vhostRow(vhost, server.vhostLimits)),
    permissions: [...authority.permissions.all()],
    topic_permissions: [...authority.topicPermissions.all()],
    parameters: [...parameters.all()],
    global_parameters: [...parameters.globals()].filter(({ name }) => !name.startsWith("internal")),
    policies: [...policies.all("policy")].map(policyRow),
    queues: vhosts.flatMap((vhost) => [...queueRows(vhost)]),
    exchanges: vhosts.flatMap((vhost) => [...exchangeRows(vhost)]),
    bindings: vhosts.flatMap((vhost) => [...bindingRows(vhost)]),
    ...topicsOf(vhosts.flatMap((vhost) => [...topicRows(vhost, server.foreignTopics)])),
  };
}

/** Of one virtual host: no users, no permissions; queues, exchanges and bindings do not name it. */
export function exportVhostDefinitions(server: Defined, vhost: Vhost, spokenVersion: string): Definitions {
  const { parameters, policies } = server;
  return {
    rabbit_version: spokenVersion,
    parameters: [...parameters.all(vhost.name)],
    policies: [...policies.all("policy", vhost.name)].map(policyRow),
    queues: [...queueRows(vhost)].map(withoutVhost),
    exchanges: [...exchangeRows(vhost)].map(withoutVhost),
    bindings: [...bindingRows(vhost)].map(withoutVhost),
    ...topicsOf([...topicRows(vhost, server.foreignTopics)].map(withoutVhost)),
  };
}

function withoutVhost(row: Row): Row {
  return Object.fromEntries(Object.entries(row).filter(([name]) => name !== "vhost"));
}

function vhostRow({ name, record }: Vhost, limits: VhostLimits): Row {
  const { description, tags, defaultQueueType, isTracing, isProtectedFromDeletion } = record;
  const metadata = {
    description,
    tags,
    ...(defaultQueueType !== undefined && { default_queue_type: defaultQueueType }),
    ...(isProtectedFromDeletion && { protected_from_deletion: true }),
  };
  return { name, description, tags, metadata, limits: limits.of(name) ?? {}, ...(isTracing && { tracing: true }) };
}

function policyRow({ vhost, name, pattern, applyTo, definition, priority }: ReturnType<Policies["find"]> & {}): Row {
  return { vhost, name, pattern, "apply-to": applyTo, definition, priority };
}

function* queueRows({ name: vhost, namespace }: Vhost): Iterable<Row> {
  for (const queue of namespace.queues()) {
    if (isTopic(queue)) continue;
    const { type, durable, autoDelete, exclusive, arguments: args } = queueDeclaration(queue);
    if (exclusive) continue;
    yield { name: queue.name, vhost, type, durable, auto_delete: autoDelete, arguments: jsonOfTable(args) };
  }
}

function* topicRows({ name: vhost, namespace }: Vhost, topics: ForeignTopics | undefined): Iterable<Row> {
  for (const queue of namespace.queues()) {
    if (!isTopic(queue)) continue;
    const args = jsonOfTable(queueDeclaration(queue).arguments);
    yield { name: queue.name, vhost, ...topics?.definitionOf(queue), arguments: args };
  }
}

/** Who has none is not told of the category. */
function topicsOf(rows: readonly Row[]): { readonly topics?: readonly Row[] } {
  return rows.length === 0 ? {} : { topics: rows };
}

function* exchangeRows({ name: vhost, namespace }: Vhost): Iterable<Row> {
  for (const exchange of namespace.exchanges()) {
    const { name } = exchange;
    if (name === "" || name.startsWith("amq.")) continue;
    const { type, internal, arguments: args } = exchangeDeclaration(exchange);
    const { durable, autoDelete } = exchange.settings;
    yield { name, vhost, type, durable, auto_delete: autoDelete, internal, arguments: jsonOfTable(args) };
  }
}

function* bindingRows({ name: vhost, namespace }: Vhost): Iterable<Row> {
  for (const { name } of namespace.exchanges()) {
    if (name === "") continue;
    for (const { source, destination, key, args } of namespace.bindingsFrom(name)) {
      const isQueue = "queue" in destination;
      if (isQueue && queueDeclaration(destination.queue).exclusive) continue;
      yield {
        source,
        vhost,
        destination: isQueue ? destination.queue.name : destination.exchange,
        destination_type: isQueue ? "queue" : "exchange",
        routing_key: key,
        arguments: jsonOfHeaders(args),
      };
    }
  }
}
