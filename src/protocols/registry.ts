/**
 * The protocols that exist: one line each. Their names are those of `--listen NAME=HOST:PORT`. Protocols of one family share
 * what they know: a queue that is declared over one is listed by the other.
 */

import type { Alerts } from "../alerts/alerts.ts";
import type { Clock } from "../base/clock.ts";
import type { Authority } from "../auth/authority.ts";
import type { Broker, MessageFormat } from "../broker/api.ts";
import type { Logger } from "../observe/log.ts";
import type { HttpHandler } from "../server/http-listener.ts";
import { socketDial } from "../server/dial.ts";
import type { OpenPort, Protocol } from "../server/protocol.ts";
import { queueDeclaration } from "./rabbitmq/model/declaration.ts";
import { importAtStart, type StartDefinitions } from "./rabbitmq/model/definitions-at-start.ts";
import { createKafka } from "./kafka/index.ts";
import { batchFormat, recordFormat } from "./kafka/mapping/format.ts";
import { TopicDefinitions } from "./kafka/topics/topic-definitions.ts";
import type { KafkaServer } from "./kafka/server.ts";
import type { KafkaSettings } from "./kafka/settings.ts";
import { amqpFormat } from "./rabbitmq/model/format.ts";
import type { AmqpSettings } from "./rabbitmq/amqp091/hub.ts";
import type { ManagementSettings } from "./rabbitmq/management/serve.ts";
import type { JsonObject } from "./rabbitmq/model/parameter-checks.ts";
import { RabbitServer } from "./rabbitmq/model/server.ts";
import { createAmqp } from "./rabbitmq/amqp091/index.ts";
import { Shovels, staticShovelFaults } from "./rabbitmq/shovel/shovels.ts";
import { plainVhost } from "./rabbitmq/model/vhosts.ts";
import { showKafka } from "./shown-kafka.ts";
import type { Trial } from "./trial.ts";

/** What protocols are made of. */
export interface ProtocolParts {
  readonly broker: Broker;
  readonly authority: Authority;
  /** The machine's clock, for the network: it goes on when the broker's stands still. */
  readonly clock: Clock;
  readonly logger: Logger;
  readonly version: string;
  /** What is listened on at the moment. */
  readonly ports: () => readonly OpenPort[];
  /** To be shown. */
  readonly alerts?: Alerts | undefined;
  /** Of a test suite. */
  readonly trial?: Trial | undefined;
  readonly settings: {
    readonly amqp: AmqpSettings;
    readonly kafka: KafkaSettings;
    readonly management: ManagementSettings;
    /** Definitions by name, as RabbitMQ's parameters have them. */
    readonly shovels: unknown;
  };
}

/** Of all protocols: whatever listens, the core must understand what it has stored. */
export const messageFormats: readonly MessageFormat[] = [amqpFormat, batchFormat, recordFormat];

/** What is wrong with settings that only protocols can judge. */
export function protocolFaults(settings: { readonly shovels: unknown }): readonly string[] {
  return staticShovelFaults(settings.shovels);
}

/** What answers over HTTP. */
export interface HttpHandlers {
  /** RabbitMQ's management API. */
  readonly management: HttpHandler | undefined;
  /** For Prometheus. */
  readonly metrics: HttpHandler | undefined;
  /** Ends what goes on between requests. */
  stop(): void;
}

/** A namespace for somebody alone, with Kafka's topics in it. */
export interface OwnNamespace {
  readonly kafka: Protocol;
  readonly kafkaServer: KafkaServer;
  /** Ends what goes on in it, but leaves what is there. */
  stop(): void;
}

/** The protocols of one broker. */
export interface Protocols {
  /** By the name of the listener. */
  readonly onSockets: Readonly<Record<"amqp" | "amqps" | "kafka" | "kafkas", Protocol>>;
  /** Loads and makes what answers over HTTP: a large part of the program, of which a broker without such a port knows nothing. */
  loadHttp(): Promise<HttpHandlers>;
  /** What they do of themselves, once all ports are open. */
  readonly shovels: Shovels;
  readonly rabbit: RabbitServer;
  readonly kafkaServer: KafkaServer;
  /** Makes a virtual host, unless there is one, in which the user may do everything. */
  openNamespace(name: string, user: string): OwnNamespace;
  /** Ends what Kafka's part does of itself. */
  stopKafka(): void;
  /** Takes definitions before any port is open. @returns what is wrong with them, a sentence each. */
  importAtStart(definitions: StartDefinitions): readonly string[];
}

export function createProtocols(parts: ProtocolParts): Protocols {
  const { trial } = parts;
  const rabbit = new RabbitServer(parts);
  const amqp = createAmqp(rabbit, parts.settings.amqp);
  const { kafka, server: kafkaServer } = kafkaIn(parts, rabbit, parts.settings.kafka.namespace);
  rabbit.foreignTopics = new TopicDefinitions(kafkaServer);
  rabbit.kafkaRequests = () => kafkaServer.counters.all();
  const shovels = new Shovels({
    server: rabbit,
    ends: {
      own: amqp,
      dial: socketDial(parts.clock),
      clock: parts.clock,
      random: parts.broker.random,
      version: parts.version,
    },
    staticDefinitions: parts.settings.shovels as Record<string, JsonObject>,
  });
  rabbit.shovels = shovels;
  const amqpOnSockets = trial?.protocol(amqp) ?? amqp;
  return {
    rabbit,
    kafkaServer,
    shovels,
    stopKafka: () => kafkaServer.stop(),
    importAtStart: (definitions) => importAtStart(rabbit, definitions),
    onSockets: { amqp: amqpOnSockets, amqps: amqpOnSockets, kafka, kafkas: kafka },
    openNamespace(name, user) {
      if (rabbit.vhosts.find(name) === undefined) rabbit.vhosts.create(name, plainVhost);
      parts.authority.permissions.set({ user, vhost: name, configure: ".*", write: ".*", read: ".*" });
      const own = kafkaIn(parts, rabbit, name);
      return { kafka: own.kafka, kafkaServer: own.server, stop: () => stopAlone(own.server) };
    },
    loadHttp: async () => {
      const { serveManagement } = await import("./rabbitmq/management/serve.ts");
      return serveManagement(rabbit, parts.settings.management);
    },
  };
}

/** While its broker goes on. Its connections have gone. */
function stopAlone(server: KafkaServer): void {
  server.stop();
  server.broker.removeCommitListener(server.commits);
}

/** Kafka's protocol for the topics of one namespace. */
function kafkaIn(
  parts: ProtocolParts,
  rabbit: RabbitServer,
  namespace: string,
): { kafka: Protocol; server: KafkaServer } {
  const { trial } = parts;
  const broker = trial?.brokerFor(parts.broker, namespace) ?? parts.broker;
  const { kafka, server } = createKafka({
    ...parts,
    broker,
    random: broker.random,
    settings: { ...parts.settings.kafka, namespace },
    tried: trial && ((commands) => trial.commands(commands)),
    mayAddTopic: () => !rabbit.vhostLimits.wouldExceedQueues(namespace, 1),
    mayConnect: () => {
      const most = rabbit.vhostLimits.connectionsMax(namespace);
      return most < 0 || rabbit.live.countInVhost(namespace) < most;
    },
    connectionCountOf: (user) => rabbit.live.countOfUser(user),
    isPrivate: (queue) => queueDeclaration(queue).exclusive,
  });
  showKafka(server, rabbit.live);
  return { kafka: trial?.protocol(kafka) ?? kafka, server };
}
