/** What a test suite says and gets: the public face of `entrepot/testing`. */

import type { Logger } from "../observe/log.ts";
import type { ExpectedMessage } from "./assert-published.ts";
import type { Faults } from "./faults.ts";
import type { NextOptions, PublishedBounds, PublishedMessage } from "./published.ts";

export interface TestBrokerOptions {
  /**
   * Protocol to port on 127.0.0.1, or to "HOST:PORT"; 0 picks a free one. `{ amqp: 0, kafka: 0 }`, if not given. For
   * RabbitMQ's management API: `{ amqp: 0, kafka: 0, http: 0 }`.
   */
  readonly listen?: Readonly<Record<string, number | string>> | undefined;
  /** `virtual`, if not given: time stands still until `advance` is called. `system`: it passes of itself. */
  readonly clock?: "system" | "virtual" | undefined;
  /** What time it is for a broker with a virtual clock, until `advance`. The machine's, if not given. */
  readonly now?: Date | undefined;
  /**
   * What chance decides (pauses with jitter, which queue of an `x-random` exchange, the names that the broker gives) follows from
   * this number, so that a run repeats. If not given, the first broker of a process has 1, the next one 2, and so on.
   */
  readonly seed?: number | undefined;
  /** Options by their dotted keys, as in docs/configuration.md. */
  readonly set?: Readonly<Record<string, string | number | boolean>> | undefined;
  /** Silent, unless given. */
  readonly logger?: Logger | "stderr" | undefined;
  /** How much of what was published is remembered. */
  readonly publishedMax?: Partial<PublishedBounds> | undefined;
  /** For so long `advance` waits, by the machine's clock, until clients have nothing to say; then it rejects. 10,000, if not given. */
  readonly restMsMax?: number | undefined;
}

/** Where one test has queues, topics, groups and transactional ids of its own: a virtual host. */
export interface TestNamespace extends AsyncDisposable {
  readonly name: string;
  /** For AMQP's clients: user, password and virtual host included. */
  readonly url: string;
  /**
   * `HOST:PORT` for Kafka's clients: a port at which there are the topics of this namespace and no others. It is opened by
   * the first call, and closed by `delete`.
   */
  kafka(): Promise<string>;
  /** As the broker's, of this namespace. */
  published(name: string): readonly PublishedMessage[];
  nextPublished(name: string, options?: NextOptions): Promise<readonly PublishedMessage[]>;
  assertPublished(name: string, expected: readonly ExpectedMessage[]): void;
  redrive(queue: string, countMax?: number): Promise<number>;
  /** Ends connections, and deletes all that is in it. Once; a second call waits for the first. */
  delete(): Promise<void>;
}

export interface TestBroker extends AsyncDisposable {
  /** Protocol to the port on which it listens; the same after a crash. */
  readonly ports: Readonly<Record<string, number>>;
  /** Protocol to "HOST:PORT". */
  readonly addresses: Readonly<Record<string, string>>;
  /** For AMQP's clients, to the virtual host `/`. */
  readonly url: string;
  /** `HOST:PORT` for Kafka's clients. */
  readonly kafka: string;
  /**
   * Moves the clock on by a duration (`15m`, `1h30m`, or milliseconds). What is due in that time happens, in its order: expiry,
   * delays, leases and consumer timeouts, retries, retention and compaction, transactions' and offsets' time-outs, sessions of
   * group members whose connection is gone. When it resolves, all of it is durable, and what clients are told of it is with
   * their sockets. It rejects if clients do not stop talking: see `restMsMax`.
   */
  advance(duration: string | number): Promise<void>;
  /** A namespace of its own; without a name, one that nobody has. */
  namespace(name?: string): Promise<TestNamespace>;
  /** What is to go wrong. */
  readonly faults: Faults;
  /**
   * What clients have published to an exchange, a queue or a topic of this name, oldest first. It is noted when it is durable,
   * and of a transaction when that is committed. Throws if some of it is not remembered any more.
   */
  published(name: string, options?: { readonly namespace?: string }): readonly PublishedMessage[];
  /**
   * The next `count` messages to this name that no earlier call of this function has answered, as soon as there are as many.
   * Rejects after `timeoutMs`.
   */
  nextPublished(
    name: string,
    options?: NextOptions & { readonly namespace?: string },
  ): Promise<readonly PublishedMessage[]>;
  /**
   * @throws AssertionError with the difference, unless these messages were published to this name, in this order, and no others. Each
   *   is told by its text, or by those of its fields that matter: `[{ text: "4711", key: undefined }, "4712"]`.
   */
  assertPublished(name: string, expected: readonly ExpectedMessage[], options?: { readonly namespace?: string }): void;
  /** Forgets what was published. */
  forgetPublished(): void;
  /** As of a broker that is no test's: moves what died back to where it died. Of the virtual host `/`. */
  redrive(queue: string, countMax?: number): Promise<number>;
  /**
   * The process dies, as by SIGKILL or a power cut: connections are cut, and what was not durable is gone. Until `recover`
   * nobody can connect.
   */
  crash(): Promise<void>;
  /** Starts again on what was durable, at the same ports. */
  recover(): Promise<void>;
  /**
   * Stops gracefully, and then throws if a fault was asked for that did not happen. A second call waits for the first.
   * `Symbol.asyncDispose` is the same.
   */
  stop(): Promise<void>;
}
