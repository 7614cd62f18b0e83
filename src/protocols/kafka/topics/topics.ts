/** Topics as Kafka's clients see them: the queues and logs of the namespace. */

import { createHash } from "node:crypto";
import type { Namespace, Queue, QueueSettings } from "../../../broker/api.ts";
import type { KafkaServer } from "../server.ts";

/** What of a topic's configuration counts when it is written and read. */
export interface TopicLimits {
  /** Of one batch. */
  readonly messageBytesMax: number;
  /** `message.timestamp.type`: its batches get the broker's time. */
  readonly usesAppendTime: boolean;
  /** How far a message's own time may lie back or ahead, ms. */
  readonly beforeMsMax: number;
  readonly afterMsMax: number;
  /** Messages need keys. */
  readonly isCompacted: boolean;
}

export interface Topic {
  readonly name: string;
  /** 32 hexadecimal digits. */
  readonly id: string;
  readonly partitions: readonly Queue[];
  readonly limits: TopicLimits;
}

const logSettings: QueueSettings = {
  durable: true,
  retention: { untilSettled: false, maxAgeMs: 0, maxBytes: 0, maxCount: 0, compact: false },
  mode: "offset",
  maxPriority: 0,
  ttlMs: -1,
  expiresMs: 0,
  maxLength: -1,
  maxLengthBytes: -1,
  overflow: "drop-head",
  deadLetter: undefined,
  deliveryLimit: -1,
  retry: undefined,
  dedup: undefined,
  autoDelete: false,
};

const limits: TopicLimits = {
  messageBytesMax: 1_048_588,
  usesAppendTime: false,
  beforeMsMax: Number.MAX_SAFE_INTEGER,
  afterMsMax: 3_600_000,
  isCompacted: false,
};

export class Topics {
  readonly #server: KafkaServer;
  readonly #byQueue = new WeakMap<Queue, Topic>();
  readonly #byId = new Map<string, Topic>();

  constructor(server: KafkaServer) {
    this.#server = server;
  }

  get #namespace(): Namespace | undefined {
    return this.#server.namespace;
  }

  find(name: string): Topic | undefined {
    const queue = this.#namespace?.queue(name);
    return queue && (this.#byQueue.get(queue) ?? this.#show(queue));
  }

  findById(id: string): Topic | undefined {
    return this.#byId.get(id);
  }

  all(): Iterable<Topic> {
    return [...(this.#namespace?.queues() ?? [])].map((queue) => this.find(queue.name)!);
  }

  ensure(name: string): Topic {
    const found = this.find(name);
    if (found !== undefined) return found;
    return this.#show(this.#namespace!.createQueue(name, logSettings, { type: "stream" }));
  }

  #show(queue: Queue): Topic {
    const id = createHash("sha256").update(queue.name).digest("hex").slice(0, 32);
    const topic = { name: queue.name, id, partitions: queue.partitions, limits };
    this.#byQueue.set(queue, topic);
    this.#byId.set(id, topic);
    return topic;
  }
}
