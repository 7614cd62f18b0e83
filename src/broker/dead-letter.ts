/**
 * What becomes of messages that die, for every protocol alike: published anew through the dead-letter exchange, with
 * their death on record in their own headers, in the same journal block that settles them at their source. So a crash
 * finds them in one place or in the other.
 *
 * A message that would come round to a queue it has died in already, without anybody having rejected it on the way, is
 * dropped there: nobody would ever take it out of that circle (RabbitMQ's rule).
 */
import { must } from "../base/assert.ts";
import type { DeadLetterPolicy, Death, DeathReason, Entry, Publication, PublishOutcome } from "./api.ts";
import type { NamespaceState } from "./catalog/namespace-state.ts";
import type { QueueState } from "./catalog/queue-state.ts";
import type { Core } from "./core.ts";
import type { EntryCursor } from "./entry.ts";
import { emptyPublication } from "./publication.ts";
import type { Refusal } from "./publisher.ts";
import type { Way } from "./way.ts";

/** A publication of a stored message, as it is. */
export function publicationOf(entry: Entry, exchange: Publication["exchange"], routingKey: string): Publication {
  return {
    ...emptyPublication(exchange),
    format: entry.format,
    durable: entry.isDurable,
    priority: entry.priority,
    ttlMs: entry.ttlMs,
    key: entry.key(),
    routingKey,
    head: entry.buffer,
    headStart: entry.headStart,
    headEnd: entry.headEnd,
    body: entry.buffer,
    bodyStart: entry.bodyStart,
    bodyEnd: entry.bodyEnd,
  };
}

/**
 * Publishes the entry of a queue, or a partition, to where the policy says. False: a target was full and the policy is at least once, so
 * nothing was done. A missing exchange and an exchange without a route drop the message, as RabbitMQ does.
 */
export function deadLetter(
  core: Core,
  queue: QueueState,
  policy: DeadLetterPolicy | undefined,
  entry: EntryCursor,
  reason: DeathReason,
): boolean {
  if (policy === undefined) return true;
  const p = publicationOf(entry, queue.namespace.exchange("")!, entry.routingKey());
  const { heldIds, topic } = queue;
  if (heldIds === undefined) return publishDeath(core, topic, policy, p, entry.exchange(), reason);
  // It may come to where it is. Another one may die of that, while this one is on its way.
  const before = heldIds.leaving;
  heldIds.leaving = entry.offset;
  const isDone = publishDeath(core, topic, policy, p, entry.exchange(), reason);
  heldIds.leaving = before;
  return isDone;
}

/** The same for a message that a full queue refused. `refusals`: where those are noted that refuse it in turn. */
export function deadLetterRefused(core: Core, queue: QueueState, refused: Publication, refusals: Refusal[]): void {
  const policy = queue.settings.deadLetter;
  if (policy !== undefined)
    publishDeath(core, queue, policy, { ...refused, deliverAtMs: 0 }, refused.exchange.name, "maxlen", refusals);
}

function publishDeath(
  core: Core,
  queue: QueueState,
  policy: DeadLetterPolicy,
  p: Publication,
  exchangeName: string,
  reason: DeathReason,
  refusals?: Refusal[],
): boolean {
  const { namespace } = queue;
  const exchange = namespace.exchange(policy.exchange);
  if (exchange === undefined) return policy.atLeastOnce !== true;
  const format = core.format(p.format);
  const extraKeys = p.extraKeys ?? format.extraKeys(p.head, p.headStart, p.headEnd);
  const death: Death = {
    reason,
    queue: queue.name,
    timeMs: core.now(),
    exchange: exchangeName,
    routingKeys: [p.routingKey, ...extraKeys],
    ttlMs: p.ttlMs,
  };
  const head = format.withDeath(p.head, p.headStart, p.headEnd, death, policy.routingKey !== undefined);
  const publication: Publication = {
    ...p,
    exchange,
    routingKey: policy.routingKey ?? p.routingKey,
    extraKeys: policy.routingKey === undefined && extraKeys.length > 0 ? extraKeys : undefined,
    ttlMs: -1,
    head,
    headStart: 0,
    headEnd: head.length,
  };
  const deaths = format.deaths(head, 0, head.length);
  const way = core.publisher.find(namespace, exchange, publication);
  const { queues } = way;
  let count = 0;
  for (const queue of queues) if (!isCircle(queue.name, deaths)) queues[count++] = queue;
  queues.length = count;
  if (policy.atLeastOnce === true && !isTaken(way, publication)) return false;
  exchange.counters.publishedIn++;
  exchange.counters.routedOut += count;
  const outcome: PublishOutcome = { routed: 0, refused: false, ticket: 0 };
  core.publisher.deliver(namespace, way, publication, outcome, true, refusals);
  return outcome.routed > 0 || policy.atLeastOnce !== true;
}

/** Whether a publication that is not to be lost is somewhere when it has gone this way; what an exchange keeps of it does not count. */
function isTaken({ queues, waitsAt, isDuplicate }: Way, p: Publication): boolean {
  if (queues.length === 0) return waitsAt.length > 0 || isDuplicate;
  return !isRefusedSomewhere(queues, p);
}

/** Without an exchange that they could be published to, the dead are dropped: they need no room. */
export function isDropped(queue: QueueState | undefined, policy: DeadLetterPolicy): boolean {
  return policy.atLeastOnce !== true && queue?.namespace.exchange(policy.exchange) === undefined;
}

export function isRefusedSomewhere(targets: readonly QueueState[], p: Publication): boolean {
  // Of a topic, any of its partitions may be the one that it goes to.
  const partitions = targets.flatMap((target) => target.partitions);
  return partitions.some((one) => one.mayRefuse && one.refuses(p.bodyEnd - p.bodyStart));
}

/** `deaths`: newest first. */
function isCircle(queue: string, deaths: readonly { queue: string; reason: string }[]): boolean {
  const at = deaths.findIndex((death) => death.queue === queue);
  return at >= 0 && deaths.slice(0, at + 1).every((death) => death.reason !== "rejected");
}

/** A delayed message's time has come: it goes on from the exchange at which it has waited. */
export function republish(core: Core, namespace: NamespaceState, entry: EntryCursor, waitedAt: string): void {
  const exchange = must(namespace.exchange(waitedAt), "who waits somewhere has it looked up first");
  const p = publicationOf(entry, publishedTo(entry, exchange), entry.routingKey());
  p.extraKeys = entry.moreKeys();
  const way = core.publisher.find(namespace, exchange, p, true);
  exchange.counters.routedOut += way.queues.length;
  // Whoever has died was in a queue before, however long it has waited since.
  const comesBack = core.format(p.format).deaths(p.head, p.headStart, p.headEnd).length > 0;
  core.publisher.deliver(namespace, way, p, { routed: 0, refused: false, ticket: 0 }, comesBack);
}

/** The exchange as which its consumers see it: the one that it was published to, whether that is still there or not. */
function publishedTo(entry: EntryCursor, waitedAt: Publication["exchange"]): Publication["exchange"] {
  const name = entry.exchange();
  return name === waitedAt.name ? waitedAt : { ...waitedAt, name };
}
