/**
 * basic.get: one message, or get-empty. Until the answer is there (its bytes may have to come from disk), nothing more
 * of the connection is handled. Refused for streams, and for quorum queues with a single active consumer.
 */

import { textOfBytes } from "../../../../base/byte-text.ts";
import type { Entry, Queue } from "../../../../broker/api.ts";
import { readableQueue } from "../access.ts";
import { booleanArgument } from "../../model/arguments.ts";
import type { Channel } from "../channel.ts";
import { ContentParts, writeContent } from "../codec-hot.ts";
import { partsOfEntry } from "../entry-parts.ts";
import { traceDelivery } from "../../model/firehose.ts";
import { consumerTimeoutMs, queueDeclaration } from "../../model/declaration.ts";
import { Fault, resource } from "../../model/errors.ts";
import { longNumber } from "../../model/field-table.ts";
import { withHeader } from "../../model/format.ts";
import { ensureWorkQueue, isTopic, readyCountOf, subscriptionOf } from "../../model/work-queue.ts";
import type { MethodArguments } from "../frames.ts";

const parts = new ContentParts();

export function get(channel: Channel, args: MethodArguments<"basic.get">): Fault | undefined {
  const queue = readableQueue(channel, args.queue);
  if (queue instanceof Fault) return queue;
  const { connection } = channel;
  const refused = checkType(queue, connection.vhost);
  if (refused !== undefined) return refused;

  queue.touch();
  connection.holdParsing();
  let isLate = false;
  const leaseMs = consumerTimeoutMs(queue, connection.hub.settings);
  channel.session.limitGets(leaseMs, (ms) => channel.leaseTimedOut(ms, { taken: "by basic.get" }));
  channel.session.get(
    queue,
    args.noAck,
    (lease, entry, isRedelivered, returns, failures) => {
      if (channel.state === "running") {
        channel.got(entry !== undefined, args.noAck, isRedelivered);
        if (entry === undefined) connection.send(channel.number, "basic.get-empty", { clusterId: "" });
        else writeGot(channel, queue, lease, entry, isRedelivered, Math.max(returns, failures));
      }
      // Whoever answers later is in the midst of something, and what comes behind may purge or delete what it speaks of.
      if (isLate) connection.hub.broker.clock.defer(() => connection.resumeParsing());
      else connection.resumeParsing();
    },
    subscriptionOf(queue),
  );
  isLate = true;
  return undefined;
}

function checkType(queue: Queue, vhost: string): Fault | undefined {
  const { type, arguments: args } = queueDeclaration(queue);
  const what = resource("queue", queue.name, vhost);
  if (isTopic(queue)) {
    ensureWorkQueue(queue);
    return undefined;
  }
  if (type === "stream") return new Fault("notImplemented", `basic.get not supported by stream queues ${what}`);
  if (type === "quorum" && booleanArgument(args, "x-single-active-consumer")) {
    const why = "basic.get operations are not supported by quorum queues with single active consumer";
    return new Fault("resourceLocked", `cannot obtain access to locked ${what}. ${why}`);
  }
  return undefined;
}

function writeGot(
  channel: Channel,
  queue: Queue,
  lease: number,
  entry: Entry,
  isRedelivered: boolean,
  returns: number,
): void {
  const { connection } = channel;
  if (connection.virtualHost.record.isTracing) traceDelivery(channel.tracedWay, queue, entry, isRedelivered);
  partsOfEntry(entry, connection, parts);
  connection.send(channel.number, "basic.get-ok", {
    deliveryTag: lease,
    redelivered: isRedelivered,
    exchange: textOfBytes(parts.source, parts.exchangeStart, parts.exchangeEnd),
    routingKey: textOfBytes(parts.source, parts.routingKeyStart, parts.routingKeyEnd),
    messageCount: readyCountOf(queue),
  });
  if (queueDeclaration(queue).type === "quorum" || isTopic(queue)) {
    const count = longNumber(returns);
    parts.headSource = withHeader(parts.headSource, parts.headStart, parts.headEnd, "x-delivery-count", count);
    parts.headStart = 0;
    parts.headEnd = parts.headSource.length;
  }
  writeContent(connection.output, channel.number, connection.frameMaxBytes, parts);
  parts.clear();
  connection.answered();
}
