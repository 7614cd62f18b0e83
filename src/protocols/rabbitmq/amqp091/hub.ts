/**
 * What all AMQP connections of a broker share: settings, users, who waits for which reply, and the one listener that tells
 * connections of commits.
 *
 * Only connections that wait for a commit are told of it, so that ten thousand idle ones cost a commit nothing.
 */

import type { Clock } from "../../../base/clock.ts";
import { LoginPenalty } from "../../../auth/penalty.ts";
import type { Authority } from "../../../auth/authority.ts";
import type { Broker } from "../../../broker/api.ts";
import type { Logger } from "../../../observe/log.ts";
import type { Events } from "../model/events.ts";
import { spokenProduct, spokenVersion, type RabbitServer } from "../model/server.ts";
import { clusterName } from "../model/cluster.ts";
import { tableOf, type FieldTable } from "../model/field-table.ts";
import type { LimitedLog } from "../../../observe/limited-log.ts";
import type { ReplyTargets } from "./reply-to.ts";
import { CommitWaiters } from "../../../server/commit-waiters.ts";

export interface AmqpSettings {
  /** Largest frame offered to clients, overhead included. */
  readonly frameMaxBytes: number;
  /** Most channels of one connection offered to clients. */
  readonly channelMax: number;
  /** Offered to clients; 0: none. */
  readonly heartbeatSeconds: number;
  readonly messageBytesMax: number;
  /** ms a delivery may stay unsettled; 0: no limit. */
  readonly consumerTimeoutMs: number;
}

export interface HubOptions {
  readonly server: RabbitServer;
  readonly settings: AmqpSettings;
  readonly replyTargets: ReplyTargets;
}

export class Hub {
  readonly server: RabbitServer;
  readonly broker: Broker;
  readonly authority: Authority;
  readonly settings: AmqpSettings;
  /** Heartbeats and time-outs run by it, whatever the broker's clock is. */
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: Events;
  /** For what strangers bring about. */
  readonly log: LimitedLog;
  readonly penalty = new LoginPenalty();
  readonly replyTargets: ReplyTargets;
  /** Connections that owe answers. */
  readonly commits = new CommitWaiters();

  constructor(options: HubOptions) {
    const { server } = options;
    this.server = server;
    this.broker = server.broker;
    this.events = server.events;
    this.authority = server.authority;
    this.settings = options.settings;
    this.clock = server.clock;
    this.logger = server.logger;
    this.log = server.log;
    this.replyTargets = options.replyTargets;
    this.broker.addCommitListener(this.commits);
  }

  /** What a client is greeted with: the cluster's name may change while the broker runs. */
  get serverProperties(): FieldTable {
    const { parameters, nodeName, version } = this.server;
    return serverProperties(clusterName(parameters, nodeName), version);
  }
}

function serverProperties(clusterName: string, version: string): FieldTable {
  const capabilities = tableOf({
    publisher_confirms: true,
    exchange_exchange_bindings: true,
    "basic.nack": true,
    consumer_cancel_notify: true,
    "connection.blocked": true,
    consumer_priorities: true,
    authentication_failure_close: true,
    per_consumer_qos: true,
    direct_reply_to: true,
  });
  return tableOf({
    capabilities: { type: "F", value: capabilities },
    cluster_name: clusterName,
    copyright: "Copyright (c) the Entrepot contributors",
    information: "Licensed under the Apache License 2.0.",
    platform: `Entrepot ${version}`,
    product: spokenProduct,
    version: spokenVersion,
  });
}
