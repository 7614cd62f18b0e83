/**
 * What all protocols of the RabbitMQ family share: the broker, virtual hosts, who may do what, and who is connected. One for
 * each broker; AMQP connections, the management API and shovels are handed it.
 */

import type { Clock } from "../../../base/clock.ts";
import type { Authority } from "../../../auth/authority.ts";
import type { Broker } from "../../../broker/api.ts";
import type { Logger } from "../../../observe/log.ts";
import type { OpenPort } from "../../../server/protocol.ts";
import { Events } from "./events.ts";
import { LiveConnections } from "./live.ts";
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
}

/** What clients and tools take us for: some choose their behaviour by product and version. */
export const spokenProduct = "RabbitMQ";
export const spokenVersion = "3.10.8";

export class RabbitServer {
  readonly broker: Broker;
  readonly authority: Authority;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly version: string;
  /** What is listened on at the moment. */
  readonly ports: () => readonly OpenPort[];
  readonly events: Events;
  readonly vhosts: Vhosts;
  readonly live = new LiveConnections();
  /** The name of the one node of the cluster of one. */
  readonly nodeName: string;
  readonly startedAtMs: number;

  constructor(options: RabbitServerOptions) {
    this.broker = options.broker;
    this.authority = options.authority;
    this.clock = options.clock;
    this.logger = options.logger;
    this.version = options.version;
    this.ports = options.ports ?? (() => []);
    this.events = new Events(options.broker);
    this.vhosts = new Vhosts(options.broker, this.events);
    this.nodeName = `entrepot@${options.broker.id}`;
    this.startedAtMs = options.clock.now();
    this.vhosts.observe({ vhostDeleting: ({ name }) => this.#vhostDeleting(name) });
  }

  #vhostDeleting(name: string): void {
    this.live.closeWhere(({ vhost }) => vhost === name, `vhost '${name}' is deleted`);
  }
}
