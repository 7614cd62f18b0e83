/**
 * What happens in the broker, as messages: RabbitMQ's event exchange. Each event is published to the topic exchange
 * `amq.rabbitmq.event` of the default virtual host, wherever it happened, by the routing key and the headers that the
 * plug-in of that name gives it; `eventNames` lists the keys. The body is empty.
 *
 * Queues, exchanges and bindings are told of by the core, so that what goes by itself (expired, auto-deleted) and what
 * another protocol makes is seen too; of the rest, whoever does it says so by `emit`. An event is put together only when
 * something is bound to the exchange: until then it costs one look. It is published at once and not waited for; nobody is
 * held back or fails for it.
 *
 * As in the plug-in, a list of arguments is an array of texts, each one argument as Erlang prints it, and an address is
 * an Erlang tuple. Where a `pid` is asked for, which names something for as long as it lives, there is the name of the
 * connection, or of the channel. The reason of a failed login is a text; the plug-in sends an array of its characters.
 */

import {
  emptyPublication,
  type BindingView,
  type Broker,
  type Exchange,
  type Namespace,
  type Publication,
  type Queue,
} from "../../../broker/api.ts";
import type { PeerAddress } from "../../../server/protocol.ts";
import { exchangeDeclaration, queueDeclaration } from "./declaration.ts";
import { erlangBinary, erlangValue } from "./errors.ts";
import { fieldTypeNames, fieldValue, longNumber, type FieldTable, type FieldValue } from "./field-table.ts";
import { amqpFormat } from "./format.ts";
import type { Headers } from "./mapping.ts";
import { encodeProperties } from "./properties.ts";

export const eventExchange = "amq.rabbitmq.event";

/** Every event that there is, as its routing key. */
export const eventNames = [
  "queue.created",
  "queue.deleted",
  "exchange.created",
  "exchange.deleted",
  "binding.created",
  "binding.deleted",
  "connection.created",
  "connection.closed",
  "channel.created",
  "channel.closed",
  "consumer.created",
  "consumer.deleted",
  "user.authentication.success",
  "user.authentication.failure",
  "vhost.created",
  "vhost.updated",
  "vhost.deleted",
  "vhost.limits.set",
  "vhost.limits.cleared",
  "user.created",
  "user.deleted",
  "user.password.changed",
  "user.password.cleared",
  "user.tags.set",
  "user.limits.set",
  "user.limits.cleared",
  "permission.created",
  "permission.deleted",
  "topic.permission.created",
  "topic.permission.deleted",
  "policy.set",
  "policy.cleared",
  "operator.policy.cleared",
  "queue.policy.updated",
  "queue.policy.cleared",
  "parameter.set",
  "parameter.cleared",
  "alarm.set",
  "alarm.cleared",
  "shovel.worker.status",
  "shovel.worker.removed",
] as const;

export type EventName = (typeof eventNames)[number];

/** A connection, as its events show it. */
export interface EventConnection {
  readonly address: PeerAddress;
  readonly clientProperties: FieldTable;
  readonly mechanism: string;
  readonly user: { readonly name: string } | undefined;
  readonly vhost: string;
  readonly heartbeatMs: number;
  readonly frameMaxBytes: number;
  readonly channelMax: number;
}

/** A channel, as its events show it. */
export interface EventChannel {
  readonly connection: EventConnection;
  readonly number: number;
}

export interface EventConsumer {
  readonly tag: string;
  readonly queue: Queue;
}

type Values = Readonly<Record<string, string | number | boolean | FieldValue>>;

/** Who does what nobody asked for. */
export const internalUser = "rmq-internal";
/** The virtual host in whose exchange all events are. */
const eventVhost = "/";

/** In whose name something happens. */
interface Actor {
  readonly user: string;
  /** Of the connection that asked for it; empty if none did. */
  readonly connection: string;
}

export class Events {
  readonly #broker: Broker;
  readonly #outcome = { routed: 0, refused: false, ticket: 0 };
  #acting: Actor | undefined;

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  /** Tells of its queues, exchanges and bindings from now on. */
  observe(namespace: Namespace): void {
    const vhost = namespace.name;
    namespace.observe({
      queueCreated: (queue) => this.#queueCreated(queue),
      queueDeleted: (queue) => this.#queueDeleted(queue),
      exchangeCreated: (exchange) => this.#exchangeCreated(vhost, exchange),
      exchangeDeleted: (exchange) => this.#exchangeDeleted(vhost, exchange),
      bindingCreated: (binding) => this.#binding("binding.created", vhost, binding),
      bindingDeleted: (binding) => this.#binding("binding.deleted", vhost, binding),
    });
  }

  /** What `run` does to queues, exchanges and bindings is done by this connection's user. */
  actingFor<T>(connection: EventConnection, run: () => T): T {
    return this.#acted({ user: userOf(connection), connection: nameOf(connection) }, run);
  }

  /**
   * What `run` does is done by this user, over no connection of a protocol: by an HTTP request, say. It counts until `run`
   * returns: what an asynchronous one does behind its first `await` is nobody's, and needs an `actingAs` of its own.
   */
  actingAs<T>(user: string, run: () => T): T {
    return this.#acted({ user, connection: "" }, run);
  }

  #acted<T>(actor: Actor, run: () => T): T {
    const before = this.#acting;
    this.#acting = actor;
    try {
      return run();
    } finally {
      this.#acting = before;
    }
  }

  /**
   * Tells of anything else. Fields are values as JSON has them: whole numbers become `long`, others `double`, objects
   * tables; what is undefined is left out. Who did it is added, unless the fields say who.
   */
  emit(name: EventName, fields: Readonly<Record<string, unknown>>): void {
    if (!this.#isHeard) return;
    const values: Record<string, FieldValue> = {};
    for (const [key, value] of Object.entries(fields)) if (value !== undefined) values[key] = jsonField(value);
    this.#publish(name, { user_who_performed_action: this.actor, ...values });
  }

  /** In whose name something happens just now. */
  get actor(): string {
    return this.#acting?.user ?? internalUser;
  }

  // Queues, exchanges and bindings

  #queueCreated(queue: Queue): void {
    if (!this.#isHeard) return;
    const { type, durable, autoDelete, exclusive, arguments: args } = queueDeclaration(queue);
    this.#publish("queue.created", {
      vhost: queue.namespace.name,
      name: queue.name,
      durable,
      auto_delete: autoDelete,
      arguments: shown(args),
      owner_pid: exclusive ? (this.#acting?.connection ?? "") : "",
      exclusive,
      type: `rabbit_${type}_queue`,
      user_who_performed_action: this.actor,
    });
  }

  #queueDeleted(queue: Queue): void {
    if (!this.#isHeard) return;
    this.#publish("queue.deleted", {
      vhost: queue.namespace.name,
      name: queue.name,
      type: `rabbit_${queueDeclaration(queue).type}_queue`,
      user_who_performed_action: this.actor,
    });
  }

  #exchangeCreated(vhost: string, exchange: Exchange): void {
    if (!this.#isHeard) return;
    const { type, internal, arguments: args } = exchangeDeclaration(exchange);
    this.#publish("exchange.created", {
      vhost,
      name: exchange.name,
      type,
      durable: exchange.settings.durable,
      auto_delete: exchange.settings.autoDelete,
      internal,
      arguments: shown(args),
      policy: "",
      user_who_performed_action: this.actor,
    });
  }

  #exchangeDeleted(vhost: string, exchange: Exchange): void {
    if (!this.#isHeard) return;
    const { name } = exchange;
    this.#publish("exchange.deleted", { vhost, name, user_who_performed_action: this.actor });
  }

  #binding(event: EventName, vhost: string, { source, destination, key, args }: BindingView): void {
    if (!this.#isHeard) return;
    const isQueue = "queue" in destination;
    this.#publish(event, {
      source_name: source,
      source_kind: "exchange",
      destination_name: isQueue ? destination.queue.name : destination.exchange,
      destination_kind: isQueue ? "queue" : "exchange",
      routing_key: key,
      arguments: shown(tableOfHeaders(args)),
      vhost,
      user_who_performed_action: this.actor,
    });
  }

  // Connections, channels and consumers

  loggedIn(connection: EventConnection, name: string): void {
    if (this.#isHeard) this.#publish("user.authentication.success", login(connection, name));
  }

  /** @param name as the client gave it; undefined: it gave none. */
  loginRefused(connection: EventConnection, name: string | undefined, error: string): void {
    if (this.#isHeard) this.#publish("user.authentication.failure", { ...login(connection, name), error });
  }

  connectionCreated(connection: EventConnection): void {
    if (!this.#isHeard) return;
    const { address, mechanism, heartbeatMs, frameMaxBytes, channelMax, clientProperties } = connection;
    this.#publish("connection.created", {
      ...givenName(connection),
      type: "network",
      pid: nameOf(connection),
      name: nameOf(connection),
      port: address.localPort,
      peer_port: address.remotePort,
      host: erlangAddress(address.localAddress),
      peer_host: erlangAddress(address.remoteAddress),
      ssl: address.isTls,
      auth_mechanism: mechanism,
      protocol: "{0,9,1}",
      user: userOf(connection),
      vhost: connection.vhost,
      timeout: heartbeatMs / 1000,
      frame_max: frameMaxBytes,
      channel_max: channelMax,
      client_properties: shown(clientProperties),
      connected_at: this.#broker.clock.now(),
      node: this.#node,
      user_who_performed_action: userOf(connection),
    });
  }

  connectionClosed(connection: EventConnection): void {
    if (!this.#isHeard) return;
    this.#publish("connection.closed", {
      ...givenName(connection),
      name: nameOf(connection),
      pid: nameOf(connection),
      node: this.#node,
      client_properties: shown(connection.clientProperties),
    });
  }

  channelCreated(channel: EventChannel): void {
    if (!this.#isHeard) return;
    const { connection, number } = channel;
    this.#publish("channel.created", {
      pid: channelName(channel),
      name: channelName(channel),
      connection: nameOf(connection),
      number,
      user: userOf(connection),
      vhost: connection.vhost,
      user_who_performed_action: userOf(connection),
    });
  }

  channelClosed(channel: EventChannel): void {
    if (!this.#isHeard) return;
    const user = userOf(channel.connection);
    this.#publish("channel.closed", { pid: channelName(channel), user_who_performed_action: user });
  }

  consumerCreated(channel: EventChannel, consumer: EventConsumer, asked: ConsumeAsked): void {
    if (!this.#isHeard) return;
    this.#publish("consumer.created", {
      exclusive: asked.exclusive,
      ack_required: !asked.noAck,
      ...this.#shownConsumer(channel, consumer),
      prefetch_count: asked.prefetchCount,
      arguments: shown(asked.arguments),
    });
  }

  consumerDeleted(channel: EventChannel, consumer: EventConsumer): void {
    if (this.#isHeard) this.#publish("consumer.deleted", this.#shownConsumer(channel, consumer));
  }

  #shownConsumer(channel: EventChannel, { tag, queue }: EventConsumer): Values {
    return {
      consumer_tag: tag,
      channel: channelName(channel),
      vhost: queue.namespace.name,
      queue: queue.name,
      user_who_performed_action: userOf(channel.connection),
    };
  }

  // Publishing

  get #isHeard(): boolean {
    const namespace = this.#broker.namespace(eventVhost);
    return namespace?.exchange(eventExchange) !== undefined && namespace.hasBindingsFrom(eventExchange);
  }

  get #node(): string {
    return `entrepot@${this.#broker.id}`;
  }

  #publish(routingKey: EventName, values: Values): void {
    const namespace = this.#broker.namespace(eventVhost)!;
    const nowMs = this.#broker.clock.now();
    const headers = Object.entries({ ...values, timestamp_in_ms: nowMs }).map(([name, value]) => {
      return { name, value: isField(value) ? value : jsonField(value) };
    });
    const head = encodeProperties({ headers, deliveryMode: 2, timestamp: Math.floor(nowMs / 1000) });
    const publication: Publication = {
      ...emptyPublication(namespace.exchange(eventExchange)!),
      format: amqpFormat.id,
      durable: true,
      routingKey,
      head,
      headEnd: head.length,
    };
    namespace.publish(publication, this.#outcome);
  }
}

export interface ConsumeAsked {
  readonly exclusive: boolean;
  readonly noAck: boolean;
  readonly prefetchCount: number;
  readonly arguments: FieldTable;
}

/** `127.0.0.1:40000 -> 127.0.0.1:5672` */
function nameOf({ address }: EventConnection): string {
  const { remoteAddress, remotePort, localAddress, localPort } = address;
  return `${remoteAddress}:${remotePort} -> ${localAddress}:${localPort}`;
}

function channelName({ connection, number }: EventChannel): string {
  return `${nameOf(connection)} (${number})`;
}

function userOf(connection: EventConnection): string {
  return connection.user?.name ?? "";
}

function givenName({ clientProperties }: EventConnection): Values {
  const name = fieldValue(clientProperties, "connection_name");
  return name?.type === "S" ? { user_provided_name: name } : {};
}

function login(connection: EventConnection, name: string | undefined): Values {
  const { address, mechanism } = connection;
  return {
    connection_type: "network",
    ...(name === undefined ? {} : { name }),
    host: erlangAddress(address.localAddress),
    connection_name: nameOf(connection),
    peer_host: erlangAddress(address.remoteAddress),
    peer_port: address.remotePort,
    protocol: "{0,9,1}",
    auth_mechanism: mechanism,
    ssl: address.isTls,
  };
}

/** IPv4 as a tuple of Erlang; anything else as it is. */
function erlangAddress(address: string): string {
  const plain = address.replace(/^::ffff:/, "");
  return /^[\d.]+$/.test(plain) ? `{${plain.replaceAll(".", ",")}}` : address;
}

/** Each field as Erlang prints it: `{<<"x-max-length">>,long,10}`. */
function shown(table: FieldTable): FieldValue {
  const texts = table.map(({ name, value }): FieldValue => {
    const text = `{${erlangBinary(Buffer.from(name))},${fieldTypeNames[value.type]},${erlangValue(value)}}`;
    return { type: "S", value: text };
  });
  return { type: "A", value: texts };
}

/** A binding's arguments are kept by value: how wide a number was is not known any more. */
function tableOfHeaders(headers: Headers): FieldTable {
  return Object.entries(headers).map(([name, value]) => ({ name, value: fieldOf(value) }));
}

function fieldOf(value: Headers[string]): FieldValue {
  switch (typeof value) {
    case "string":
      return { type: "S", value };
    case "boolean":
      return { type: "t", value };
    case "bigint":
      return longNumber(value);
    case "number":
      return Number.isSafeInteger(value) ? longNumber(value) : { type: "d", value };
    default:
  }
  if (value === null || value === undefined) return { type: "V", value: null };
  if (value instanceof Uint8Array) return { type: "S", value: Buffer.from(value) };
  if (Array.isArray(value)) return { type: "A", value: value.map(fieldOf) };
  return { type: "F", value: tableOfHeaders(value as Headers) };
}

function isField(value: Values[string]): value is FieldValue {
  return typeof value === "object";
}

function jsonField(value: unknown): FieldValue {
  switch (typeof value) {
    case "string":
      return { type: "S", value };
    case "boolean":
      return { type: "t", value };
    case "number":
      return Number.isSafeInteger(value) ? longNumber(value) : { type: "d", value };
    default:
  }
  if (value === null || typeof value !== "object") return { type: "V", value: null };
  if (Array.isArray(value)) return { type: "A", value: value.map(jsonField) };
  return { type: "F", value: Object.entries(value).map(([name, element]) => ({ name, value: jsonField(element) })) };
}
