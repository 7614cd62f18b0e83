/**
 * What must be true, kept beside the broker and told of the same things.
 *
 * The model knows each copy of each message by queue and offset: when it was appended and settled (as tickets of the
 * boot), who holds it, how often it was delivered. While the broker runs the model looks over its shoulder after every
 * step and holds each delivery, each count and each disappearance against the rules. When the broker comes back from a
 * crash the model looks at what is there and works out *the cut*: the ticket up to which everything happened and behind
 * which nothing did. There must be one, it must not lie before what was acknowledged, and it must explain each copy,
 * each definition and each binding. That one rule is durability, atomicity and "nothing settled comes back" together.
 *
 * Where the broker acts by itself (it drops a head, lets a message expire), the ticket is known as a range: not before
 * the block that was open at the last look, not behind the one that is open now.
 */
import { EntryCursor } from "../src/broker/entry.ts";
import type { Entry } from "../src/broker/api.ts";
import type { QueueState } from "../src/broker/catalog/queue-state.ts";
import type { RunningCore } from "../src/broker/broker.ts";
import { type Binding, Copy, type Held, ModelQueue } from "./copies.ts";
import { before, Cut, ensure, Violation, type When } from "./cut.ts";
import { HeldIds, recoverSeen, type SeenIds } from "./known-ids.ts";
import { isAside } from "./ledger.ts";
import { numberOf, pathOf } from "./message.ts";
import { forgetGone, recoverBindings, recoverCopy, recoverPair, recoverSettings } from "./recovery.ts";

export class Model {
  readonly queues = new Map<number, ModelQueue>();
  readonly bindings: Binding[] = [];
  /** Ids that were published to a deduplicating queue, and when. */
  readonly dedupIds: SeenIds = new Map();
  readonly heldIds = new HeldIds();
  broker!: RunningCore;
  /** Highest ticket that a client was told of. */
  durableTicket = 0;
  /** While the data is copied: what has a higher ticket may be undone. */
  copiedTicket = Infinity;
  #openBefore = 1;
  readonly #cursor = new EntryCursor();
  clockMs = (): number => 0;
  say: ((line: string) => void) | undefined;
  /** Highest time that the broker may have seen. */
  maxMs = 0;
  hasJumpedBack = false;
  /** Bits of a segment were flipped: answers how much damage was reported. What cannot be read back may be lost then. */
  reports: (() => number) | undefined;
  deliveries = 0;
  /** Dead letters are on their way back just now. */
  redrives = 0;
  redriveEnded = false;
  recoveries = 0;

  get #commit(): RunningCore["core"]["commit"] {
    return this.broker.core.commit;
  }

  /** What is done now has this ticket. */
  now(): When {
    return { low: this.#openBefore, high: this.#commit.openTicket };
  }

  /** Damage was done, and reported. */
  get mayLose(): boolean {
    return (this.reports?.() ?? 0) > 0;
  }

  noteTime(): void {
    this.maxMs = Math.max(this.maxMs, this.clockMs());
  }

  queueByName(name: string): ModelQueue | undefined {
    for (const queue of this.queues.values()) {
      if (queue.name === name && queue.deleted === undefined) return queue;
    }
    return undefined;
  }

  // ---- what happens while it runs

  /** A queue that the workload, or the core for itself, has made. */
  adopt(state: QueueState): ModelQueue {
    const queue = new ModelQueue(state, this.now());
    this.queues.set(queue.id, queue);
    return queue;
  }

  /** Looks at everything that the broker did since the last look. */
  observe(exact?: When): void {
    this.noteTime();
    const { core } = this.broker;
    for (const state of core.queueById.values()) {
      if (isAside(state)) continue;
      const queue = this.queues.get(state.id) ?? this.adopt(state);
      this.registerAppends(queue, exact);
    }
    for (const queue of this.queues.values()) {
      if (queue.deleted !== undefined) continue;
      if (!core.queueById.has(queue.id)) {
        queue.deleted = exact ?? this.now();
        continue;
      }
      if (queue.isLog) this.#trimmed(queue);
      else this.#settledByItself(queue, exact ?? this.now());
    }
    const dead = this.redrives > 0 ? this.queueByName("dead") : undefined;
    if (dead !== undefined) this.#disturb(dead);
    for (const queue of this.queues.values()) queue.fresh.length = 0;
    for (const queue of this.queues.values()) {
      if (queue.deleted !== undefined) continue;
      this.#checkCounters(queue);
      if (!queue.isLog) this.#checkCounts(queue);
    }
    this.#openBefore = this.#commit.openTicket;
    if (!this.redriveEnded) return;
    this.redriveEnded = false;
    this.redrives = 0;
  }

  registerAppends(queue: ModelQueue, exact?: When): void {
    const { partition, subscription } = queue.state;
    for (; queue.seenNext < partition.next; queue.seenNext++) {
      const offset = queue.seenNext;
      if (!partition.look(offset, this.#cursor)) {
        const isGone = subscription === undefined ? offset < partition.first : subscription.settled.has(offset);
        queue.unseen.set(offset, exact ?? this.now());
        ensure(isGone, `what was appended at ${queue.name}/${offset} is neither there nor settled`);
        continue;
      }
      queue.fresh.push(this.#register(queue, offset, exact ?? this.now()));
    }
  }

  /** The entry under the cursor. */
  #register(queue: ModelQueue, offset: number, appended: When): Copy {
    const entry = this.#cursor;
    const number = numberOf(entry);
    ensure(number !== undefined, `an entry of ${queue.name} at ${offset} is not what anybody published`);
    const copy = new Copy(queue, offset, number, pathOf(entry), appended);
    copy.isDurable = entry.isDurable && queue.state.partition.isDurable;
    copy.priority = entry.priority;
    copy.key = entry.key();
    copy.timestampMs = entry.timestampMs;
    copy.ttlMs = entry.ttlMs;
    copy.deliverAtMs = entry.deliverAtMs;
    queue.copies.set(offset, copy);
    this.say?.(
      `  [${copy.text} appended ${copy.appended.low}..${copy.appended.high}${copy.isDurable ? "" : " fleeting"}]`,
    );
    if (queue.readsHistory) queue.history.set(offset, number);
    return copy;
  }

  #trimmed(queue: ModelQueue): void {
    const { partition } = queue.state;
    const { maxCount, maxBytes, maxAgeMs } = queue.settings.retention;
    for (const offset of queue.copies.keys()) {
      if (offset >= partition.first) break;
      queue.copies.delete(offset);
      ensure(maxCount > 0 || maxBytes > 0 || maxAgeMs > 0, `a log without limits gave up ${queue.name}/${offset}`);
    }
    if (maxCount > 0 && maxBytes === 0 && maxAgeMs === 0) {
      ensure(
        partition.next - partition.first >= Math.min(maxCount, partition.next),
        `${queue.name} keeps less than it should`,
      );
    }
  }

  #settledByItself(queue: ModelQueue, when: When): void {
    const { settled } = queue.state.subscription!;
    for (const copy of queue.copies.values()) {
      if (copy.settled === undefined) {
        // What a full target has refused stays dead, whatever becomes of the queue's time to live.
        if (!settled.has(copy.offset)) copy.mayDie ||= this.#isExpired(copy);
        else this.#died(copy, when);
      } else {
        ensure(settled.has(copy.offset), `${copy.text} was settled and is not`);
        const surely = Math.min(this.durableTicket, this.copiedTicket);
        if (copy.settled.high <= surely && copy.held === undefined) queue.copies.delete(copy.offset);
      }
    }
  }

  #isExpired({ lifeMs, timestampMs, deliverAtMs }: Copy): boolean {
    return lifeMs >= 0 && Math.max(timestampMs, deliverAtMs) + lifeMs <= this.maxMs;
  }

  /** The broker took a message away: it must have had a reason, and must have passed it on where it is to. */
  #died(copy: Copy, when: When): void {
    const { queue } = copy;
    const { settings } = queue;
    copy.settled = when;
    this.say?.(`  [${copy.text} died ${when.low}..${when.high}]`);
    this.noteTime();
    if (queue.isHidden) {
      ensure(copy.deliverAtMs <= this.maxMs, `${copy.text} left before its time`);
      for (const { queue: target, unbound } of this.bindings) {
        if (unbound !== undefined || target.deleted !== undefined) continue;
        this.#expectArrival(copy, target, (path) => path === copy.path);
      }
      return;
    }
    if (this.redrives > 0 && queue.name === "dead" && copy.path !== "") {
      const from = copy.path.split("/").at(-1)!.split("@")[1]!;
      const back = this.queueByName(from);
      const arrived = back?.fresh.find((one) => one.number === copy.number && one.path === copy.path);
      if (arrived !== undefined) arrived.origin = copy;
      if (arrived !== undefined || (back !== undefined && back.unseen.size > 0)) return;
    }
    const isOver = (settings.maxLength >= 0 || settings.maxLengthBytes >= 0) && settings.overflow === "drop-head";
    if (!copy.isDying && !copy.mayDie && !this.#isExpired(copy) && !isOver) {
      ensure(this.mayLose, `${copy.text} vanished`);
      return;
    }
    ensure(copy.held === undefined, `${copy.text} died while it was leased`);
    if (settings.deadLetter === undefined) return;
    const target = this.queueByName("dead");
    if (target === undefined) return;
    const older = copy.path === "" ? "" : `/${copy.path}`;
    this.#expectArrival(copy, target, (path) => path.endsWith(`@${queue.name}${older}`));
  }

  #expectArrival(copy: Copy, target: ModelQueue, isRight: (path: string) => boolean): void {
    const arrived = target.fresh.find(
      (one) => one.number === copy.number && one.origin === undefined && isRight(one.path),
    );
    if (arrived !== undefined) {
      arrived.origin = copy;
      return;
    }
    if (this.mayLose) return;
    const { maxLength, maxLengthBytes, ttlMs } = target.settings;
    ensure(
      maxLength >= 0 || maxLengthBytes >= 0 || ttlMs >= 0,
      `${copy.text} left its queue and did not arrive in ${target.name}`,
    );
  }

  /** What the broker counts of a queue is what happened in this life. */
  #checkCounters({ name, state, readsHistory, bootNext, given, accepted }: ModelQueue): void {
    const { published, delivered, deliveredNoAck, got, gotNoAck, redelivered, settled } = state.counters;
    const appended = state.partition.next - bootNext;
    ensure(published === appended, `${name} counts ${published} published, there were ${appended}`);
    // What readers settle is not kept count of here. Who redrives takes messages that no client asked for.
    if (name === "dead") return;
    const all = delivered + deliveredNoAck + got + gotNoAck;
    ensure(all === given && redelivered <= all, `${name} counts ${all} deliveries, there were ${given}`);
    ensure(readsHistory || settled === accepted, `${name} counts ${settled} settled, there were ${accepted}`);
  }

  #checkCounts(queue: ModelQueue): void {
    const { subscription, readyCount, leasedCount } = queue.state;
    let live = 0;
    let leased = 0;
    let dying = 0;
    // Their time has come, and their bytes may have to be read first.
    let loading = 0;
    for (const copy of queue.copies.values()) {
      if (copy.settled !== undefined) continue;
      live++;
      if (copy.held === undefined && !copy.isDying) {
        const attempts = subscription!.attempts.get(copy.offset);
        const isTriedAgain = queue.settings.retry !== undefined || attempts?.death !== undefined;
        const isRetried = attempts?.readyAtMs === 0 && isTriedAgain;
        if (isRetried || copy.mayDie || (copy.deliverAtMs > 0 && copy.deliverAtMs <= this.maxMs)) loading++;
      }
      if (copy.held !== undefined) leased++;
      else if (copy.isDying && !((subscription!.attempts.get(copy.offset)?.readyAtMs ?? 0) > 0)) dying++;
    }
    if (this.redrives > 0 && queue.name === "dead") return;
    ensure(leasedCount === leased, `${queue.name} counts ${leasedCount} leased, there are ${leased}`);
    const counted = readyCount + subscription!.scheduledCount;
    const owed = live - leased - dying;
    ensure(
      // Of what damage took nobody can tell whether it was ready or delayed.
      this.mayLose || (counted <= owed && counted >= owed - loading),
      `${queue.name} counts ${readyCount} ready and ${subscription!.scheduledCount} scheduled, there are ${live - leased - dying} (${live} live, ${leased} leased, ${dying} dying)`,
    );
  }

  /** A delivery to a consumer or an answer to a get. `noAck`: settled by it. */
  delivered(
    queue: ModelQueue,
    entry: Entry,
    held: Held,
    given: { isRedelivered: boolean; returns: number; failures: number; noAck: boolean; isGet: boolean },
  ): Held {
    this.deliveries++;
    queue.given++;
    this.noteTime();
    if (entry.offset >= queue.seenNext) this.registerAppends(queue);
    const copy = queue.copies.get(entry.offset);
    ensure(copy !== undefined, `${queue.name}/${entry.offset} was delivered and is not there`);
    this.#checkContent(copy, entry);
    ensure(copy.settled === undefined, `${copy.text} was delivered after it was settled`);
    ensure(copy.held === undefined, `${copy.text} was delivered while it was leased`);
    ensure(
      copy.appended.low <= this.durableTicket || copy.appended === before,
      `${copy.text} was delivered before it was durable`,
    );
    ensure(!copy.isDelivered || given.isRedelivered, `${copy.text} was delivered again without the flag`);
    if (!copy.mayBeFlagged && copy.returns === 0 && !copy.isDelivered)
      ensure(!given.isRedelivered, `${copy.text} is flagged and is new`);
    if (copy.returns >= 0)
      ensure(given.returns === copy.returns, `${copy.text} came back ${copy.returns} times, not ${given.returns}`);
    if (copy.failures >= 0)
      ensure(given.failures === copy.failures, `${copy.text} failed ${copy.failures} times, not ${given.failures}`);
    copy.returns = given.returns;
    copy.failures = given.failures;
    if (copy.deliverAtMs > 0) ensure(copy.deliverAtMs <= this.maxMs, `${copy.text} was delivered before its time`);
    this.#checkExpiry(copy, given.isGet);
    this.#checkOrder(copy);
    copy.isDelivered = true;
    copy.isDying = false;
    copy.mayDie = false;
    if (given.noAck) copy.settled = this.now();
    else copy.held = { ...held, copy };
    return { ...held, copy };
  }

  #checkContent(copy: Copy, entry: Entry): void {
    ensure(numberOf(entry) === copy.number, `${copy.text} was delivered with the octets of another`);
    ensure(pathOf(entry) === copy.path, `${copy.text} was delivered with the head of another`);
  }

  #checkExpiry(copy: Copy, isGet: boolean): void {
    const ttlMs = copy.lifeMs;
    if (ttlMs < 0 || this.hasJumpedBack || (ttlMs === 0 && !isGet)) return;
    ensure(
      Math.max(copy.timestampMs, copy.deliverAtMs) + ttlMs > this.clockMs(),
      `${copy.text} was delivered after it had expired`,
    );
  }

  /** Nothing that is ready should have come before it. */
  #checkOrder(copy: Copy): void {
    const { queue } = copy;
    const { settings } = queue;
    const { settled, attempts } = queue.state.subscription!;
    // Each would be compared with each; and what cannot be read is passed over.
    if (this.mayLose || queue.copies.size > 500 || (this.redrives > 0 && queue.name === "dead")) return;
    for (const other of queue.copies.values()) {
      if (other === copy || other.settled !== undefined) continue;
      if (settings.mode === "keyed") {
        if (copy.key === undefined || other.key !== copy.key) continue;
        ensure(other.held === undefined, `${copy.text} was delivered beside ${other.text}: their key is the same`);
      }
      if (other.held !== undefined || other.isDying || other.deliverAtMs > 0) continue;
      if (other.appended.high > this.durableTicket || settled.has(other.offset)) continue;
      const tries = attempts.get(other.offset);
      // It waits for its time, is about to die again, or its bytes are being read for its return.
      const isAside = (tries?.readyAtMs ?? 0) > 0 || tries?.death !== undefined;
      if (isAside || (tries !== undefined && settings.retry !== undefined)) continue;
      const levelMax = settings.mode === "keyed" ? 0 : settings.maxPriority;
      const level = Math.min(other.priority, levelMax) - Math.min(copy.priority, levelMax);
      const comesFirst = level > 0 || (level === 0 && other.offset < copy.offset);
      ensure(!comesFirst || copy.deliverAtMs > 0, `${copy.text} was delivered before ${other.text}`);
    }
  }

  /** A client settles what it holds. */
  settle(held: Held, settlement: "accept" | "release" | "fail" | "reject", when: When): void {
    const { copy } = held;
    if (copy === undefined) return;
    copy.held = undefined;
    if (copy.queue.deleted !== undefined) return;
    if (settlement === "accept") copy.queue.accepted++;
    const { deadLetter, deliveryLimit } = copy.queue.settings;
    if (settlement === "accept" || (settlement === "reject" && deadLetter === undefined)) {
      copy.settled = when;
    } else if (settlement === "reject") {
      copy.isDying = true;
    } else {
      if (copy.returns >= 0) copy.returns++;
      if (settlement === "fail" && copy.failures >= 0) copy.failures++;
      const isLimited = settlement === "fail" && deliveryLimit >= 0;
      copy.mayDie = isLimited && copy.failures < 0;
      if (isLimited && copy.failures > deliveryLimit) {
        if (deadLetter === undefined) copy.settled = when;
        else copy.isDying = true;
      }
    }
  }

  redriveBegins(dead: ModelQueue): void {
    this.redrives = 1;
    this.#disturb(dead);
  }

  /** Redriving takes messages and gives some back: how often they came back is not ours to say. */
  #disturb(dead: ModelQueue): void {
    for (const copy of dead.copies.values()) {
      copy.returns = -1;
      copy.failures = -1;
      copy.mayBeFlagged = true;
    }
  }

  purged(queue: ModelQueue, when: When): void {
    for (const copy of queue.copies.values()) {
      if (copy.settled === undefined && queue.state.subscription!.settled.has(copy.offset)) {
        ensure(copy.held === undefined, `${copy.text} was purged while it was leased`);
        copy.settled = when;
      }
    }
  }

  /** A reader of a log or of a queue's history got an entry; `last` is the one before, -1 if none. */
  read(queue: ModelQueue, entry: Entry, last: number): void {
    this.deliveries++;
    queue.given++;
    if (entry.offset >= queue.seenNext) this.registerAppends(queue);
    const number = queue.history.get(entry.offset);
    ensure(
      number !== undefined && numberOf(entry) === number,
      `a reader of ${queue.name} got something else at ${entry.offset}`,
    );
    ensure(entry.offset > last, `a reader of ${queue.name} went back from ${last} to ${entry.offset}`);
    const copy = queue.copies.get(entry.offset);
    if (copy !== undefined)
      ensure(copy.appended.low <= this.durableTicket, `${copy.text} was read before it was durable`);
    if (last < 0 || !queue.isLog) return;
    for (let offset = last + 1; offset < entry.offset; offset++) {
      const missed = queue.copies.get(offset);
      ensure(
        missed === undefined || offset < queue.state.partition.first || this.mayLose,
        `a reader of ${queue.name} missed ${offset}`,
      );
    }
  }

  // ---- what is found after a restart

  /** The broker is back: holds what is there against what was. Answers what is known of how far it got. */
  recovered(broker: RunningCore, isClean: boolean): Cut {
    this.broker = broker;
    this.recoveries++;
    this.redrives = 0;
    this.redriveEnded = false;
    const cut = new Cut(this.durableTicket, isClean);
    for (const queue of this.queues.values()) this.#recoverQueue(queue, cut, isClean);
    recoverBindings(this, cut);
    for (const state of broker.core.queueById.values()) {
      ensure(isAside(state) || this.queues.has(state.id), `there is a queue ${state.name} that nobody made`);
    }
    this.say?.(`  [${cut.text}]`);
    cut.check();
    recoverSeen(this.dedupIds, this.durableTicket);
    this.heldIds.recovered((queue) => this.queues.get(queue.id) === queue);
    this.durableTicket = 0;
    this.#openBefore = broker.core.commit.openTicket;
    this.noteTime();
    return cut;
  }

  #recoverQueue(queue: ModelQueue, cut: Cut, isClean: boolean): void {
    const state = this.broker.core.queueById.get(queue.id);
    const isExpected = queue.settings.durable;
    if (!isExpected) {
      ensure(state === undefined, `${queue.name} is not durable and came back`);
      this.queues.delete(queue.id);
      return;
    }
    if (state === undefined) {
      cut.absent(queue.created, queue.deleted, `queue ${queue.name}#${queue.id}`);
      this.queues.delete(queue.id);
      return;
    }
    cut.present(queue.created, queue.deleted, `queue ${queue.name}#${queue.id}`);
    queue.created = before;
    queue.deleted = undefined;
    queue.state = state;
    recoverSettings(queue, state.settings, cut);
    for (const copy of queue.copies.values()) recoverCopy(this, copy, cut);
    for (const copy of queue.copies.values()) recoverPair(this, copy);
    forgetGone(this, queue, isClean);
    if (!queue.isLog) this.#findGhosts(queue);
    queue.seenNext = state.partition.next;
    queue.bootNext = state.partition.next;
    queue.given = 0;
    queue.accepted = 0;
    for (const offset of queue.history.keys()) if (offset >= state.partition.next) queue.history.delete(offset);
  }

  #findGhosts(queue: ModelQueue): void {
    const { partition, subscription } = queue.state;
    const { settled } = subscription!;
    for (let offset = settled.floor; offset < partition.next; offset++) {
      if (settled.has(offset) || queue.copies.has(offset)) continue;
      const unseen = queue.unseen.get(offset);
      if (unseen !== undefined && unseen.high > this.durableTicket && partition.look(offset, this.#cursor)) {
        this.#register(queue, offset, before).mayBeFlagged = true;
        continue;
      }
      const isHere = partition.look(offset, this.#cursor);
      const what = isHere ? `message ${numberOf(this.#cursor)} (${pathOf(this.#cursor)})` : "something";
      throw new Violation(
        `${what} is at ${queue.name}#${queue.id}/${offset} and was settled or never published (settled below ${settled.floor}, next is ${partition.next})`,
      );
    }
  }
}
