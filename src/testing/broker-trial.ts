/**
 * A broker's trial: what a test suite asked to go wrong, and what it saw. It outlives the broker's crashes, which the parts of
 * the broker that it stands between do not.
 */

import type { Clock } from "../base/clock.ts";
import type { Broker, Namespace, Session } from "../broker/api.ts";
import type { Command } from "../protocols/kafka/command.ts";
import type { KafkaServer } from "../protocols/kafka/server.ts";
import type { LiveConnection } from "../protocols/rabbitmq/model/live.ts";
import { fieldValue } from "../protocols/rabbitmq/model/field-table.ts";
import type { Trial } from "../protocols/trial.ts";
import type { Protocol } from "../server/protocol.ts";
import { BrokerView } from "./broker-view.ts";
import { FaultList } from "./faults.ts";
import type { Party } from "./party.ts";
import { PublishedList, type PublishedBounds } from "./published.ts";
import { TriedCommands } from "./tried-commands.ts";
import { TriedNamespace } from "./tried-namespace.ts";
import { TriedSession } from "./tried-session.ts";
import { TriedSockets } from "./tried-sockets.ts";
import type { Tried } from "./tried.ts";

export class BrokerTrial implements Trial, Tried {
  readonly sockets: TriedSockets;
  readonly faults: FaultList;
  readonly published: PublishedList;
  readonly #commands: TriedCommands;
  readonly #mainNamespace: string;
  readonly #viewByNamespace = new Map<string, BrokerView>();
  #broker: Broker | undefined;

  /**
   * @param mainNamespace of Kafka's topics, where nothing else is said.
   * @param connections who is connected at the moment.
   */
  constructor(
    mainNamespace: string,
    bounds: PublishedBounds,
    systemClock: Clock,
    connections: () => Iterable<LiveConnection>,
  ) {
    this.#mainNamespace = mainNamespace;
    this.sockets = new TriedSockets(systemClock);
    this.published = new PublishedList(bounds, systemClock);
    this.#commands = new TriedCommands(this);
    this.faults = new FaultList((isMeant) => {
      const meant = [...connections()].map(partyOf).filter(isMeant);
      return meant.filter(({ socket }) => this.sockets.cut(socket)).length;
    });
  }

  protocol(protocol: Protocol): Protocol {
    return this.sockets.through(protocol);
  }

  namespace(namespace: Namespace, by: LiveConnection): Namespace {
    return new TriedNamespace(namespace, this.#broker!, partyOf(by), this);
  }

  session(session: Session, by: LiveConnection): Session {
    return new TriedSession(session, partyOf(by), this);
  }

  commands(commands: readonly Command[]): readonly Command[] {
    return this.#commands.through(commands);
  }

  brokerFor(broker: Broker, namespace: string): Broker {
    // After a crash it is another one.
    if (namespace === this.#mainNamespace) this.#broker = broker;
    const view = new BrokerView(broker, namespace, namespace === this.#mainNamespace);
    this.#viewByNamespace.set(namespace, view);
    return view;
  }

  /** It is gone, with all that was in it. */
  forgetNamespace(namespace: string): void {
    this.#viewByNamespace.get(namespace)?.forgetDefinitions();
    this.#viewByNamespace.delete(namespace);
    this.#commands.forgetNamespace(namespace);
    this.published.forgetNamespace(namespace);
  }

  /**
   * Sessions of groups' members run by the machine's clock, for clients send heartbeats by theirs. When time is passed by
   * saying so, a member whose connection is there would have sent them meanwhile, and stays; one that has gone without a
   * word would not.
   */
  membersAge({ groups, clock }: KafkaServer, ms: number): void {
    for (const { group } of [...groups.all()]) {
      for (const member of [...group.members.values()]) {
        if (member.expiresAtMs === Infinity || this.sockets.hasMember(member.id)) continue;
        member.expiresAtMs -= ms;
        if (member.expiresAtMs > clock.elapsedMs()) continue;
        const { id: memberId, instanceId } = member;
        groups.leave(group.id, [{ memberId, instanceId, reason: "its session has timed out" }]);
      }
    }
  }
}

function partyOf({ protocol, name, clientProperties, user, vhost }: LiveConnection): Party {
  const client = fieldValue(clientProperties, "connection_name")?.value;
  return {
    protocol: protocol === "Kafka" ? "kafka" : "amqp",
    socket: name,
    client: typeof client === "string" ? client : "",
    user,
    namespace: vhost,
  };
}
