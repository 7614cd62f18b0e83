/**
 * A log in a namespace of its own, beside everything else that a run does: made once, found again or lost with each life of
 * the broker, and taken away in the end. What is put there and how it is read is whose it is: shelf.ts, table.ts.
 */
import type { Queue, QueueSettings } from "../src/broker/api.ts";
import type { RunningCore } from "../src/broker/broker.ts";
import { ensure } from "./cut.ts";
import { simFormatId } from "./message.ts";

export class SideLog {
  readonly name: string;
  broker!: RunningCore;
  /** What was done up to here outlives a crash: it was said to be durable. */
  durableTicket = 0;
  /** How many brokers there have been. */
  life = 0;
  /** Reads that came to their end. */
  readsEnded = 0;
  readonly #settings: QueueSettings;
  readonly #say: ((line: string) => void) | undefined;
  #madeTicket = 0;
  #isMade = false;

  constructor(name: string, settings: QueueSettings, say: ((line: string) => void) | undefined) {
    this.name = name;
    this.#settings = settings;
    this.#say = say;
  }

  /** A broker has come up, which has the log: then `recovered`, while durableTicket is what it was; or it is made anew. */
  begin(broker: RunningCore, recovered: () => void, made: () => void): void {
    this.broker = broker;
    const isThere = broker.namespace(this.name) !== undefined;
    ensure(isThere || !this.#isMade || this.#madeTicket > this.durableTicket, `the ${this.name} is gone`);
    if (isThere) {
      recovered();
      this.#madeTicket = 0;
    } else {
      made();
      this.#make();
    }
    this.durableTicket = broker.durableTicket;
    broker.addCommitListener({ committed: (ticket) => (this.durableTicket = ticket) });
  }

  /** It is there, whatever happens. */
  get isSure(): boolean {
    return this.#madeTicket <= this.durableTicket;
  }

  get queue(): Queue {
    return this.broker.namespace(this.name)!.queue("log")!;
  }

  /** Of what is done now. */
  get ticket(): number {
    return this.broker.core.commit.openTicket;
  }

  say(what: string): void {
    this.#say?.(`${this.name}: ${what}`);
  }

  /** Appends a batch, which must come to lie at `base`. */
  append(body: Buffer, count: number, base: number): void {
    const at = this.queue.appendBatch({
      producerId: -1,
      producerEpoch: -1,
      sequence: -1,
      isTransactional: false,
      count,
      format: simFormatId,
      timestampMs: this.broker.clock.now(),
      body,
      bodyStart: 0,
      bodyEnd: body.length,
    });
    ensure(at === base, `a batch came to lie at ${at} of the ${this.name}, and not at ${base}`);
  }

  /** All is read once more, and taken away. */
  async close(quiet: () => Promise<void>, readAll: () => void): Promise<void> {
    const ended = this.readsEnded;
    readAll();
    await quiet();
    ensure(this.readsEnded > ended, `a read of the ${this.name} comes to an end`);
  }

  async remove(quiet: () => Promise<void>): Promise<void> {
    this.broker.deleteNamespace(this.name);
    await quiet();
  }

  #make(): void {
    this.broker.atomically(() => {
      this.broker.createNamespace(this.name).createQueue("log", this.#settings, undefined);
    });
    this.#isMade = true;
    this.#madeTicket = this.ticket;
    this.say("made");
  }
}
