/**
 * The one table of options. From it come the configuration file, the environment (`amqp.frameMaxBytes` is
 * ENTREPOT_AMQP_FRAME_MAX_BYTES), `--set`, the help text, and what `entrepot config` prints. To add an option, add a
 * line: nothing else has to know. Defaults are written as an operator would write them, and are read by the same kinds.
 *
 * Settings stay flat, under their dotted keys (`settings["journal.fileBytes"]`), so that the name in a file, in an error
 * and in the code is the same text, to be found by one search.
 */

import * as os from "node:os";
import {
  address,
  addresses,
  choice,
  duration,
  integer,
  list,
  optionalText,
  secret,
  size,
  sizeOrShare,
  structure,
  text,
  toldAddresses,
  yesOrNo,
  type Kind,
} from "./kinds.ts";

interface Option<T> {
  readonly kind: Kind<T>;
  readonly default: string;
  readonly prose: string;
}

function option<T>(kind: Kind<T>, standard: string, prose: string): Option<T> {
  return { kind, default: standard, prose };
}

const tlsVersions = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"] as const;
const mebibyte = 1024 * 1024;

export const options = {
  "data.directory": option(
    text("the path of a directory"),
    "./entrepot-data",
    "Where the journal, the segments and the checkpoints are kept. Made if it is missing; used by one broker at a time.",
  ),
  "data.inMemory": option(
    yesOrNo,
    "false",
    "Keep everything in memory and nothing on disk: gone when the broker stops.",
  ),
  "listen.amqp": option(
    address("127.0.0.1"),
    "127.0.0.1:5672",
    "AMQP 0-9-1. As soon as one listen option is set anywhere, only those that are set listen.",
  ),
  "listen.kafka": option(address("127.0.0.1"), "127.0.0.1:9092", "Kafka's protocol."),
  "listen.http": option(
    address("127.0.0.1"),
    "127.0.0.1:15672",
    "HTTP: RabbitMQ's management API under /api, /metrics for Prometheus, /health/live and /health/ready.",
  ),
  "listen.amqps": option(
    address("127.0.0.1"),
    "off",
    "AMQP 0-9-1 over TLS, with the certificate of tls.certificateFile. Its standard port is 5671.",
  ),
  "listen.kafkas": option(
    address("127.0.0.1"),
    "off",
    "Kafka's protocol over TLS, with the certificate of tls.certificateFile. Often on port 9093.",
  ),
  "listen.https": option(
    address("127.0.0.1"),
    "off",
    "What listen.http serves, over TLS. RabbitMQ's port for it is 15671.",
  ),
  "listen.prometheus": option(
    address("127.0.0.1"),
    "off",
    "HTTP for scrapers alone: /metrics and /health, nothing that asks for a password. RabbitMQ's port for it is 15692.",
  ),
  "tls.certificateFile": option(
    optionalText("the path of a PEM file"),
    "",
    "The broker's certificate, and behind it those of its issuers up to, and perhaps without, the root. Read again when it changes.",
  ),
  "tls.keyFile": option(
    optionalText("the path of a PEM file"),
    "",
    "The private key of the certificate; without it, the key is looked for in tls.certificateFile. Read again when it changes.",
  ),
  "tls.keyPassword": option(secret("the password of an encrypted key"), "", "Decrypts the private key."),
  "tls.caFile": option(
    optionalText("the path of a PEM file"),
    "",
    "Certificates of those whose clients' certificates are trusted. Read again when it changes.",
  ),
  "tls.verify": option(
    choice("none", "peer"),
    "none",
    "Whether clients are asked for a certificate. With peer, one that tls.caFile does not vouch for ends the connection.",
  ),
  "tls.failIfNoPeerCertificate": option(
    yesOrNo,
    "false",
    "With tls.verify peer: whether clients without a certificate are refused as well.",
  ),
  "tls.versionMin": option(choice(...tlsVersions), "TLSv1.2", "Lowest version of TLS that is spoken."),
  "tls.versionMax": option(choice(...tlsVersions), "TLSv1.3", "Highest version of TLS that is spoken."),
  "tls.ciphers": option(
    optionalText("a list of ciphers as OpenSSL writes it, such as TLS_AES_256_GCM_SHA384:ECDHE+AESGCM"),
    "",
    "The ciphers that are allowed, by preference; without it, Node's list, which has nothing weak.",
  ),
  "tls.honorCipherOrder": option(
    yesOrNo,
    "true",
    "Whether the order of tls.ciphers decides, or the order in which the client prefers them.",
  ),
  "tls.handshakeTimeoutMs": option(
    duration(100, 120_000),
    "5s",
    "How long a client may take for the handshake of TLS before it is cut off.",
  ),
  "management.sampleIntervalMs": option(
    duration(1000, 3_600_000),
    "5s",
    "How often counters are sampled for the rates that the management API shows. Milliseconds, or like 5s.",
  ),
  "management.ratesMode": option(
    choice("basic", "none"),
    "basic",
    "What the management API tells of rates: basic, or none, which samples nothing.",
  ),
  "management.corsOrigins": option(
    list("sites with commas between them"),
    "",
    "Sites whose pages may use the management API in a browser, as https://ops.example.com; * for all. Pages of others can " +
      "change nothing, and read nothing.",
  ),
  "auth.backends": option(
    list("names with commas between them", ["internal", "oauth2"]),
    "internal",
    "Who judges logins, in this order: internal for the users of this broker, oauth2 for tokens (a client gives one in the " +
      "password's place). The first that accepts decides.",
  ),
  "auth.loopbackUsers": option(
    list("names with commas between them"),
    "guest",
    "Users that may log in from this machine only, because their passwords are known to everybody.",
  ),
  "auth.defaultUser": option(text("a name"), "guest", "The administrator that is made at the first start of all."),
  "auth.defaultPassword": option(secret("a password"), "guest", "The password of auth.defaultUser."),
  "auth.anonymousUser": option(
    optionalText("a name"),
    "guest",
    "As whom clients are logged in that log in as nobody (ANONYMOUS); without it, they are refused.",
  ),
  "auth.anonymousPassword": option(
    secret("a password"),
    "guest",
    "The password of auth.anonymousUser. Once the user has another one, nobody logs in as nobody.",
  ),
  "auth.certificateLoginFrom": option(
    choice("distinguished_name", "common_name", "subject_alternative_name"),
    "distinguished_name",
    "What of a client's certificate is the name of its user: the whole subject as RFC 4514 writes it, or one name in it.",
  ),
  "auth.certificateSanType": option(
    choice("dns", "ip", "email", "uri", "other_name"),
    "dns",
    "With auth.certificateLoginFrom subject_alternative_name: of which type the name is.",
  ),
  "auth.certificateSanIndex": option(integer(0, 1000), "0", "Which of the names of auth.certificateSanType, from 0."),
  "auth.oauth2.resourceServerId": option(
    optionalText("an id"),
    "",
    "What this broker is called in the audience of tokens. Needed for auth.backends oauth2.",
  ),
  "auth.oauth2.issuer": option(
    optionalText("a URL"),
    "",
    "Whose tokens are taken. Its OpenID configuration says where the keys are, unless auth.oauth2.jwksUrl does.",
  ),
  "auth.oauth2.verifyIssuer": option(yesOrNo, "true", "Refuse tokens whose iss is not auth.oauth2.issuer."),
  "auth.oauth2.jwksUrl": option(optionalText("a URL"), "", "Where the keys are that sign tokens. Fetched when needed."),
  "auth.oauth2.jwksFile": option(optionalText("the path of a file"), "", "A JSON Web Key Set to check tokens with."),
  "auth.oauth2.signingKeys": option(
    structure,
    "{}",
    "Keys to check tokens with: a map from ids of keys to paths of PEM files with public keys or certificates.",
  ),
  "auth.oauth2.defaultKey": option(optionalText("the id of a key"), "", "The key of tokens that name none."),
  "auth.oauth2.algorithms": option(
    list("names of algorithms with commas between them"),
    "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519, HS256, HS384, HS512",
    "Algorithms that tokens may be signed with. Each counts only for keys of its type.",
  ),
  "auth.oauth2.verifyAudience": option(
    yesOrNo,
    "true",
    "Refuse tokens whose audience does not hold auth.oauth2.resourceServerId.",
  ),
  "auth.oauth2.requireExpiry": option(yesOrNo, "true", "Refuse tokens that never end."),
  "auth.oauth2.scopePrefix": option(
    optionalText("a text"),
    "{resourceServerId}.",
    "What scopes for this broker begin with; others are passed over.",
  ),
  "auth.oauth2.additionalScopesKeys": option(
    list("claims with commas between them, with dots between the levels"),
    "",
    "Claims that hold scopes as well, besides scope.",
  ),
  "auth.oauth2.scopeAliases": option(
    structure,
    "{}",
    "Scopes in our form by the name of a role of the identity provider: a map from texts to lists of scopes.",
  ),
  "auth.oauth2.usernameClaims": option(
    list("claims with commas between them"),
    "sub, client_id",
    "Claims that name the user; the first that a token has counts.",
  ),
  "log.level": option(choice("debug", "info", "warn", "error"), "info", "The least that is logged, to standard error."),
  "log.format": option(choice("text", "json"), "text", "How it is logged: a line to read, or a JSON object a line."),
  "definitions.importFile": option(
    optionalText("the path of a JSON file, or of a directory of them"),
    "",
    "Definitions in RabbitMQ's format (users, virtual hosts, policies, queues, ...) to import at each start, before any port opens. No default user is made then.",
  ),
  "definitions.skipIfUnchanged": option(
    yesOrNo,
    "false",
    "Import the definitions only if they are others than those that were imported last.",
  ),
  "journal.fileBytes": option(
    size(mebibyte, 4096 * mebibyte),
    "64MiB",
    "Size of a journal file. Room in it is made ahead of its use, and files are used again.",
  ),
  "journal.checkpointBytes": option(
    size(mebibyte, 65_536 * mebibyte),
    "48MiB",
    "How much is written to the journal before a checkpoint moves what is still alive to segments. More of it means less " +
      "to write for queues that keep up, and a longer recovery.",
  ),
  "cache.bytes": option(
    size(4 * mebibyte, 1024 * 1024 * mebibyte),
    "128MiB",
    "Memory for the newest entries of all topics together, half of memory.highWatermarkBytes at most. Beyond it, readers read from disk.",
  ),
  "memory.highWatermarkBytes": option(
    sizeOrShare(64 * mebibyte, memoryBytes()),
    "60%",
    "When messages take more memory than this, producers are blocked until it falls; consumers go on. The process takes some more.",
  ),
  "disk.freeBytesMin": option(
    size(0, 1024 * 1024 * 1024 * mebibyte),
    "50MB",
    "With less than this free where the data is, producers are blocked until there is more; consumers go on.",
  ),
  "connections.max": option(
    integer(1, 1_000_000),
    "65536",
    "Most connections of one listener; of all together, as many as the process may have files, less some for its own. " +
      "Those that come when there are as many are closed at once.",
  ),
  "amqp.frameMaxBytes": option(size(4096, 128 * mebibyte), "128KiB", "Largest frame that is offered to clients."),
  "amqp.channelMax": option(integer(1, 65_535), "2047", "Most channels of one connection that are offered to clients."),
  "amqp.heartbeatSeconds": option(
    integer(0, 65_535),
    "60",
    "Heartbeat that is offered to clients, in seconds; 0 for none. A peer that is silent for twice as long is cut off.",
  ),
  "amqp.messageBytesMax": option(size(1, 512 * mebibyte), "128MiB", "Largest body of one message."),
  "amqp.consumerTimeoutMs": option(
    duration(0, 365 * 86_400_000),
    "30m",
    "A channel with a delivery that is older than this is closed with PRECONDITION_FAILED; 0 for never.",
  ),
  "kafka.namespace": option(
    text("the name of a virtual host"),
    "/",
    "Whose queues and logs are the topics of Kafka's clients, and where their topics are made.",
  ),
  "kafka.advertised": option(
    toldAddresses("addresses with commas between them, as broker.example.com:9092 or kafkas://broker.example.com:9093"),
    "",
    "What Kafka's clients are told to connect to, where that is not the address at which they came in; with kafkas:// in " +
      "front, those that came in with TLS. Several are shown as several nodes of one cluster; they must all lead here.",
  ),
  "kafka.nodes": option(
    addresses("127.0.0.1", "kafkas://"),
    "",
    "Further ports for Kafka's protocol, with kafkas:// in front of those with TLS. Each is shown to clients as one more node " +
      "of the cluster, and answers for all that the first does.",
  ),
  "kafka.nodeId": option(
    integer(0, 1_000_000_000),
    "1",
    "The id of this broker to Kafka's clients; further addresses that they are told of count on from it. Kafka's node.id.",
  ),
  "kafka.autoCreateTopics": option(
    yesOrNo,
    "true",
    "Whether a topic is made when a client asks for one that is not there. Kafka's auto.create.topics.enable.",
  ),
  "kafka.partitionsDefault": option(
    integer(1, 10_000),
    "1",
    "Partitions of a topic for which nobody says how many. Kafka's num.partitions.",
  ),
  "kafka.loginMsMax": option(
    duration(0, 365 * 86_400_000),
    "0",
    "How long a login by SASL holds: then the client has to log in again on its connection, or is cut off. 0: as long as " +
      "the connection, or its token. Kafka's connections.max.reauth.ms.",
  ),
  "kafka.requestBytesMax": option(
    size(1024, 1024 * mebibyte),
    "100MiB",
    "Largest request; who sends a larger one is cut off. Kafka's socket.request.max.bytes.",
  ),
  "kafka.idleMs": option(
    duration(0, 365 * 86_400_000),
    "10m",
    "A connection on which nothing was asked for so long, or whose answers nobody took, is closed; 0 for never. Kafka's connections.max.idle.ms.",
  ),
  "kafka.fetchSessionsMax": option(
    integer(0, 1_000_000),
    "1000",
    "Fetch sessions that are kept; more clients than that fetch without one. Kafka's max.incremental.fetch.session.cache.slots.",
  ),
  "kafka.sasl": option(
    list("names with commas between them", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]),
    "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512",
    "Mechanisms by which Kafka's clients may log in.",
  ),
  "kafka.groupInitialRebalanceDelayMs": option(
    duration(0, 300_000),
    "3s",
    "How long a group that was empty waits for more members before its first assignment, and again while some come. In tests, 0. Kafka's group.initial.rebalance.delay.ms.",
  ),
  "kafka.groupInitialRebalanceQuietMs": option(
    duration(0, 300_000),
    "1s",
    "That wait is over when no member has come for so long. 0: only at the end of the delay, as in Kafka.",
  ),
  "kafka.groupHeartbeatHoldMaxMs": option(
    duration(0, 30_000),
    "3s",
    "How long the answer to a member's heartbeat waits at most, so that it hears of a rebalance at once; only for client libraries that do not wait for it. 0: not at all, as in Kafka.",
  ),
  "kafka.groupSessionTimeoutMinMs": option(
    duration(1, 86_400_000),
    "6s",
    "The shortest session timeout that a member may ask for. Kafka's group.min.session.timeout.ms.",
  ),
  "kafka.groupSessionTimeoutMaxMs": option(
    duration(1, 86_400_000),
    "30m",
    "The longest session timeout that a member may ask for. Kafka's group.max.session.timeout.ms.",
  ),
  "kafka.groupMembersMax": option(
    integer(1, 2_147_483_647),
    "2147483647",
    "Members that one group may have. Kafka's group.max.size.",
  ),
  "kafka.offsetsRetentionMs": option(
    duration(1000, 3_650 * 86_400_000),
    "7d",
    "How long committed offsets are kept after the last member has left their group, or after their commit where nobody is a member. Kafka's offsets.retention.minutes.",
  ),
  "kafka.offsetMetadataMax": option(
    integer(0, 8192),
    "4096",
    "Longest text that may go with a committed offset. Kafka's offset.metadata.max.bytes.",
  ),
  "kafka.requireSasl": option(
    yesOrNo,
    "false",
    "Whether Kafka's clients must log in by SASL. Without it, those that do not are who their certificate says, or " +
      "auth.anonymousUser.",
  ),
  shovels: option(
    structure,
    "{}",
    "Static shovels, which move messages between queues and exchanges of this and other brokers: a map from names to " +
      "definitions in the form of RabbitMQ's dynamic shovels. See shovel.md.",
  ),
  alerts: option(structure, "{}", "Rules that watch queues, memory and disk, and whom they tell. See alerts.md."),
  "shutdown.deadlineMs": option(
    duration(0, 3_600_000),
    "10s",
    "How long a graceful stop may take. Nothing acknowledged is lost if it is cut short.",
  ),
} as const;

export type OptionKey = keyof typeof options;

/** Every option with its value. */
export type Settings = {
  readonly [K in OptionKey]: (typeof options)[K] extends Option<infer T> ? T : never;
};

/** All keys, in the order of the table. */
export const optionKeys: readonly OptionKey[] = Object.keys(options) as OptionKey[];

/** ENTREPOT_AMQP_FRAME_MAX_BYTES for `amqp.frameMaxBytes`. */
export function variableOf(key: OptionKey): string {
  return `ENTREPOT_${key.replaceAll(".", "_").replace(/[A-Z]/g, "_$&").toUpperCase()}`;
}

/** What this process may use: a container's limit, where there is one. */
function memoryBytes(): number {
  const limitBytes = process.constrainedMemory();
  return limitBytes > 0 ? Math.min(limitBytes, os.totalmem()) : os.totalmem();
}
