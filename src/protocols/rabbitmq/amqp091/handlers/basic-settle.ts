/**
 * basic.qos, recover and recover-async. (ack, nack and reject are settled by channel.ts.)
 *
 * A prefetch holds per consumer, for those to come, or with `global` over the channel; one by size is refused, and so is
 * recover without requeue, both as in RabbitMQ.
 */

import type { Channel } from "../channel.ts";
import { Fault } from "../../model/errors.ts";
import type { MethodArguments } from "../frames.ts";

export function qos(channel: Channel, args: MethodArguments<"basic.qos">): Fault | undefined {
  if (args.prefetchSize !== 0) return new Fault("notImplemented", `prefetch_size!=0 (${args.prefetchSize})`);
  // Setting the one per consumer lifts the one of the channel.
  channel.globalPrefetchCount = args.global ? args.prefetchCount : 0;
  if (!args.global) channel.prefetchCount = args.prefetchCount;
  channel.session.setCreditLimit(channel.globalPrefetchCount);
  channel.connection.send(channel.number, "basic.qos-ok", {});
  return undefined;
}

export function recoverAsync(channel: Channel, args: MethodArguments<"basic.recover-async">): Fault | undefined {
  if (!args.requeue) return new Fault("notImplemented", "requeue=false");
  const { session, transaction } = channel;
  // As in RabbitMQ: what the transaction has settled is not outstanding any more, though it is not committed.
  session.releaseAll(transaction && ((lease) => transaction.hasSettled(lease)));
  return undefined;
}

export function recover(channel: Channel, args: MethodArguments<"basic.recover">): Fault | undefined {
  const fault = recoverAsync(channel, args);
  if (fault === undefined) channel.connection.send(channel.number, "basic.recover-ok", {});
  return fault;
}
