/**
 * What every test of bad input needs: a broker with its data on disk, and a witness, a well-behaved client that goes
 * on working while others misbehave and says what it noticed. Memory is looked at from outside, as an operator would.
 *
 * With ENTREPOT_AMQP the same tests run against what listens there; its memory is not known then.
 */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { connect, type ChannelModel } from "amqplib";
import { handshake, type HandshakeOptions } from "../conformance/amqp091/handshake.ts";
import { WireConnection } from "../conformance/amqp091/wire-client.ts";
import { residentBytes, spawnBroker, type BrokerProcess } from "../interop/broker.ts";

const mebibyte = 1024 * 1024;

/** Whether the broker under test is ours, whose manners may go beyond RabbitMQ's. */
export const isEntrepot = process.env["ENTREPOT_AMQP"] === undefined;

export class Arena {
  readonly #dataDir = mkdtempSync(join(tmpdir(), "entrepot-hostile-"));
  readonly #peers = new Set<WireConnection>();
  #broker: BrokerProcess | undefined;
  #residentBefore: number | undefined;

  /** Starts a broker that is gone when the test ends. */
  static async open(t: TestContext): Promise<Arena> {
    const arena = new Arena();
    t.after(() => arena.#close());
    await arena.#start();
    return arena;
  }

  get amqp(): string {
    return this.#broker?.amqp ?? process.env["ENTREPOT_AMQP"] ?? "";
  }

  /** Of ours only. */
  get kafka(): string {
    return this.#broker?.addresses["kafka"] ?? "";
  }

  get host(): string {
    return this.amqp.slice(0, this.amqp.lastIndexOf(":"));
  }

  get port(): number {
    return Number(this.amqp.slice(this.amqp.lastIndexOf(":") + 1));
  }

  /** Stops the broker in good order and starts it again on the same data; does nothing to a broker that is not ours. */
  async restart(): Promise<void> {
    if (this.#broker === undefined) return;
    assert.equal(await this.#broker.kill("SIGTERM"), 0, this.#broker.log());
    await this.#start();
  }

  /** A connection that can say anything, before its handshake; `line` gets what it takes in, in words. */
  async peer(line: (text: string) => void = () => undefined): Promise<WireConnection> {
    const peer = await WireConnection.open("", this.host, this.port, { line, patienceMs: 20_000 });
    this.#peers.add(peer);
    return peer;
  }

  /** The same, after its handshake. */
  async client(options: HandshakeOptions = {}): Promise<WireConnection> {
    const peer = await this.peer();
    await handshake(peer, options);
    return peer;
  }

  /** Runs something hostile beside a witness; afterwards the witness must not have been disturbed, nor memory have grown. */
  async disturb(
    limits: { growthMebibytesMax: number; stallMsMax?: number },
    hostile: () => Promise<void>,
  ): Promise<void> {
    const witness = await Witness.begin(this.amqp);
    this.#residentBefore = residentBytes(this.#broker?.pid);
    try {
      await hostile();
      this.checkMemory(limits.growthMebibytesMax);
    } catch (error) {
      await witness.leave();
      throw error;
    }
    await witness.end(limits.stallMsMax ?? 3000);
  }

  /** To be called at the height of it as well, where it passes. */
  checkMemory(growthMebibytesMax: number): void {
    const resident = residentBytes(this.#broker?.pid);
    if (resident === undefined || this.#residentBefore === undefined) return;
    const grownMebibytes = Math.round((resident - this.#residentBefore) / mebibyte);
    assert.ok(grownMebibytes <= growthMebibytesMax, `memory grew by ${grownMebibytes} MiB`);
  }

  async #start(): Promise<void> {
    if (!isEntrepot) return;
    const set = { "cache.bytes": "16MiB", "journal.fileBytes": "16MiB", "journal.checkpointBytes": "32MiB" };
    const listen = { amqp: "127.0.0.1:0", kafka: "127.0.0.1:0" };
    this.#broker = await spawnBroker({ dataDir: this.#dataDir, set, listen });
  }

  async #close(): Promise<void> {
    for (const peer of this.#peers) if (!peer.isClosed) await peer.drop();
    await this.#broker?.kill("SIGKILL");
    rmSync(this.#dataDir, { recursive: true, force: true });
  }
}

/** A client that publishes with confirms and consumes its own messages, one after the other, all the time. */
class Witness {
  readonly #connection: ChannelModel;
  readonly #ended: Promise<void>;
  #isEnding = false;
  #rounds = 0;
  #longestMs = 0;

  private constructor(connection: ChannelModel) {
    this.#connection = connection;
    this.#ended = this.#work();
    // Looked at when the witness is asked; until then it is no unhandled rejection.
    this.#ended.catch(() => undefined);
  }

  static async begin(amqp: string): Promise<Witness> {
    const connection = await connect(`amqp://guest:guest@${amqp}/?heartbeat=5`);
    connection.on("error", () => undefined);
    return new Witness(connection);
  }

  /** Goes without a word on what it saw. */
  async leave(): Promise<void> {
    this.#isEnding = true;
    await this.#connection.close().catch(() => undefined);
  }

  async end(stallMsMax: number): Promise<void> {
    this.#isEnding = true;
    await this.#ended;
    await this.leave();
    assert.ok(this.#rounds >= 3, `the witness got through ${this.#rounds} rounds only`);
    assert.ok(this.#longestMs <= stallMsMax, `the witness once waited ${Math.round(this.#longestMs)} ms`);
  }

  async #work(): Promise<void> {
    const channel = await this.#connection.createConfirmChannel();
    const lost = new Promise<never>((_, reject) => {
      channel.on("error", reject);
      channel.on("close", () => reject(new Error("the witness was disconnected")));
    });
    const { queue } = await channel.assertQueue("", { exclusive: true });
    let arrived = Promise.withResolvers<string>();
    await channel.consume(queue, (message) => {
      channel.ack(message!);
      arrived.resolve(message!.content.toString());
    });
    do {
      const began = performance.now();
      const body = `round ${this.#rounds}`;
      arrived = Promise.withResolvers();
      channel.sendToQueue(queue, Buffer.from(body), { persistent: true });
      await Promise.race([channel.waitForConfirms(), lost]);
      assert.equal(await Promise.race([arrived.promise, lost]), body);
      this.#longestMs = Math.max(this.#longestMs, performance.now() - began);
      this.#rounds++;
      await new Promise(setImmediate);
    } while (!this.#isEnding || this.#rounds < 3);
    lost.catch(() => undefined);
  }
}
