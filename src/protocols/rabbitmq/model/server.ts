/**
 * What all protocols of the RabbitMQ family share: the broker, virtual hosts, who may do what, and who is connected. One for
 * each broker; AMQP connections, the management API and shovels are handed it.
 */

import type { Alerts } from "../../../alerts/alerts.ts";
import type { Clock } from "../../../base/clock.ts";
import type { Authority } from "../../../auth/authority.ts";
import type { AuthChange } from "../../../auth/changes.ts";
import type { Broker, Namespace, Pressure, Queue } from "../../../broker/api.ts";
import { LimitedLog } from "../../../observe/limited-log.ts";
import type { Logger } from "../../../observe/log.ts";
import type { OpenPort } from "../../../server/protocol.ts";
import { Events } from "./events.ts";
import { registerFederation } from "./federation-parameters.ts";
import type { ForeignTopics } from "./foreign-topics.ts";
import { LiveConnections } from "./live.ts";
import { MessageSizes } from "./message-sizes.ts";
import { Parameters } from "./parameters.ts";
import type { Caller } from "./permissions.ts";
import { Policies } from "./policies.ts";
import { VhostLimits } from "./vhost-limits.ts";
import type { Trial } from "../../trial.ts";
import type { Shovels } from "../shovel/shovels.ts";
import { Vhosts } from "./vhosts.ts";

export interface RabbitServerOptions {
  readonly broker: Broker;
  readonly authority: Authority;
  /** Of the network: it goes on when the broker's stands still. */
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of this software, for those who look. */
  readonly version: string;
  /** What is listened on at the moment; nothing, unless given. */
  readonly ports?: () => readonly OpenPort[];
  /** That are watched for, to be shown. */
  readonly alerts?: Alerts | undefined;
  /** Of a test suite. */
  readonly trial?: Trial | undefined;
}

/** What was asked of a protocol beside this family, to be shown in metrics. */
export interface RequestCount {
  readonly request: string;
  readonly count: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** From the request's last byte until its answer was written, all together. */
  readonly elapsedMs: number;
}

/** What clients and tools take us for: some choose their behaviour by product and version. */
export const spokenProduct = "RabbitMQ";
export const spokenVersion = "3.10.8";

const nothing = (): void => undefined;

export class RabbitServer {
  readonly broker: Broker;
  readonly authority: Authority;
  readonly clock: Clock;
  readonly logger: Logger;
  /** For what strangers bring about. */
  readonly log: LimitedLog;
  readonly version: string;
  /** What is listened on at the moment. */
  readonly ports: () => readonly OpenPort[];
  readonly events: Events;
  readonly vhosts: Vhosts;
  readonly parameters: Parameters;
  readonly policies: Policies;
  readonly vhostLimits: VhostLimits;
  readonly live = new LiveConnections();
  readonly messageSizes = new MessageSizes();
  /** Exclusive queues, and the connections that declared them. One that is deleted, by whomever, goes by itself. */
  readonly ownerByQueue = new Map<Queue, Caller>();
  /** Set right after it was made, for they need its protocols. */
  shovels: Shovels | undefined;
  /** Kafka's, for definitions; set right after its protocol was made. */
  foreignTopics: ForeignTopics | undefined;
  /** Of Kafka's protocol; set right after it was made. */
  kafkaRequests: (() => Iterable<RequestCount>) | undefined;
  /** That are watched for, if any are. */
  readonly alerts: Alerts | undefined;
  readonly trial: Trial | undefined;
  /** The name of the one node of the cluster of one. */
  readonly nodeName: string;
  readonly startedAtMs: number;
  /** As they were told. */
  readonly #alarms = { memory: false, disk: false };

  constructor(options: RabbitServerOptions) {
    this.broker = options.broker;
    this.authority = options.authority;
    this.clock = options.clock;
    this.logger = options.logger;
    this.log = new LimitedLog(options.logger, options.clock);
    this.version = options.version;
    this.ports = options.ports ?? (() => []);
    this.alerts = options.alerts;
    this.trial = options.trial;
    this.events = new Events(options.broker);
    this.vhosts = new Vhosts(options.broker, this.events);
    this.parameters = new Parameters(options.broker, this.events);
    this.policies = new Policies(options.broker, this.vhosts, this.parameters, this.events);
    this.vhostLimits = new VhostLimits(this.parameters, this.vhosts, this.events);
    registerFederation(this.parameters);
    this.nodeName = `entrepot@${options.broker.id}`;
    this.startedAtMs = options.clock.now();
    for (const { namespace } of this.vhosts.all()) this.#forgetDeletedQueues(namespace);
    this.vhosts.observe({
      vhostCreated: ({ namespace }) => this.#forgetDeletedQueues(namespace),
      vhostDeleting: ({ name }) => this.#vhostDeleting(name),
    });
    this.authority.observe((change) => this.#authChanged(change));
    this.broker.onPressure((pressure) => this.#pressureChanged(pressure));
  }

  /** A name that nobody can guess: `prefix` and 132 bits. */
  uniqueName(prefix: string): string {
    return `${prefix}-${this.broker.random.bytes(16).toString("base64url")}`;
  }

  #forgetDeletedQueues(namespace: Namespace): void {
    namespace.observe({
      queueCreated: nothing,
      queueDeleted: (queue) => {
        this.ownerByQueue.get(queue)?.exclusiveQueues?.delete(queue);
        this.ownerByQueue.delete(queue);
      },
      exchangeCreated: nothing,
      exchangeDeleted: nothing,
      bindingCreated: nothing,
      bindingDeleted: nothing,
    });
  }

  #vhostDeleting(name: string): void {
    this.parameters.clearVhost(name);
    this.live.closeWhere(({ vhost }) => vhost === name, `vhost '${name}' is deleted`);
    this.authority.deleteVhost(name);
  }

  #pressureChanged(pressure: Pressure): void {
    for (const source of ["memory", "disk"] as const) {
      if (pressure[source] === this.#alarms[source]) continue;
      this.#alarms[source] = pressure[source];
      this.events.emit(pressure[source] ? "alarm.set" : "alarm.cleared", { source, node: this.nodeName });
    }
  }

  #authChanged(change: AuthChange): void {
    this.events.emit(change.event, announced(change));
    if (change.event === "user.deleted") {
      this.live.closeWhere(({ user }) => user === change.name, `user '${change.name}' is deleted`);
    }
  }
}

/** The fields of a change's event, as the plug-in names them. */
function announced({ event, ...fields }: AuthChange): Readonly<Record<string, unknown>> {
  if ("permission" in fields) return { ...fields.permission };
  const { name } = fields;
  if (event === "permission.deleted" || event === "topic.permission.deleted")
    return { ...fields, name: undefined, user: name };
  return event === "user.limits.set" || event === "user.limits.cleared" ? { name: "limits", username: name } : fields;
}
