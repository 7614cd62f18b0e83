/**
 * Topics as Kafka's clients see them: the queues and logs of the namespace whose names Kafka can say.
 *
 * What is made over Kafka is a log of the core. Its declaration says that it was, and holds its id; the configs that were set
 * for it are a definition beside it, since they change, and go with it. A queue that another protocol declared has an id that
 * follows from its name, and no configs that could be set: it works by what it was declared with, and by policies. One that is
 * a connection's own (an exclusive queue) is no topic, though its name is taken.
 *
 * Ids and names that collide are found by an index that is made when it is first asked for, and kept from then on: a broker
 * with a hundred thousand queues whose Kafka clients ask by name never pays for it.
 */

import { createHash } from "node:crypto";
import type { CatalogObserver, Namespace, Queue } from "../../../broker/api.ts";
import type { KafkaServer } from "../server.ts";
import type { Level } from "./broker-defaults.ts";
import { withDefaults, type ConfigTexts } from "./topic-configs.ts";
import { collisionName, isInternalName, isTopicName } from "./topic-name.ts";
import { configsOfQueue, topicLimits, topicSettings, type TopicLimits } from "./topic-settings.ts";

export type { TopicLimits } from "./topic-settings.ts";

/** What is kept in a queue's declaration. */
interface Declaration {
  readonly kafka?: { readonly id: string; readonly createdMs: number };
}

/** The kept form of configs; it holds for the topic of this id. */
interface KeptConfigs {
  readonly id: string;
  readonly configs: Readonly<Record<string, string>>;
}

const kind = "kafka-topic";

export class Topic {
  readonly queue: Queue;
  /** 32 hexadecimal digits. */
  readonly id: string;
  /** Made over Kafka: its configs can be set, and partitions added. */
  readonly isOwn: boolean;
  limits: TopicLimits;
  #configs: ConfigTexts;

  /** @param effective its configs with the broker's defaults. */
  constructor(queue: Queue, id: string, isOwn: boolean, configs: ConfigTexts, effective: ConfigTexts) {
    this.queue = queue;
    this.id = id;
    this.isOwn = isOwn;
    this.#configs = configs;
    this.limits = topicLimits(effective);
  }

  /** What was set for it; of a queue that another protocol made, what it works by just now. */
  get configs(): ConfigTexts {
    return this.isOwn ? this.#configs : configsOfQueue(this.queue.settings);
  }

  /** @param effective its configs with the broker's defaults. */
  configured(configs: ConfigTexts, effective: ConfigTexts): void {
    this.#configs = configs;
    this.limits = topicLimits(effective);
  }

  get name(): string {
    return this.queue.name;
  }

  get partitions(): readonly Queue[] {
    return this.queue.partitions;
  }

  get isInternal(): boolean {
    return isInternalName(this.name);
  }
}

export class Topics implements CatalogObserver {
  readonly #server: KafkaServer;
  #namespace: Namespace | undefined;
  #byQueue = new WeakMap<Queue, Topic>();
  /** Undefined until somebody asks by an id. */
  #byId: Map<string, Topic> | undefined;
  /** Names by what they are the same by; undefined until a topic is made whose name could collide. */
  #collisions: Map<string, Set<string>> | undefined;

  constructor(server: KafkaServer) {
    this.#server = server;
  }

  find(name: string): Topic | undefined {
    const queue = this.#current()?.queue(name);
    return queue && this.#of(queue);
  }

  findById(id: string): Topic | undefined {
    const namespace = this.#current();
    if (namespace === undefined) return undefined;
    if (this.#byId === undefined) {
      this.#byId = new Map();
      for (const queue of namespace.queues()) {
        const topic = this.#of(queue);
        if (topic !== undefined) this.#byId.set(topic.id, topic);
      }
    }
    return this.#byId.get(id);
  }

  /** Something has the name, be it a topic or what nobody is to see. */
  isTaken(name: string): boolean {
    return this.#current()?.queue(name) !== undefined;
  }

  *all(): Iterable<Topic> {
    for (const queue of this.#current()?.queues() ?? []) {
      const topic = this.#of(queue);
      if (topic !== undefined) yield topic;
    }
  }

  /** A topic that is there whose name is the same as this one but for dots and underscores. */
  colliding(name: string): string | undefined {
    const key = collisionName(name);
    const namespace = this.#current();
    if (key === undefined || namespace === undefined) return undefined;
    if (this.#collisions === undefined) {
      this.#collisions = new Map();
      for (const queue of namespace.queues()) this.#noteName(queue);
    }
    for (const other of this.#collisions.get(key) ?? []) if (other !== name) return other;
    return undefined;
  }

  /** Makes a topic: its name and configs are right and it is not there, and the namespace is. Durable with the broker's ticket. */
  create(name: string, partitionCount: number, configs: ConfigTexts): Topic {
    const { broker } = this.#server;
    const id = newId(this.#server.random.bytes(16));
    const declaration: Declaration = { kafka: { id, createdMs: broker.clock.now() } };
    const namespace = this.#current()!;
    let queue: Queue;
    broker.atomically(() => {
      if (configs.size > 0) this.#keep(name, id, configs);
      queue = namespace.createQueue(name, topicSettings(this.#effective(configs)), declaration, partitionCount);
    });
    return this.#of(queue!)!;
  }

  /** Durable with the broker's ticket. */
  delete(topic: Topic): void {
    this.#server.broker.atomically(() => topic.queue.namespace.deleteQueue(topic.queue));
  }

  /** Sets a topic's configs, all of them, which are right. It counts at once, and is durable with the broker's ticket. */
  configure(topic: Topic, configs: ConfigTexts): void {
    const { broker } = this.#server;
    const effective = this.#effective(configs);
    broker.atomically(() => {
      if (configs.size > 0) this.#keep(topic.name, topic.id, configs);
      else this.#forget(topic.name);
      topic.queue.configure(topicSettings(effective));
    });
    topic.configured(configs, effective);
  }

  /** Sets the broker's configs of a level, which are right. They count at once, also for the topics that there are. */
  setDefaults(level: Level, configs: ConfigTexts): void {
    const { broker, brokerDefaults } = this.#server;
    broker.atomically(() => {
      brokerDefaults.set(level, configs);
      for (const topic of this.all()) {
        if (!topic.isOwn) continue;
        const effective = this.#effective(topic.configs);
        topic.queue.configure(topicSettings(effective));
        topic.configured(topic.configs, effective);
      }
    });
  }

  /** Whether topics can be made at all. */
  get hasNamespace(): boolean {
    return this.#current() !== undefined;
  }

  queueCreated(queue: Queue): void {
    if (queue.namespace !== this.#namespace) return;
    if (this.#byId !== undefined) this.#of(queue);
    if (this.#collisions !== undefined) this.#noteName(queue);
  }

  queueDeleted(queue: Queue): void {
    if (queue.namespace.name !== this.#server.settings.namespace) return;
    this.#forget(queue.name);
    const topic = this.#byQueue.get(queue);
    if (topic !== undefined) this.#byId?.delete(topic.id);
    const key = collisionName(queue.name);
    const names = key === undefined ? undefined : this.#collisions?.get(key);
    names?.delete(queue.name);
    if (names?.size === 0) this.#collisions!.delete(key!);
  }

  exchangeCreated(): void {}
  exchangeDeleted(): void {}
  bindingCreated(): void {}
  bindingDeleted(): void {}

  /** The namespace may be deleted, and made again. */
  #current(): Namespace | undefined {
    const { namespace } = this.#server;
    if (namespace !== this.#namespace) {
      this.#namespace = namespace;
      this.#byId = undefined;
      this.#collisions = undefined;
      namespace?.observe(this);
      this.#sweep(namespace);
    }
    return namespace;
  }

  /** Configs of topics that went while nobody asked for topics. */
  #sweep(namespace: Namespace | undefined): void {
    const { definitions } = this.#server.broker;
    for (const [key, kept] of [...definitions.entries(kind)]) {
      const [of, name] = JSON.parse(key) as [string, string];
      if (of !== this.#server.settings.namespace) continue;
      const declaration = namespace?.queue(name)?.declaration as Declaration | null | undefined;
      if (declaration?.kafka?.id !== (kept as KeptConfigs).id) definitions.remove(kind, key);
    }
  }

  #of(queue: Queue): Topic | undefined {
    return this.#byQueue.get(queue) ?? this.#show(queue);
  }

  #show(queue: Queue): Topic | undefined {
    const { name, declaration, namespace } = queue;
    if (!isTopicName(name) || this.#server.isPrivate(queue)) return undefined;
    const own = (declaration as Declaration | null | undefined)?.kafka;
    const id = own?.id ?? derivedId(this.#server.broker.id, namespace.name, name);
    const configs = own === undefined ? configsOfQueue(queue.settings) : this.#keptConfigs(name, id);
    const effective = own === undefined ? configs : this.#effective(configs);
    const topic = new Topic(queue, id, own !== undefined, configs, effective);
    this.#byQueue.set(queue, topic);
    this.#byId?.set(id, topic);
    return topic;
  }

  #effective(configs: ConfigTexts): ConfigTexts {
    return withDefaults(configs, this.#server.brokerDefaults.ofTopics);
  }

  #noteName(queue: Queue): void {
    const { name } = queue;
    const key = isTopicName(name) ? collisionName(name) : undefined;
    if (key === undefined || this.#server.isPrivate(queue)) return;
    const names = this.#collisions!.get(key);
    if (names === undefined) this.#collisions!.set(key, new Set([name]));
    else names.add(name);
  }

  #keptConfigs(name: string, id: string): ConfigTexts {
    const kept = this.#server.broker.definitions.get(kind, this.#keyOf(name)) as KeptConfigs | undefined;
    return new Map(kept?.id === id ? Object.entries(kept.configs) : []);
  }

  #keep(name: string, id: string, configs: ConfigTexts): void {
    const kept: KeptConfigs = { id, configs: Object.fromEntries(configs) };
    this.#server.broker.definitions.put(kind, this.#keyOf(name), kept);
  }

  #forget(name: string): void {
    const { definitions } = this.#server.broker;
    const key = this.#keyOf(name);
    if (definitions.get(kind, key) !== undefined) definitions.remove(kind, key);
  }

  #keyOf(name: string): string {
    return JSON.stringify([this.#server.settings.namespace, name]);
  }
}

/** Tools show ids in base64, where one that begins with a dash would be taken for an option: the first bit is 0. */
function newId(bytes: Buffer): string {
  bytes[0] = bytes[0]! & 0x7f;
  return bytes.toString("hex");
}

function derivedId(...of: string[]): string {
  return newId(createHash("sha256").update(of.join("\u0000")).digest().subarray(0, 16));
}
