/**
 * What a transactional id goes through, as plain steps: what is known, what is asked, the time -> what is known from then on,
 * and which transaction ends by it. Kafka's rules, of version 4, for clients that end a transaction with a new epoch (KIP-890,
 * EndTxn from v5 on) and for those that do not.
 *
 *     Empty ----------> Ongoing ------> CompleteCommit, CompleteAbort ------> Ongoing ...
 *       ^  first partition      its end                        first partition
 *       +--- from any: somebody takes over by InitProducerId; what was ongoing is aborted
 *
 * There is no state in between, no "prepared": an end is one atomic group of the core, so what Kafka answers with
 * CONCURRENT_TRANSACTIONS, try again, is simply done. Who takes over gets the first epoch in which nobody was.
 *
 * Two holes of Kafka's are closed here. A producer that asks for a new epoch in the name of an old one does not abort its
 * successor's transaction. And one that asks so in the middle of its own transaction has it aborted, and goes on.
 */
import { errorCode } from "../codec/errors.ts";

export type Phase = "Empty" | "Ongoing" | "CompleteCommit" | "CompleteAbort";

/** Of one transactional id. Never changed: a step makes a new one. */
export interface TransactionState {
  readonly producerId: number;
  readonly producerEpoch: number;
  /**
   * The epoch of the same client before this one; -1: it was somebody else's, or there was none. Whoever still has it did
   * not get the answer that told the new one.
   */
  readonly lastEpoch: number;
  /** The producer id before, if its epochs had run out; -1: none. */
  readonly lastProducerId: number;
  readonly timeoutMs: number;
  readonly phase: Phase;
  /** Of the transaction, ms since 1970; -1: none has begun since the id was taken over. */
  readonly startedMs: number;
  /** When anything was asked last, ms since 1970. */
  readonly updatedMs: number;
}

/** A transaction that ends, in all its partitions and groups. */
export interface Ending {
  readonly producerId: number;
  /** Of its markers: from then on, older ones are fenced. */
  readonly producerEpoch: number;
  readonly isCommitted: boolean;
}

export interface Step {
  /** Or NONE. */
  readonly errorCode: number;
  /** As it was, if nothing happens. */
  readonly state: TransactionState;
  readonly ending: Ending | undefined;
}

/** A producer as it calls itself. */
export interface ProducerName {
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** Epochs go to 32767, which no client gets: with it the last one can still be fenced. */
const epochMax = 32_766;

/** InitProducerId: somebody takes the id over, or goes on after a failure (KIP-360), in which case `was` says as whom. */
export function takeOver(
  state: TransactionState | undefined,
  was: ProducerName | undefined,
  timeoutMs: number,
  newProducerId: () => number,
  nowMs: number,
): Step | number {
  if (state === undefined) return first(newProducerId(), timeoutMs, nowMs);
  const isRetry = was !== undefined && isLast(state, was);
  if (was !== undefined && !isRetry && !isCurrent(state, was)) return errorCode.PRODUCER_FENCED;
  // A transaction has begun in the epoch that this asks for: it is late.
  if (isRetry && state.phase === "Ongoing") return errorCode.PRODUCER_FENCED;
  const base = { ...state, timeoutMs, phase: "Empty", startedMs: -1, updatedMs: nowMs } as const;
  if (isRetry) return done(base);
  const next = nextEpoch(base, newProducerId);
  return done(
    { ...next, lastEpoch: was === undefined ? -1 : next.lastEpoch },
    state.phase === "Ongoing" ? endingOf(state, false, true) : undefined,
  );
}

/** A partition or a group's offsets become a part of its transaction, which begins by it if none is going on. */
export function join(state: TransactionState | undefined, by: ProducerName, nowMs: number): Step | number {
  const refusal = checkProducer(state, by);
  if (refusal !== errorCode.NONE) return refusal;
  if (state!.phase === "Ongoing") return done({ ...state!, updatedMs: nowMs });
  return done({ ...state!, phase: "Ongoing", startedMs: nowMs, updatedMs: nowMs });
}

/** Answers an error's code. */
export function checkProducer(state: TransactionState | undefined, by: ProducerName): number {
  if (state === undefined || state.producerId !== by.producerId) return errorCode.INVALID_PRODUCER_ID_MAPPING;
  return state.producerEpoch === by.producerEpoch ? errorCode.NONE : errorCode.PRODUCER_FENCED;
}

/** EndTxn up to v4: the epoch stays, so that a second one is told from the first by what has happened since, if at all. */
export function end(
  state: TransactionState | undefined,
  by: ProducerName,
  isCommitted: boolean,
  nowMs: number,
): Step | number {
  const refusal = checkProducer(state, by);
  if (refusal !== errorCode.NONE) return refusal;
  const ended = isCommitted ? "CompleteCommit" : "CompleteAbort";
  if (state!.phase === ended) return done(state!);
  if (state!.phase !== "Ongoing") return errorCode.INVALID_TXN_STATE;
  return done({ ...state!, phase: ended, updatedMs: nowMs }, endingOf(state!, isCommitted, false));
}

/**
 * EndTxn from v5 on: its producer goes on in the next epoch, of which it is told, so nothing that it sent before counts
 * afterwards. Asked again in the epoch before, it is told again. To abort is possible at any time, and gives a new epoch.
 */
export function endAndGoOn(
  state: TransactionState | undefined,
  by: ProducerName,
  isCommitted: boolean,
  newProducerId: () => number,
  nowMs: number,
): Step | number {
  if (state === undefined) return errorCode.INVALID_PRODUCER_ID_MAPPING;
  const ended = isCommitted ? "CompleteCommit" : "CompleteAbort";
  const isOver = state.phase === "CompleteCommit" || state.phase === "CompleteAbort";
  if (isLast(state, by)) {
    if (!isOver) return errorCode.PRODUCER_FENCED;
    return state.phase === ended ? done(state) : errorCode.INVALID_TXN_STATE;
  }
  const refusal = checkProducer(state, by);
  if (refusal !== errorCode.NONE) return refusal;
  if (state.phase !== "Ongoing" && isCommitted) return errorCode.INVALID_TXN_STATE;
  return done(
    nextEpoch({ ...state, phase: ended, updatedMs: nowMs }, newProducerId),
    state.phase === "Ongoing" ? endingOf(state, isCommitted, true) : undefined,
  );
}

/**
 * It has taken too long: it is aborted, and what its producer sends from now on is refused. Unless somebody took over, the
 * producer may go on, by asking for an end or for its number, as if it had not got the answer in which it was told the epoch.
 */
export function expire(state: TransactionState, newProducerId: () => number, nowMs: number): Step {
  const next = nextEpoch({ ...state, phase: "CompleteAbort", updatedMs: nowMs }, newProducerId);
  return done(next, endingOf(state, false, true));
}

/**
 * As it counts at this time: one that began in the future began before the machine's clock was set back. It counts from
 * now on, or it would stay open, and readers wait for it, for as long as the clock was ahead.
 */
export function begunBy(state: TransactionState, nowMs: number): TransactionState {
  return state.startedMs > nowMs ? { ...state, startedMs: nowMs } : state;
}

/** From when on it takes too long, ms since 1970. */
export function deadlineOf(state: TransactionState): number {
  return state.phase === "Ongoing" ? state.startedMs + state.timeoutMs : Infinity;
}

function first(producerId: number, timeoutMs: number, nowMs: number): Step {
  return done({
    producerId,
    producerEpoch: 0,
    lastEpoch: -1,
    lastProducerId: -1,
    timeoutMs,
    phase: "Empty",
    startedMs: -1,
    updatedMs: nowMs,
  });
}

function done(state: TransactionState, ending?: Ending): Step {
  return { errorCode: errorCode.NONE, state, ending };
}

function endingOf({ producerId, producerEpoch }: TransactionState, isCommitted: boolean, isFenced: boolean): Ending {
  return { producerId, producerEpoch: isFenced ? producerEpoch + 1 : producerEpoch, isCommitted };
}

function isCurrent(state: TransactionState, { producerId, producerEpoch }: ProducerName): boolean {
  return producerId === state.producerId && producerEpoch === state.producerEpoch;
}

/** It has what it was before the last answer. */
function isLast(state: TransactionState, { producerId, producerEpoch }: ProducerName): boolean {
  if (producerEpoch < 0 || producerEpoch !== state.lastEpoch) return false;
  if (producerEpoch === state.producerEpoch - 1) return producerId === state.producerId;
  return state.producerEpoch === 0 && producerId === state.lastProducerId;
}

/** The same client's next one, perhaps under another number. */
function nextEpoch(state: TransactionState, newProducerId: () => number): TransactionState {
  const { producerId, producerEpoch } = state;
  if (producerEpoch < epochMax) return { ...state, producerEpoch: producerEpoch + 1, lastEpoch: producerEpoch };
  return {
    ...state,
    producerId: newProducerId(),
    producerEpoch: 0,
    lastEpoch: producerEpoch,
    lastProducerId: producerId,
  };
}
