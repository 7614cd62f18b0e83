/** The options `kafka.*`, as the folder sees them. Each owner of a part adds its own. */

import { plainGroupSettings, type GroupSettings } from "./groups/group-settings.ts";

export interface KafkaSettings {
  /** In which the topics are: a virtual host's name. */
  readonly namespace: string;
  /** Largest request, bytes. */
  readonly requestBytesMax: number;
  /** A connection that sends nothing for so long, and waits for nothing, is closed; 0: never. */
  readonly idleMs: number;
  /** Most partitions over all fetch sessions are those of so many sessions; 0: none are kept. */
  readonly fetchSessionsMax: number;
  /** Clients have to log in by SASL. */
  readonly requireSasl: boolean;
  /** Mechanisms that are offered, in Kafka's spelling. */
  readonly saslMechanisms: readonly string[];
  /** What clients are told to connect to, `host:port` or `kafkas://host:port` each: one node for each. Empty: where they came in. */
  readonly advertised: readonly string[];
  /** Of the first node; further ones count on. */
  readonly nodeId: number;
  /** Topics are made when somebody asks what they are. */
  readonly autoCreateTopics: boolean;
  /** Of a topic for which nobody says how many. */
  readonly partitionsDefault: number;
  /** So long a login by SASL holds, ms: then the client logs in again, or is cut off; 0: until its token ends. */
  readonly loginMsMax: number;
  readonly groups: GroupSettings;
}

export const plainKafkaSettings: KafkaSettings = {
  namespace: "/",
  requestBytesMax: 104_857_600,
  idleMs: 600_000,
  fetchSessionsMax: 1000,
  requireSasl: false,
  saslMechanisms: ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"],
  advertised: [],
  nodeId: 1,
  autoCreateTopics: true,
  partitionsDefault: 1,
  loginMsMax: 0,
  groups: plainGroupSettings,
};
