/**
 * One command of Kafka's protocol: which versions are taken, how it is read and written, what it does. The table of all of
 * them is commands/table.ts; ApiVersions answers from it, so nothing is advertised that nobody handles.
 *
 * A request is a plain object with the camelCase names of Kafka's message definitions: int64 as a number, a uuid as 32
 * hexadecimal digits, bytes and records as views into the request's frame (valid during `handle`, copied by who keeps them),
 * what may be null as null. Fields that the version lacks have their default. Responses are made of the same, and fields
 * that are left out are written as their defaults.
 */
import type { Identity } from "../../auth/identity.ts";
import type { PeerAddress } from "../../server/protocol.ts";
import type { Input, Malformed } from "../../wire/input.ts";
import type { Output } from "../../wire/output.ts";
import type { MessageSchema } from "./codec/schema.ts";
import type { ConnectionLogin } from "./connection-login.ts";
import type { KafkaServer } from "./server.ts";

export interface Command<Request = never, Response = unknown> {
  /** As in Kafka's definitions, without "Request": `CreateTopics`. */
  readonly name: string;
  readonly key: number;
  /** Taken from clients; the schema may know more. */
  readonly minVersion: number;
  readonly maxVersion: number;
  /** What clients are told, where it is less than what is taken: some conclude from it what else a broker can do. */
  readonly shownMinVersion?: number;
  readonly request: MessageSchema;
  readonly response: MessageSchema;
  /** May be sent before a login. */
  readonly isOpen?: boolean;
  /** Its answer may wait for something to happen: that it took long is nothing to be told. */
  readonly isLongPoll?: boolean;
  /** Others of its kind may be handled before it is answered: what is kept of it until then is small. */
  readonly isPipelined?: boolean;
  /** Brings messages: who sends it is held back when more comes in than becomes durable. */
  readonly isProducing?: boolean;
  /** Answers once, now or later, by `call.respond`. Never throws for what a client sent. */
  handle(request: Request, call: Call<Response>): void;
  /** In place of `handle`, for what is hot: reads the request itself. Answers what was malformed, if something was. */
  handleBytes?(input: Input, call: Call<Response>): Malformed | undefined;
}

/** An answer that is written when its turn has come, and that there is room for it in the socket. */
export interface ResponseBody {
  write(output: Output, version: number): void;
}

/** One request that is being answered. Answers of a connection go out in the order of its requests. */
export interface Call<Response = unknown> {
  readonly server: KafkaServer;
  readonly connection: CallerConnection;
  readonly version: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  /** Who asks. Somebody without a name, where that is allowed, is the anonymous user. */
  readonly identity: Identity;
  respond(response: Response): void;
  /** `acks=0`: nothing is sent. */
  respondNothing(): void;
  /** The answer goes when everything done until now is durable. */
  respondWhenDurable(response: Response): void;
  /**
   * Its answer waits for something, and the next request of the connection is handled all the same: `run` is called before
   * that is, and responds.
   */
  waitUntilNext(run: () => void): void;
  /** As respond(), by a writer of its own, once `ticket` is durable. */
  respondBy(body: ResponseBody, ticket: number): void;
}

/** What a command may know of the connection it came by. */
export interface CallerConnection {
  readonly address: PeerAddress;
  /** Unique among those of this process; for logs and for member ids. */
  readonly id: string;
  readonly isClosed: boolean;
  /** What the client is, in its own words: name and version; empty: it did not say. */
  software: string;
  /** Its login, for the commands of SASL. */
  readonly login: ConnectionLogin;
  /** Handles none of its requests until `release`: for a login that is being judged, for a request that takes several turns. */
  hold(): void;
  release(): void;
  /** Ends it, saying why in the log; what was answered goes out first. */
  end(why: string): void;
  /** Bytes behind their size and nothing else, as SASL has them behind SaslHandshake v0. */
  sendToken(bytes: Buffer): void;
  /** Run when the connection has gone; answers how to take that back. */
  onClosed(run: () => void): () => void;
}
