/**
 * Produce (0) v3-13: appends a record batch to each of some partitions, and answers when they are durable.
 *
 * acks=1 and acks=all are the same here, durable on disk; with acks=0 nothing is answered, and a refusal ends the
 * connection, so that the client looks anew what is wrong, as Kafka does it.
 *
 * Where batches have to be opened, or compressed again, a request may take several turns: producing/producing.ts.
 *
 * While the broker has no memory or no disk left, a batch is refused with KAFKA_STORAGE_ERROR and a throttle time. Clients
 * try that again, after the pause, until their delivery time-out has passed. Kafka stops altogether when a disk is full.
 * Rejected: to hold the request back (what a client asks on the same connection, a heartbeat, would wait behind it), and to
 * stop reading (the same, and nothing says why).
 */

import {
  produceRequest,
  produceResponse,
  type ProduceRequest,
  type ProduceResponse,
} from "../codec/messages/produce.ts";
import type { Command } from "../command.ts";
import { Producing } from "../producing/producing.ts";

export const produce: Command<ProduceRequest, ProduceResponse> = {
  name: "Produce",
  key: 0,
  minVersion: 3,
  maxVersion: 13,
  shownMinVersion: 0,
  request: produceRequest,
  response: produceResponse,
  isProducing: true,
  isPipelined: true,
  handle(request, call) {
    new Producing(request, call).run();
  },
};
