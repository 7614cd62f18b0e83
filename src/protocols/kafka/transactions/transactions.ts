/**
 * The transaction coordinator: who has which transactional id, what is in its transaction, and how that ends.
 *
 * An end is one atomic group of the core: markers in all partitions, what the core knows of them, the offsets of groups, and
 * the new state of the id. So after a crash either all of it is there or nothing, and whoever asks again is answered by what
 * there is. Nothing is answered before it is durable.
 *
 * A transaction that takes longer than its producer said is aborted, and its producer fenced. Looked after once a second at
 * most. Ids that nobody used for a week go.
 *
 * **Late ends.** Up to v4 EndTxn does not say which of an epoch's transactions it means. One that was sent over a connection
 * which its client has given up meanwhile may be read after the client, over a new connection, has ended that transaction
 * and is in the middle of the next: Kafka then commits half of it. Here an end that comes by an older connection than
 * something that was added to the transaction is not believed at once: it is answered CONCURRENT_TRANSACTIONS, try again.
 * Who does so, by the same connection and some ms later, is taken to be alive, and means it. Of a connection that nobody reads,
 * what was sent twice comes in one go as a rule.
 *
 * **Late offsets.** Nor does TxnOffsetCommit up to v4 say of which transaction of its epoch its offsets are: one that comes late
 * would set back what the next one commits, or commit what was aborted. So what comes by an older connection than other
 * offsets of the id is answered COORDINATOR_LOAD_IN_PROGRESS, which clients try again, and so is what comes by an older one
 * than what was added to the transaction, if both came by the same when offsets came last. librdkafka has a connection for
 * each: it is not asked.
 */
import type { Clock, TimerHandle } from "../../../base/clock.ts";
import type { Broker, OpenTransaction, Queue } from "../../../broker/api.ts";
import type { LimitedLog } from "../../../observe/limited-log.ts";
import { errorCode } from "../codec/errors.ts";
import type { Groups } from "../groups/groups.ts";
import type { ProducerIds } from "../producing/producer-ids.ts";
import type { Topic, Topics } from "../topics/topics.ts";
import { decide } from "./deciding.ts";
import { forgetOffsetsConnections, Seats, type Challenge, type Seat } from "./seats.ts";
import {
  checkProducer,
  begunBy,
  deadlineOf,
  end,
  endAndGoOn,
  expire,
  join,
  takeOver,
  type ProducerName,
  type Step,
} from "./transaction.ts";

export interface TransactionsOptions {
  readonly broker: Broker;
  readonly topics: Topics;
  readonly groups: Groups;
  readonly producerIds: ProducerIds;
  /** Of the machine, by which clients live; the broker's own may stand still. */
  readonly clock: Clock;
  readonly log: LimitedLog;
}

/** With their defaults clients ask again after some tens of ms. One that does so sooner is believed when these are over. */
const askedAgainMsMin = 5;
/** As Kafka's transaction.max.timeout.ms. */
const timeoutMsMax = 900_000;
/** As Kafka's transactional.id.expiration.ms, and how often it is looked for. */
const expiryMs = 7 * 86_400_000;
const expiryEveryMs = 3_600_000;
/** Of looking for what has taken too long. */
const periodMs = 1000;

/** What a producer is to be from now on. */
export interface ProducerAnswer extends ProducerName {
  readonly errorCode: number;
}

export class Transactions {
  readonly #options: TransactionsOptions;
  readonly #seats: Seats;
  readonly #newProducerId: () => number;
  readonly #ongoing = new Set<Seat>();
  #timer: TimerHandle | undefined;
  #timerAtMs = Infinity;
  #expiryTimer: TimerHandle | undefined;

  constructor(options: TransactionsOptions) {
    this.#options = options;
    this.#newProducerId = () => options.producerIds.take();
    this.#seats = new Seats(options.broker, options.topics);
    const torn = this.#restore();
    const nowMs = options.broker.clock.now();
    for (const seat of torn) {
      this.#tell("a transaction is aborted: a part of it is out of reach", seat);
      this.#take(seat, expire(seat.state, this.#newProducerId, nowMs));
    }
    for (const seat of this.#ongoing) {
      seat.state = begunBy(seat.state, nowMs);
      this.#arm(deadlineOf(seat.state));
    }
    this.#forgetIdleLater();
  }

  find(transactionalId: string): Seat | undefined {
    return this.#seats.get(transactionalId);
  }

  all(): Iterable<Seat> {
    return this.#seats.all();
  }

  /** `was`: who asks, if it goes on. */
  takeOver(transactionalId: string, was: ProducerName | undefined, timeoutMs: number): ProducerAnswer {
    if (transactionalId === "") return refused(errorCode.INVALID_REQUEST);
    if (timeoutMs <= 0 || timeoutMs > timeoutMsMax) return refused(errorCode.INVALID_TRANSACTION_TIMEOUT);
    const seat = this.#seats.get(transactionalId);
    const nowMs = this.#options.broker.clock.now();
    const step = takeOver(seat?.state, was, timeoutMs, this.#newProducerId, nowMs);
    if (typeof step === "number") return refused(step);
    if (step.ending !== undefined) this.#tell("a transaction is aborted: its id was taken over", seat!);
    if (seat === undefined) {
      const added = this.#seats.add(transactionalId, step.state);
      if (added === undefined) return refused(errorCode.COORDINATOR_NOT_AVAILABLE);
      this.#seats.keep(added);
    } else this.#take(seat, step);
    return answerOf(step);
  }

  /** Partitions become a part of the transaction, all or, answering an error's code, none. */
  addPartitions(
    transactionalId: string,
    by: ProducerName,
    partitions: ReadonlyMap<Queue, Topic>,
    connection: number,
  ): number {
    const seat = this.#seats.get(transactionalId);
    const step = join(seat?.state, by, this.#options.broker.clock.now());
    if (typeof step === "number") return codeFor(transactionalId, step);
    const known = seat!.partitions.size;
    if (!this.#seats.addPartitions(seat!, partitions)) return errorCode.COORDINATOR_NOT_AVAILABLE;
    this.#spokenBy(seat!, connection);
    this.#joined(seat!, step, seat!.partitions.size > known);
    return errorCode.NONE;
  }

  /** Whether it is in the transaction. Answers an error's code. */
  hasPartition(transactionalId: string, by: ProducerName, queue: Queue): number {
    const seat = this.#seats.get(transactionalId);
    const refusal = checkProducer(seat?.state, by);
    if (refusal !== errorCode.NONE) return codeFor(transactionalId, refusal);
    return seat!.partitions.has(queue) ? errorCode.NONE : errorCode.TRANSACTION_ABORTABLE;
  }

  /** Offsets of the group are to be committed by the transaction. Answers an error's code. */
  addGroup(transactionalId: string, by: ProducerName, group: string, connection: number): number {
    const seat = this.#seats.get(transactionalId);
    const step = join(seat?.state, by, this.#options.broker.clock.now());
    if (typeof step === "number") return codeFor(transactionalId, step);
    if (!this.#options.groups.isName(group)) return errorCode.INVALID_GROUP_ID;
    if (!this.#seats.addGroup(seat!, group)) return errorCode.COORDINATOR_NOT_AVAILABLE;
    this.#spokenBy(seat!, connection);
    this.#joined(seat!, step, false);
    return errorCode.NONE;
  }

  /**
   * Whether offsets of the group may be noted. Answers an error's code. `isImplicit`: the group joins by it, and each
   * transaction has an epoch of its own.
   */
  mayCommitOffsets(
    transactionalId: string,
    by: ProducerName,
    group: string,
    isImplicit: boolean,
    connection: number,
  ): number {
    const seat = this.#seats.get(transactionalId);
    const refusal = checkProducer(seat?.state, by);
    if (refusal !== errorCode.NONE) return codeFor(transactionalId, refusal);
    const isIn = seat!.groups.has(group);
    if (isImplicit) return isIn ? errorCode.NONE : this.addGroup(transactionalId, by, group, 0);
    if (!isIn) return errorCode.TRANSACTION_ABORTABLE;
    return this.#areOffsetsBelieved(seat!, connection) ? errorCode.NONE : errorCode.COORDINATOR_LOAD_IN_PROGRESS;
  }

  /** Whether a batch of the transaction may be appended. Answers an error's code. `isImplicit`: the partition joins by it. */
  mayProduce(transactionalId: string, by: ProducerName, topic: Topic, queue: Queue, isImplicit: boolean): number {
    const seat = this.#seats.get(transactionalId);
    const refusal = checkProducer(seat?.state, by);
    if (refusal !== errorCode.NONE) return refusal;
    if (seat!.partitions.has(queue)) return errorCode.NONE;
    if (!isImplicit) return errorCode.TRANSACTION_ABORTABLE;
    const step = join(seat!.state, by, this.#options.broker.clock.now());
    if (typeof step === "number") return step;
    // Who produces knows no coordinator, and tries this one again.
    if (!this.#seats.addPartitions(seat!, new Map([[queue, topic]]))) return errorCode.NOT_ENOUGH_REPLICAS;
    this.#joined(seat!, step, false);
    return errorCode.NONE;
  }

  /** `goesOn`: in a new epoch, which it is told. */
  end(
    transactionalId: string,
    by: ProducerName,
    isCommitted: boolean,
    goesOn: boolean,
    connection: number,
  ): ProducerAnswer {
    if (transactionalId === "") return refused(errorCode.INVALID_REQUEST);
    const seat = this.#seats.get(transactionalId);
    const nowMs = this.#options.broker.clock.now();
    const step = goesOn
      ? endAndGoOn(seat?.state, by, isCommitted, this.#newProducerId, nowMs)
      : end(seat?.state, by, isCommitted, nowMs);
    if (typeof step === "number") return refused(step);
    if (!goesOn && step.ending !== undefined && !this.#isBelieved(seat!, connection)) {
      return refused(errorCode.CONCURRENT_TRANSACTIONS);
    }
    this.#take(seat!, step);
    return goesOn ? answerOf(step) : { ...nobody, errorCode: errorCode.NONE };
  }

  /** No timer of it runs any more. */
  stop(): void {
    const { clock } = this.#options.broker;
    if (this.#timer !== undefined) clock.clearTimer(this.#timer);
    if (this.#expiryTimer !== undefined) clock.clearTimer(this.#expiryTimer);
  }

  #isBelieved(seat: Seat, connection: number): boolean {
    if (connection >= seat.latestConnection || this.#isAskedAgain(seat.endChallenge, connection)) return true;
    seat.endChallenge = this.#challenge(seat.endChallenge, connection);
    this.#tell("an end of a transaction came by an older connection: asked again", seat);
    return false;
  }

  /** What is known of connections outlives the transaction: what is late comes in a later one. */
  #areOffsetsBelieved(seat: Seat, connection: number): boolean {
    const latest = Math.max(seat.offsetsConnection, seat.isOneConnection ? seat.latestConnection : 0);
    if (connection < latest && !this.#isAskedAgain(seat.offsetsChallenge, connection)) {
      seat.offsetsChallenge = this.#challenge(seat.offsetsChallenge, connection);
      this.#tell("offsets of a transaction came by an older connection: asked again", seat);
      return false;
    }
    seat.offsetsConnection = Math.max(seat.offsetsConnection, connection);
    seat.isOneConnection = connection === seat.latestConnection;
    return true;
  }

  #isAskedAgain(challenge: Challenge | undefined, connection: number): boolean {
    if (challenge?.connection !== connection) return false;
    return this.#options.clock.elapsedMs() - challenge.atMs >= askedAgainMsMin;
  }

  /** What came with it, or at once behind it, is no answer to it. */
  #challenge(before: Challenge | undefined, connection: number): Challenge {
    if (before?.connection === connection) return before;
    return { connection, atMs: this.#options.clock.elapsedMs() };
  }

  #spokenBy(seat: Seat, connection: number): void {
    if (connection > seat.latestConnection) seat.latestConnection = connection;
  }

  #joined(seat: Seat, step: Step, isToBeKept: boolean): void {
    const isBegun = seat.state.phase !== "Ongoing";
    seat.state = step.state;
    if (isBegun || isToBeKept) this.#seats.keep(seat);
    if (!isBegun) return;
    this.#ongoing.add(seat);
    this.#arm(deadlineOf(step.state));
  }

  /** What comes of a step counts, if anything does. */
  #take(seat: Seat, { state, ending }: Step): void {
    if (seat.state === state) return;
    const { broker, groups, topics } = this.#options;
    broker.atomically(() => {
      if (ending !== undefined) {
        decide(broker, seat.partitions.keys(), ending);
        const { producerId, isCommitted } = ending;
        groups.endTransaction(producerId, isCommitted, ({ topic, topicId }) => topics.find(topic)?.id === topicId);
      }
      const isAnother = seat.state.producerId !== state.producerId || seat.state.producerEpoch !== state.producerEpoch;
      seat.state = state;
      this.#seats.empty(seat);
      // What is late of another epoch is known by that.
      if (isAnother) forgetOffsetsConnections(seat);
      seat.latestConnection = 0;
      seat.endChallenge = undefined;
      this.#ongoing.delete(seat);
      this.#seats.keep(seat);
    });
  }

  #abortLate(): void {
    this.#timer = undefined;
    this.#timerAtMs = Infinity;
    const nowMs = this.#options.broker.clock.now();
    let nextMs = Infinity;
    for (const seat of this.#ongoing) {
      seat.state = begunBy(seat.state, nowMs);
      const deadlineMs = deadlineOf(seat.state);
      if (deadlineMs > nowMs) {
        nextMs = Math.min(nextMs, deadlineMs);
        continue;
      }
      this.#tell("a transaction is aborted: it took too long", seat);
      this.#take(seat, expire(seat.state, this.#newProducerId, nowMs));
    }
    this.#arm(nextMs);
  }

  #arm(atMs: number): void {
    if (atMs >= this.#timerAtMs) return;
    const { clock } = this.#options.broker;
    if (this.#timer !== undefined) clock.clearTimer(this.#timer);
    this.#timerAtMs = Math.ceil(atMs / periodMs) * periodMs;
    this.#timer = clock.setTimer(this.#timerAtMs, () => this.#abortLate());
  }

  #forgetIdle(): void {
    const nowMs = this.#options.broker.clock.now();
    for (const seat of this.#seats.all()) {
      const { phase, updatedMs } = seat.state;
      if (phase !== "Ongoing" && nowMs - updatedMs >= expiryMs) this.#seats.remove(seat);
    }
    this.#forgetIdleLater();
  }

  #forgetIdleLater(): void {
    const { clock } = this.#options.broker;
    this.#expiryTimer = clock.setTimer(clock.now() + expiryEveryMs, () => this.#forgetIdle());
  }

  /**
   * After a start: which partitions are in which transaction is told by what is undecided in them. Of all namespaces: where
   * kafka.namespace is another one than it was, AMQP's readers would wait for ever for what nobody can reach to end it. Answers
   * who had something there: it must not be told that all was committed.
   */
  #restore(): Set<Seat> {
    const torn = new Set<Seat>();
    const { broker, topics, log } = this.#options;
    const seatByProducer = new Map<number, Seat>();
    for (const seat of this.#seats.all()) {
      if (seat.state.phase !== "Ongoing") continue;
      this.#ongoing.add(seat);
      seatByProducer.set(seat.state.producerId, seat);
    }
    for (const { name, queue, open } of undecided(broker)) {
      const seat = seatByProducer.get(open.producerId);
      const topic = topics.find(name);
      const isOfSeat = seat?.state.producerEpoch === open.producerEpoch;
      if (isOfSeat && topic?.partitions[queue.index] === queue) {
        this.#seats.put(seat, queue, topic);
        continue;
      }
      if (isOfSeat) torn.add(seat);
      // Nobody could ever end it, and readers would wait for that.
      const { producerId, producerEpoch } = open;
      log.warn("a transaction is aborted: nobody has it", { topic: name, partition: queue.index, producerId });
      broker.atomically(() => decide(broker, [queue], { producerId, producerEpoch, isCommitted: false }));
    }
    return torn;
  }

  #tell(what: string, { transactionalId, state }: Seat): void {
    const { producerId, producerEpoch, phase } = state;
    this.#options.log.info(what, { transactionalId, producerId, producerEpoch, phase });
  }
}

const nobody: ProducerName = { producerId: -1, producerEpoch: -1 };

/** No id is an id that is not there, and a fault of who asks. */
function codeFor(transactionalId: string, code: number): number {
  return transactionalId === "" ? errorCode.INVALID_REQUEST : code;
}

function refused(code: number): ProducerAnswer {
  return { ...nobody, errorCode: code };
}

function answerOf({ errorCode: code, state: { producerId, producerEpoch } }: Step): ProducerAnswer {
  return { errorCode: code, producerId, producerEpoch };
}

/** What somebody has not decided yet, and in which partition of the topic of which name. */
function undecided(broker: Broker): { name: string; queue: Queue; open: OpenTransaction }[] {
  const found: { name: string; queue: Queue; open: OpenTransaction }[] = [];
  for (const namespace of broker.namespaces()) {
    for (const { name, partitions } of namespace.queues()) {
      for (const queue of partitions) for (const open of queue.openTransactions()) found.push({ name, queue, open });
    }
  }
  return found;
}
