/** Those who read what is stable: a reader of the whole log, a subscription of it, a consumer of the queue. */
import type { Entry, Queue, Receiver, Session } from "../src/broker/api.ts";
import { ensure } from "./cut.ts";
import type { Books, Place } from "./ledger-books.ts";
import { numberOf } from "./message.ts";

/** One who settles what it gets at once, and may get it again if that was not durable. */
class Taker {
  readonly name: string;
  readonly topic: Place["topic"];
  /** With which ticket each was settled. */
  readonly settled = new Map<number, number>();
  readonly ever = new Set<number>();

  constructor(name: string, topic: Place["topic"]) {
    this.name = name;
    this.topic = topic;
  }
}

export class Audience {
  readonly #books: Books;
  readonly #say: ((line: string) => void) | undefined;
  readonly #takers = [new Taker("subscription", "log"), new Taker("consumer", "queue")] as const;
  /** Of the reader of this life. */
  #read = new Set<number>();

  constructor(books: Books, say: ((line: string) => void) | undefined) {
    this.#books = books;
    this.#say = say;
  }

  forgetAll(): void {
    for (const { settled, ever } of this.#takers) {
      settled.clear();
      ever.clear();
    }
  }

  /** The broker was away. What was settled for good then does not come again. */
  recovered(): void {
    for (const { settled } of this.#takers) {
      for (const [number, ticket] of settled) {
        if (ticket > this.#books.durableTicket) settled.delete(number);
        else settled.set(number, 0);
      }
    }
  }

  come(session: Session, log: Queue, queue: Queue, ticket: () => number): void {
    const plain = { noAck: true, exclusive: false, priority: 0, creditLimit: 0, leaseMs: 0 };
    this.#read = new Set();
    session.consume(log, { ...plain, startAt: "first" }, this.#reader());
    session.consume(log, { ...plain, subscription: "s" }, this.#receiver(this.#takers[0], ticket));
    session.consume(queue, plain, this.#receiver(this.#takers[1], ticket));
  }

  /** Everybody has had everything. */
  checkWhole(): void {
    for (const sent of this.#books.sent) {
      if (!this.#books.isVisible(sent)) continue;
      for (let number = sent.number; number < sent.number + sent.count; number++) {
        if (sent.topic === "log") ensure(this.#read.has(number), `the reader never got ${sent.text}`);
        for (const { name, topic, ever } of this.#takers) {
          if (topic === sent.topic) ensure(ever.has(number), `the ${name} never got ${sent.text}`);
        }
      }
    }
  }

  #reader(): Receiver {
    return {
      deliver: (_lease, entry) => {
        const number = this.#check("reader", "log", entry);
        ensure(!this.#read.has(number), `the reader got message ${number} twice`);
        this.#read.add(number);
      },
      ended: () => undefined,
    };
  }

  #receiver(taker: Taker, ticket: () => number): Receiver {
    return {
      deliver: (_lease, entry, isRedelivered) => {
        const number = this.#check(taker.name, taker.topic, entry);
        ensure(!taker.settled.has(number), `the ${taker.name} got message ${number} after it had settled it`);
        ensure(isRedelivered || !taker.ever.has(number), `the ${taker.name} got ${number} again without the flag`);
        taker.settled.set(number, ticket());
        taker.ever.add(number);
      },
      ended: () => undefined,
    };
  }

  #check(name: string, topic: Place["topic"], entry: Entry): number {
    const number = numberOf(entry);
    ensure(number !== undefined, `the ${name} got at ${entry.offset} what nobody sent`);
    const sent = this.#books.sentOf(number);
    this.#say?.(`  ledger: the ${name} gets ${number} at ${entry.partition}/${entry.offset}`);
    const isThere = sent.topic === topic && sent.partition === entry.partition;
    ensure(isThere && entry.offset === sent.offset + number - sent.number, `the ${name} got ${number} of elsewhere`);
    ensure(this.#books.isVisible(sent), `the ${name} got ${sent.text}, which is undecided or aborted`);
    return number;
  }
}
