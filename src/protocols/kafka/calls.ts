/**
 * Requests of one connection that are not answered yet. They are handled as they come, and answered in their order, as
 * clients expect: an answer that is ready waits for those before it, and for room in the socket. It is written no earlier,
 * so what a peer does not read is no memory of ours: a fetch takes its bytes from the log when its turn has come.
 */

import { assert } from "../../base/assert.ts";
import { putU32 } from "../../base/bytes.ts";
import type { Identity } from "../../auth/identity.ts";
import type { Output } from "../../wire/output.ts";
import { responseHasTags } from "./codec/headers.ts";
import type { Call, Command, ResponseBody } from "./command.ts";
import type { KafkaConnection } from "./connection.ts";
import type { KafkaServer } from "./server.ts";

export class PendingCall implements Call {
  readonly connection: KafkaConnection;
  readonly command: Command;
  readonly version: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  readonly identity: Identity;
  readonly startedMs: number;
  /** Whether it has its answer, or none is to be sent. */
  isAnswered = false;
  isSilent = false;
  isWritten = false;
  /** To be called before the next request is handled: it does not wait for this one's answer. */
  beforeNext: (() => void) | undefined;
  /** The answer may go when this is durable. */
  ticket = 0;
  /** Of its request: what is kept of it, and what its answer will be, goes by them. */
  elements = 0;
  #response: unknown;
  #body: ResponseBody | undefined;

  constructor(
    connection: KafkaConnection,
    command: Command,
    version: number,
    correlationId: number,
    clientId: string | null,
    identity: Identity,
  ) {
    this.connection = connection;
    this.command = command;
    this.version = version;
    this.correlationId = correlationId;
    this.clientId = clientId;
    this.identity = identity;
    this.startedMs = connection.server.clock.elapsedMs();
  }

  get server(): KafkaServer {
    return this.connection.server;
  }

  respond(response: unknown): void {
    this.#response = response;
    this.#answered();
  }

  respondNothing(): void {
    this.isSilent = true;
    this.#answered();
  }

  respondWhenDurable(response: unknown): void {
    this.#response = response;
    this.ticket = this.server.broker.ticket;
    this.#answered();
  }

  waitUntilNext(run: () => void): void {
    this.beforeNext = run;
  }

  respondBy(body: ResponseBody, ticket: number): void {
    this.#body = body;
    this.ticket = ticket;
    this.#answered();
  }

  #answered(): void {
    assert(!this.isAnswered, "a request is answered once");
    this.isAnswered = true;
    this.connection.answered();
  }

  /** Writes size, header and body. */
  write(output: Output): void {
    const at = output.reserve(8);
    const { buffer } = output;
    const before = output.bytes;
    putU32(buffer, at + 4, this.correlationId);
    const { command, version } = this;
    if (responseHasTags(command.response, version)) output.u8(0);
    if (this.#body !== undefined) this.#body.write(output, version);
    else command.response.write(output, version, this.#response as never);
    putU32(buffer, at, 4 + output.bytes - before);
  }
}

export class PendingCalls {
  #calls: PendingCall[] = [];
  #head = 0;
  /** Of all of them. */
  elements = 0;

  get count(): number {
    return this.#calls.length - this.#head;
  }

  get first(): PendingCall | undefined {
    return this.#calls[this.#head];
  }

  /** Its request has been read, which is no small one perhaps. */
  weigh(call: PendingCall, elements: number): void {
    call.elements = elements;
    this.elements += elements;
  }

  add(call: PendingCall): void {
    this.#calls.push(call);
  }

  removeFirst(): void {
    this.elements -= this.#calls[this.#head]!.elements;
    this.#calls[this.#head++] = undefined as unknown as PendingCall;
    if (this.#head === this.#calls.length) {
      this.#calls.length = 0;
      this.#head = 0;
    } else if (this.#head >= 64) {
      this.#calls.splice(0, this.#head);
      this.#head = 0;
    }
  }
}
