/**
 * What a test suite wants to go wrong, and did it.
 *
 * A fault waits for what it is about, happens as many times as was asked (once, unless said otherwise), and is over. One that
 * never happened is a test that has tested nothing: `assertFired` says which, and a stop of the broker asks.
 */

import { errorCode } from "../protocols/kafka/codec/errors.ts";
import type { Party } from "./party.ts";
import { durationMs } from "./pass-time.ts";

/** What a fault is about. What is left out is any. */
export interface FaultFilter {
  readonly protocol?: "amqp" | "kafka";
  /** A queue, a topic or an exchange: of a publish, to where; of an acknowledgement, from where. */
  readonly name?: string;
  /** What the client calls itself: AMQP's `connection_name`, Kafka's `clientId`. */
  readonly client?: string;
  readonly user?: string;
  /** A virtual host. */
  readonly namespace?: string;
  /** How often it happens; 1, if not given. `Infinity`: until it is cleared, and it need not happen. */
  readonly times?: number;
}

export interface RefuseOptions extends FaultFilter {
  /**
   * What Kafka's clients are told: a name of Kafka's list of errors. `NOT_ENOUGH_REPLICAS`, if not given, which they try
   * again. AMQP has one way to refuse: a basic.nack to who asked for confirms, nothing to others.
   */
  readonly error?: string;
}

export interface DelayOptions extends FaultFilter {
  /** On the broker's clock: `30s`, or milliseconds. A virtual one has to be moved on. */
  readonly by: string | number;
}

/** A fault that was asked for. */
export interface Fault {
  /** How often it has happened. */
  readonly firedCount: number;
  /** It does not happen any more, and need not have happened. */
  clear(): void;
}

export interface Faults {
  /**
   * The next acknowledgement of a consumer does not count. AMQP: the delivery goes back to its queue and comes again,
   * flagged as redelivered. Kafka: the commit of offsets is refused with ILLEGAL_GENERATION, as when the group has gone on
   * without the member; it joins anew, and reads again from what was committed. What AMQP's consumers read of a stream is not
   * meant: nothing of that ever comes again. Nor is what they acknowledge in a transaction, which is all done or nothing.
   */
  ignoreAck(filter?: FaultFilter): Fault;
  /** The next publish is refused, and nothing of it is stored. */
  refusePublish(options?: RefuseOptions): Fault;
  /** The next publish is stored, and its connection is cut in place of the confirm: the producer cannot know. */
  loseConfirm(filter?: FaultFilter): Fault;
  /** The connection of the next publish is cut, and nothing of it is stored, nor of the AMQP transaction that it was to be in. */
  cutAtPublish(filter?: FaultFilter): Fault;
  /** The connection of the next acknowledgement is cut before it counts, and so before the AMQP transaction that it was to be in. */
  cutAtAck(filter?: FaultFilter): Fault;
  /** From the next publish on, its connection hears nothing from the broker for so long; then everything, in order. */
  delayAnswers(options: DelayOptions): Fault;
  /** Cuts connections now; answers how many. */
  cut(filter?: Omit<FaultFilter, "times" | "name">): number;
  /** Throws if a fault was asked for and has not happened as often. */
  assertFired(): void;
  /** Forgets all that has not happened. */
  clear(): void;
}

export type Occasion = "publish" | "ack";

export type FaultKind =
  | { readonly what: "ignore-ack" | "lose-confirm" | "cut" }
  | { readonly what: "refuse"; readonly error: string }
  | { readonly what: "delay"; readonly ms: number };

/** What a fault of this kind would be about; undefined: it cannot happen just now. */
export type NamesFor = (what: FaultKind["what"]) => readonly string[] | undefined;

class AskedFault implements Fault {
  firedCount = 0;
  isCleared = false;
  readonly asked: string;
  readonly kind: FaultKind;
  readonly occasion: Occasion;
  readonly filter: FaultFilter;
  readonly times: number;

  constructor(asked: string, kind: FaultKind, occasion: Occasion, filter: FaultFilter) {
    const { times = 1 } = filter;
    if (!(times >= 1)) throw new RangeError(`${asked}: times is ${times}, and has to be 1 or more`);
    this.asked = asked;
    this.kind = kind;
    this.occasion = occasion;
    this.filter = filter;
    this.times = times;
  }

  get isOver(): boolean {
    return this.isCleared || this.firedCount >= this.times;
  }

  get isOwed(): boolean {
    return !this.isOver && this.times !== Infinity;
  }

  clear(): void {
    this.isCleared = true;
  }
}

export class FaultList implements Faults {
  #asked: AskedFault[] = [];
  readonly #cutNow: (isMeant: (party: Party) => boolean) => number;

  constructor(cutNow: (isMeant: (party: Party) => boolean) => number) {
    this.#cutNow = cutNow;
  }

  ignoreAck(filter: FaultFilter = {}): Fault {
    return this.#ask("ignoreAck", { what: "ignore-ack" }, "ack", filter);
  }

  refusePublish(options: RefuseOptions = {}): Fault {
    const { error = "NOT_ENOUGH_REPLICAS" } = options;
    if (!Object.hasOwn(errorCode, error)) throw new RangeError(`refusePublish: ${error} is no error of Kafka's`);
    return this.#ask("refusePublish", { what: "refuse", error }, "publish", options);
  }

  loseConfirm(filter: FaultFilter = {}): Fault {
    return this.#ask("loseConfirm", { what: "lose-confirm" }, "publish", filter);
  }

  cutAtPublish(filter: FaultFilter = {}): Fault {
    return this.#ask("cutAtPublish", { what: "cut" }, "publish", filter);
  }

  cutAtAck(filter: FaultFilter = {}): Fault {
    return this.#ask("cutAtAck", { what: "cut" }, "ack", filter);
  }

  delayAnswers(options: DelayOptions): Fault {
    const ms = durationMs("delayAnswers", options.by);
    return this.#ask("delayAnswers", { what: "delay", ms }, "publish", options);
  }

  cut(filter: Omit<FaultFilter, "times" | "name"> = {}): number {
    return this.#cutNow((party) => meets(filter, party, []));
  }

  assertFired(): void {
    const owed = this.#asked.filter(({ isOwed }) => isOwed);
    if (owed.length === 0) return;
    const lines = owed.map(({ asked, filter, firedCount, times }) => {
      return `${asked}(${JSON.stringify(filter)}) happened ${firedCount} of ${times} times`;
    });
    throw new Error(`faults that were asked for did not happen: ${lines.join("; ")}`);
  }

  clear(): void {
    for (const fault of this.#asked) fault.clear();
    this.#asked = [];
  }

  /** The fault that is to happen now, the one asked for first. It has happened by this. */
  take(occasion: Occasion, by: Party, names: readonly string[] | NamesFor): FaultKind | undefined {
    if (this.#asked.length === 0) return undefined;
    this.#asked = this.#asked.filter(({ isOver }) => !isOver);
    const fault = this.#asked.find((one) => {
      const about = typeof names === "function" ? names(one.kind.what) : names;
      return about !== undefined && one.occasion === occasion && meets(one.filter, by, about);
    });
    if (fault === undefined) return undefined;
    fault.firedCount++;
    return fault.kind;
  }

  #ask(asked: string, kind: FaultKind, occasion: Occasion, filter: FaultFilter): Fault {
    const fault = new AskedFault(asked, kind, occasion, filter);
    this.#asked.push(fault);
    return fault;
  }
}

function meets(filter: FaultFilter, by: Party, names: readonly string[]): boolean {
  const { protocol, name, client, user, namespace } = filter;
  return (
    (protocol === undefined || protocol === by.protocol) &&
    (name === undefined || names.includes(name)) &&
    (client === undefined || client === by.client) &&
    (user === undefined || user === by.user) &&
    (namespace === undefined || namespace === by.namespace)
  );
}
