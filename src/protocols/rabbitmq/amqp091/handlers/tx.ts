/**
 * The tx class: what is published and settled between commits happens as one atomic group, which RabbitMQ does not
 * promise; commit-ok says that it is durable. Refused on a channel in confirm mode; commit and rollback without select.
 */

import type { Channel } from "../channel.ts";
import { Fault } from "../../model/errors.ts";
import { Transaction } from "../transaction.ts";

const notTransactional = "channel is not transactional";

export function txSelect(channel: Channel): Fault | undefined {
  if (channel.confirms !== undefined) {
    return new Fault("preconditionFailed", "cannot switch from confirm to tx mode");
  }
  channel.transaction ??= new Transaction(channel);
  channel.connection.send(channel.number, "tx.select-ok", {});
  return undefined;
}

export function txCommit(channel: Channel): Fault | undefined {
  if (channel.transaction === undefined) return new Fault("preconditionFailed", notTransactional);
  const fault = channel.transaction.commit();
  if (fault === undefined) channel.connection.reply(channel.number, "tx.commit-ok", {});
  return fault;
}

export function txRollback(channel: Channel): Fault | undefined {
  if (channel.transaction === undefined) return new Fault("preconditionFailed", notTransactional);
  channel.transaction.rollback();
  channel.connection.send(channel.number, "tx.rollback-ok", {});
  return undefined;
}
