/**
 * What all Kafka connections of a broker share: the core, who may do what, topics, groups, transactions, and the one
 * listener that tells connections of commits.
 *
 * Only connections that wait for a commit are told of it, so that ten thousand idle ones cost a commit nothing.
 */

import type { Authority } from "../../auth/authority.ts";
import type { Identity } from "../../auth/identity.ts";
import { LoginPenalty } from "../../auth/penalty.ts";
import type { Clock } from "../../base/clock.ts";
import { TurnShare } from "../../base/turn-share.ts";
import type { Random } from "../../base/random.ts";
import type { Broker, Namespace, Queue } from "../../broker/api.ts";
import { LimitedLog } from "../../observe/limited-log.ts";
import type { Logger } from "../../observe/log.ts";
import type { OpenPort } from "../../server/protocol.ts";
import { CommitWaiters } from "../../server/commit-waiters.ts";
import { ApiCounters } from "./api-counters.ts";
import type { Command } from "./command.ts";
import { sizeBytes } from "./codec/framing.ts";
import { Groups } from "./groups/groups.ts";
import type { ForeignEntries } from "./fetching/fetch-answer.ts";
import { FetchSessions } from "./fetching/fetch-sessions.ts";
import { LiveConnections } from "./live.ts";
import { ForeignBatches } from "./mapping/foreign-batches.ts";
import { nobody } from "./nobody.ts";
import { ProducerIds } from "./producing/producer-ids.ts";
import { Recompressions } from "./producing/recompression.ts";
import type { KafkaSettings } from "./settings.ts";
import { BrokerDefaults } from "./topics/broker-defaults.ts";
import { Topics } from "./topics/topics.ts";
import { RequestRoom } from "./request-room.ts";
import { Transactions } from "./transactions/transactions.ts";

const slowMs = 1000;
/** For all requests that have come in by half; or one of the largest, if that takes more. */
const roomBytes = 256 << 20;

export interface KafkaServerOptions {
  readonly broker: Broker;
  readonly authority: Authority;
  /** Of the network: it goes on when the broker's stands still. */
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly version: string;
  readonly settings: KafkaSettings;
  /** All that is answered, in order of the keys. */
  readonly commands: readonly Command[];
  /** What is listened on at the moment. */
  readonly ports: () => readonly OpenPort[];
  /** Whether there may be one more queue or topic in the namespace; without it, there always may. */
  readonly mayAddTopic?: () => boolean;
  /** Whether there may be one more connection to the namespace; without it, there always may. */
  readonly mayConnect?: () => boolean;
  /** Connections that a user has, by whatever protocol; without it, those of this one count. */
  readonly connectionCountOf?: (user: string) => number;
  /** Whether a queue is one connection's own, which nobody else is to see; without it, none is. */
  readonly isPrivate?: (queue: Queue) => boolean;
}

export class KafkaServer {
  readonly broker: Broker;
  readonly authority: Authority;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** For what strangers bring about. */
  readonly log: LimitedLog;
  readonly version: string;
  readonly settings: KafkaSettings;
  readonly commands: readonly Command[];
  readonly counters: ApiCounters;
  readonly ports: () => readonly OpenPort[];
  readonly mayAddTopic: () => boolean;
  readonly mayConnect: () => boolean;
  readonly connectionCountOf: (user: string) => number;
  readonly isPrivate: (queue: Queue) => boolean;
  readonly live = new LiveConnections();
  /** For addresses from which wrong passwords come. */
  readonly penalty = new LoginPenalty();
  readonly topics: Topics;
  /** What clients have set of the broker's configs. */
  readonly brokerDefaults: BrokerDefaults;
  readonly transactions: Transactions;
  readonly foreignEntries: ForeignEntries;
  /** Of opening batches: stored ones for an answer, and those that come and must be looked into. */
  readonly opening: TurnShare;
  /** Of batches that come. */
  readonly recompressions: Recompressions;
  readonly fetchSessions: FetchSessions = new FetchSessions(this);
  readonly producerIds: ProducerIds;
  readonly groups: Groups;
  /** May do nothing: asks what may be asked without a login. */
  readonly nobody: Identity = nobody;
  #connections = 0;
  readonly #commandByKey: (Command | undefined)[] = [];
  /** For requests that come in. */
  readonly room: RequestRoom;
  /** Connections that owe answers. */
  readonly commits = new CommitWaiters();

  constructor(options: KafkaServerOptions) {
    this.broker = options.broker;
    this.foreignEntries = new ForeignBatches(options.broker);
    this.authority = options.authority;
    this.clock = options.clock;
    this.opening = new TurnShare(options.clock);
    this.recompressions = new Recompressions(this.opening);
    this.random = options.random;
    this.logger = options.logger;
    this.log = new LimitedLog(options.logger, options.clock);
    this.version = options.version;
    this.settings = options.settings;
    this.room = new RequestRoom(Math.max(roomBytes, options.settings.requestBytesMax + sizeBytes));
    this.commands = options.commands;
    this.ports = options.ports;
    this.mayAddTopic = options.mayAddTopic ?? (() => true);
    this.mayConnect = options.mayConnect ?? (() => true);
    this.connectionCountOf = options.connectionCountOf ?? ((user) => this.live.countOf(user));
    this.isPrivate = options.isPrivate ?? (() => false);
    for (const command of options.commands) this.#commandByKey[command.key] = command;
    this.counters = new ApiCounters(options.commands);
    this.brokerDefaults = new BrokerDefaults(options.broker.definitions);
    this.topics = new Topics(this);
    this.producerIds = new ProducerIds(options.broker.definitions);
    const { broker, clock, random, log } = this;
    this.groups = new Groups({
      broker,
      namespace: () => this.namespace,
      clock,
      random,
      log,
      settings: options.settings.groups,
    });
    const { topics, groups, producerIds } = this;
    this.transactions = new Transactions({ broker, topics, groups, producerIds, clock: this.clock, log });
    this.broker.addCommitListener(this.commits);
  }

  /** Where the topics are; undefined when somebody has deleted it. */
  get namespace(): Namespace | undefined {
    return this.broker.namespace(this.settings.namespace);
  }

  /** Ends what goes on of itself. */
  stop(): void {
    this.groups.stop();
    this.transactions.stop();
  }

  command(key: number): Command | undefined {
    return this.#commandByKey[key];
  }

  /** Unique in this process. */
  nextConnectionId(): string {
    return String(++this.#connections);
  }

  /** From when on it is worth a line in the log how long an answer took. */
  slowMs(command: Command): number {
    return command.isLongPoll === true ? Infinity : slowMs;
  }
}
