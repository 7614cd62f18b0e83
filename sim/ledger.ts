/**
 * Producers that number what they send, and their transactions over several partitions, beside everything else: in a
 * namespace of their own, with a topic of batches and one of single messages.
 *
 * The ledger is what the clients know: each batch that was sent, where, and whether its transaction is committed. A client
 * that heard nothing sends again, and asks how its transaction ended. Held against the broker: what was confirmed is known
 * by its sequence, what was not is either there or next; a transaction's markers, positions and state are there together
 * or not at all; and every reader, subscription and consumer sees each message of what was committed, and nothing else.
 *
 * Drawn from a source of its own, so that other seeds stay what they were.
 */
import { type Batch, producerVerdict, type Queue, type Session } from "../src/broker/api.ts";
import type { RunningCore } from "../src/broker/broker.ts";
import type { QueueState } from "../src/broker/catalog/queue-state.ts";
import { plainQueueSettings as plain } from "../src/broker/catalog/plain-queue.ts";
import { emptyPublication } from "../src/broker/publication.ts";
import type { Chance } from "./chance.ts";
import { type Cut, ensure } from "./cut.ts";
import { Audience } from "./ledger-audience.ts";
import { Books, type Sent, type SimProducer, type Transaction } from "./ledger-books.ts";
import { LedgerGroups, transactionGroup } from "./ledger-groups.ts";
import { shelfName } from "./shelf.ts";
import { tableName } from "./table.ts";
import { batchBodyOf, batchNumberOf, bodyOf, isMarker, markerBody, simFormatId } from "./message.ts";

const ledgerName = "ledger";
/** Namespaces that keep books of their own. */
export const asideNames: readonly string[] = [ledgerName, shelfName, tableName];
const partitionCount = 3;

/** The model of everything else does not look at what is the ledger's, or on the shelf. */
export function isAside(queue: QueueState): boolean {
  return asideNames.includes(queue.namespace.name);
}

export class Ledger {
  readonly #chance: Chance;
  readonly #say: ((line: string) => void) | undefined;
  readonly #books: Books;
  readonly #groups: LedgerGroups;
  #isEnabled: boolean;
  #broker!: RunningCore;
  readonly #audience: Audience;
  #isMade = false;
  /** Ticket with which the namespace is there. */
  #madeTicket = 0;
  #isClosed = false;
  #session!: Session;

  /** @param ofGroups what groups do is drawn from */
  constructor(chance: Chance, ofGroups: Chance, isPossible: boolean, say: ((line: string) => void) | undefined) {
    this.#chance = chance;
    this.#say = say;
    this.#books = new Books(chance);
    this.#groups = new LedgerGroups(ofGroups, this.#books, say);
    this.#audience = new Audience(this.#books, say);
    this.#isEnabled = isPossible && chance.is(0.5);
  }

  /** A broker has come up. `cut`: how far the one before it got, as far as that is known. */
  begin(broker: RunningCore, cut: Cut): void {
    const books = this.#books;
    this.#broker = broker;
    const isThere = broker.namespace(ledgerName) !== undefined;
    if (this.#isClosed) ensure(!isThere, "the ledger's namespace came back");
    if (!this.#isEnabled) return;
    ensure(isThere || !this.#isMade || this.#madeTicket > books.durableTicket, "the ledger's namespace is gone");
    if (isThere) this.#recovered(cut);
    else this.#make();
    books.durableTicket = broker.durableTicket;
    broker.addCommitListener({ committed: (ticket) => (books.durableTicket = ticket) });
    this.#groups.begin(broker, ledgerName);
    this.#session = broker.createSession();
    this.#audience.come(this.#session, this.#topic("log"), this.#topic("queue"), () => this.#ticket);
  }

  /** Answers how much time is to go by, in ms; 0: none. */
  step(): number {
    if (!this.#isEnabled) return 0;
    // Before anything is committed: what has expired meanwhile did so before that.
    this.look();
    const isSure = this.#madeTicket <= this.#books.durableTicket;
    if (this.#chance.is(0.35) && isSure) this.#act();
    return isSure ? this.#groups.step() : 0;
  }

  /** Time has gone by: what has expired by it is known before the broker can come to an end. */
  look(): void {
    if (this.#isEnabled) this.#groups.look();
  }

  /** The broker stops: those who ask things of it later do not any more. */
  leave(): void {
    this.#groups.stop();
  }

  #act(): void {
    const chance = this.#chance;
    const producer = chance.pick(this.#books.producers);
    chance.weighted<() => void>([
      [12, () => this.#send(producer)],
      [3, () => this.#sendAgain(producer)],
      [4, () => this.#decide(producer)],
      [1, () => this.#decideLate(producer)],
      [0.3, () => this.#grow()],
    ])();
  }

  /** All is read once more, and taken away. */
  async close(quiet: () => Promise<void>): Promise<void> {
    if (!this.#isEnabled) return;
    this.#isEnabled = false;
    this.#isClosed = true;
    this.#groups.look();
    for (const producer of this.#books.producers) if (producer.transaction !== undefined) this.#end(producer, false, 0);
    await quiet();
    for (const producer of this.#books.producers) this.#sendAgain(producer);
    for (const queue of this.#topic("log").partitions) await this.#readWhole(queue, quiet);
    this.#audience.checkWhole();
    this.#groups.look();
    this.#groups.stop();
    this.#session.close();
    this.#broker.deleteNamespace(ledgerName);
    await quiet();
  }

  #topic(name: string): Queue {
    return this.#broker.namespace(ledgerName)!.queue(name)!;
  }

  #queueOf({ topic, partition }: { topic: string; partition: number }): Queue {
    return this.#topic(topic).partitions[partition]!;
  }

  get #ticket(): number {
    return this.#broker.core.commit.openTicket;
  }

  #make(): void {
    this.#say?.("ledger: made");
    this.#books.forgetAll();
    this.#groups.forgetAll();
    this.#audience.forgetAll();
    const log = { ...plain, mode: "offset", retention: { ...plain.retention, untilSettled: false } } as const;
    this.#broker.atomically(() => {
      const namespace = this.#broker.createNamespace(ledgerName);
      namespace
        .createQueue("log", log, undefined, partitionCount)
        .subscribe("s", { ...plain, mode: "shared" }, "first");
      namespace.createQueue("queue", this.#chance.is(0.3) ? { ...plain, maxPriority: 2 } : plain, undefined, 2);
      for (const { id } of this.#books.producers) this.#broker.definitions.remove("transaction", `${id}`);
    });
    this.#isMade = true;
    this.#madeTicket = this.#ticket;
  }

  /** Where there were n partitions there may be one more. */
  #grow(): void {
    const log = this.#topic("log");
    if (log.partitions.length > 5) return;
    log.addPartitions(log.partitions.length + 1);
    this.#say?.(`ledger: ${log.partitions.length} partitions`);
    this.#books.grownTicket = this.#ticket;
  }

  // ---- sending

  #send(producer: SimProducer): void {
    const { transaction } = producer;
    const books = this.#books;
    // It is told first that a transaction begins, and waits for the answer. A new partition is known when it is there for good.
    if (producer.isTransactional && transaction === undefined) return this.#beginTransaction(producer);
    if (transaction !== undefined && transaction.begunTicket > books.durableTicket) return;
    if (books.grownTicket > books.durableTicket) return;
    const topic = this.#chance.is(0.6) ? "log" : "queue";
    const partition = this.#chance.between(0, this.#topic(topic).partitions.length);
    this.#place(books.newBatch(producer, topic, partition));
  }

  #place(sent: Sent): void {
    const queue = this.#queueOf(sent);
    const verdict = queue.checkProducer(sent);
    ensure(verdict === producerVerdict.next, `${sent.text} is next, but the verdict is ${verdict}`);
    sent.offset = sent.topic === "log" ? queue.appendBatch(this.#batchOf(sent)) : this.#publish(sent, queue);
    sent.ticket = this.#ticket;
    this.#say?.(`ledger: ${sent.text} at ${sent.offset}: ticket ${sent.ticket}`);
    const known = queue.checkProducer(sent);
    ensure(known === sent.offset, `${sent.text} was appended at ${sent.offset}, and is known at ${known}`);
    if (sent.transaction !== undefined) {
      ensure(queue.stableEnd <= sent.offset, `${sent.text} is undecided, and ${queue.stableEnd} is stable`);
    }
  }

  #batchOf(sent: Sent): Batch {
    const body = batchBodyOf(sent.number, sent.count, this.#chance.between(8, 400));
    return { ...sent, format: simFormatId, timestampMs: 0, body, bodyStart: 0, bodyEnd: body.length };
  }

  #publish(sent: Sent, queue: Queue): number {
    const namespace = this.#broker.namespace(ledgerName)!;
    const p = emptyPublication(namespace.exchange("")!);
    return queue.appendProduced(sent, () => {
      for (let i = 0; i < sent.count; i++) {
        const body = bodyOf(sent.number + i, this.#chance.between(8, 200));
        Object.assign(p, { format: simFormatId, durable: true, priority: i % 3, body, bodyEnd: body.length });
        p.partition = sent.partition;
        namespace.publishTo([queue], p, { routed: 0, refused: false, ticket: 0 });
      }
    });
  }

  /** The answer got lost on its way. */
  #sendAgain(producer: SimProducer): void {
    for (const sent of this.#books.lastOf(producer)) {
      const verdict = this.#queueOf(sent).checkProducer(sent);
      ensure(verdict === sent.offset, `${sent.text} came again: at ${sent.offset}, but the verdict is ${verdict}`);
    }
    const older = { producerId: producer.id, producerEpoch: producer.epoch - 1, sequence: 0, count: 1 };
    for (const place of producer.fenced) {
      const verdict = this.#queueOf(place).checkProducer({ ...older, isTransactional: true });
      ensure(verdict === producerVerdict.fenced, `epoch ${older.producerEpoch} of ${older.producerId} is not fenced`);
    }
  }

  // ---- transactions

  #beginTransaction(producer: SimProducer): void {
    const transaction = this.#books.begin(producer);
    this.#putState(transaction, "open");
    transaction.begunTicket = this.#ticket;
  }

  #putState({ id, producer }: Transaction, state: string): void {
    this.#broker.definitions.put("transaction", `${producer.id}`, { id, state });
  }

  #decide(producer: SimProducer): void {
    const { transaction } = producer;
    if (transaction === undefined || transaction.begunTicket > this.#books.durableTicket) return;
    this.#end(producer, this.#chance.is(0.6), this.#chance.is(0.5) ? 1 : 0);
  }

  /** Markers, position and state in one step, as a coordinator does it. */
  #end(producer: SimProducer, isCommitted: boolean, epochs: number): void {
    const transaction = producer.transaction!;
    const ticketBefore = this.#ticket;
    this.#broker.atomically(() => {
      for (const place of transaction.places) {
        const marker = place.topic === "log" ? this.#marker(producer) : undefined;
        const offset = this.#queueOf(place).endTransaction(producer.id, producer.epoch + epochs, isCommitted, marker);
        ensure(offset >= 0 === (marker !== undefined), `an end of ${transaction.text} answers ${offset}`);
      }
      if (isCommitted) this.#groups.commitInTransaction(transaction.id);
      this.#putState(transaction, isCommitted ? "committed" : "aborted");
    });
    if (isCommitted) this.#groups.committedInTransaction(ticketBefore);
    this.#books.end(transaction, isCommitted, { low: ticketBefore, high: this.#ticket }, epochs);
    this.#say?.(
      `ledger: ${transaction.text} ${isCommitted ? "committed" : "aborted"}: ticket ${transaction.endTicket}`,
    );
  }

  #marker({ id, epoch }: SimProducer): Batch {
    const body = markerBody();
    const by = { producerId: id, producerEpoch: epoch, sequence: -1, count: 1, isTransactional: true };
    return { ...by, format: simFormatId, timestampMs: 0, body, bodyStart: 0, bodyEnd: body.length };
  }

  /** An end that was on its way for long: it is of an epoch that is over, and must end nothing. */
  #decideLate(producer: SimProducer): void {
    const { transaction } = producer;
    if (transaction === undefined || producer.epoch === 0) return;
    for (const sent of transaction.sent) {
      const queue = this.#queueOf(sent);
      const answer = queue.endTransaction(producer.id, producer.epoch - 1, true, this.#marker(producer));
      ensure(answer === -1, `an end of an older epoch was taken at ${answer}`);
      ensure(queue.stableEnd <= sent.offset, `an end of an older epoch decided ${sent.text}`);
    }
  }

  // ---- after a crash

  #recovered(cut: Cut): void {
    const books = this.#books;
    this.#madeTicket = 0;
    this.#groups.recovered(this.#topic("log"), cut);
    this.#audience.recovered();
    for (const producer of books.producers) this.#recoverTransaction(producer, cut);
    cut.check();
    // In the order in which they were sent, as a client does.
    for (const sent of books.takeUnsure()) this.#recoverSent(sent);
    for (const producer of books.producers) this.#sendAgain(producer);
    const position = this.#topic("log").committedOffset(transactionGroup)?.offset;
    const last = books.lastCommitted;
    const isThere = position === last || (position === undefined && this.#groups.isTransactionGroupForgotten);
    ensure(isThere, `the position is ${position}, the last that was committed is ${last}`);
  }

  #recoverSent(sent: Sent): void {
    const verdict = this.#queueOf(sent).checkProducer(sent);
    this.#say?.(`ledger: ${sent.text} again: ${verdict}`);
    if (verdict !== producerVerdict.next) {
      ensure(verdict === sent.offset, `${sent.text} was at ${sent.offset}, and the verdict is ${verdict}`);
      return;
    }
    this.#place(sent);
  }

  /** A coordinator finds what it had written, and aborts what is open. */
  #recoverTransaction(producer: SimProducer, cut: Cut): void {
    const books = this.#books;
    const found = this.#broker.definitions.get("transaction", `${producer.id}`) as
      | { id: number; state: string }
      | undefined;
    for (const transaction of books.undecided(producer)) {
      const isKnown = found?.id === transaction.id;
      const isOver = found !== undefined && (found.id > transaction.id || (isKnown && found.state !== "open"));
      const wasEnded = transaction.endTicket <= books.durableTicket;
      ensure(isOver || !wasEnded, `the end of ${transaction.text} is lost`);
      const end = { low: transaction.endLow, high: transaction.endTicket };
      if (isOver) cut.present(end, undefined, `the end of ${transaction.text}`);
      else if (end.high < Infinity) cut.absent(end, undefined, `the end of ${transaction.text}`);
      if (isOver) {
        ensure(transaction.endTicket < Infinity, `${transaction.text} ended, and nobody had ended it`);
        const isSame = !isKnown || (found.state === "committed") === transaction.isCommitted;
        ensure(isSame, `${transaction.text} ended another way`);
        books.over(transaction);
        continue;
      }
      this.#say?.(`ledger: ${transaction.text} was open`);
      books.reopen(transaction);
      if (isKnown) this.#end(producer, false, 1);
      else books.forget(transaction);
    }
  }

  // ---- the whole

  async #readWhole(queue: Queue, quiet: () => Promise<void>): Promise<void> {
    ensure(
      queue.stableEnd === queue.visibleEnd,
      `all is decided, but ${queue.stableEnd} is stable of ${queue.visibleEnd}`,
    );
    const aborted = queue.abortedTransactions(0, queue.visibleEnd);
    ensure(isSorted(aborted.map(({ firstOffset }) => firstOffset)), "the aborted are in no order");
    const found: number[] = [];
    for (let at = queue.firstOffset, rounds = 0; at < queue.stableEnd; rounds++) {
      ensure(rounds < 1000, `reading goes on from ${at}`);
      at = queue.read(at, queue.stableEnd, (entry) => {
        if (isMarker(entry)) return true;
        const number = batchNumberOf(entry);
        ensure(number !== undefined, `a batch at ${entry.offset} is not what anybody sent`);
        const sent = this.#books.sentOf(number);
        const isAborted = aborted.some(
          ({ producerId, firstOffset, lastOffset }) =>
            producerId === sent.producerId && firstOffset <= entry.offset && entry.offset <= lastOffset,
        );
        // Those outside of transactions are never aborted.
        if (isAborted && sent.isTransactional) return true;
        for (let i = 0; i < entry.count; i++) found.push(number + i);
        return true;
      });
      if (at < queue.stableEnd) queue.load(at, () => undefined);
      await quiet();
    }
    this.#books.checkPartition("log", queue.index, found);
  }
}

function isSorted(numbers: readonly number[]): boolean {
  return numbers.every((number, i) => i === 0 || numbers[i - 1]! <= number);
}
