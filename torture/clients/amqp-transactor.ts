/** AMQP transactions: some messages to some places, then a commit or a rollback, each on a channel in tx mode. */

import { Connection } from "rabbitmq-client";
import type { Chance } from "../../sim/chance.ts";
import { bodyOf } from "../message.ts";
import { rest, within, type Client, type Site } from "./site.ts";

const answerWithinMs = 15_000;

export class AmqpTransactor implements Client {
  readonly name = "AMQP transactor";
  readonly #places: readonly string[];

  constructor(places: readonly string[]) {
    this.#places = places;
  }

  async run(site: Site, chance: Chance): Promise<void> {
    while (!site.writersStop.aborted) {
      const url = `amqp://guest:guest@127.0.0.1:${site.ports.amqp}`;
      const connection = new Connection({ url, retryLow: 200, retryHigh: 1000, acquireTimeout: 8000, heartbeat: 5 });
      connection.on("error", () => undefined);
      try {
        await this.#transact(connection, site, chance);
      } catch {
        await rest(chance.between(50, 500), site.writersStop);
      }
      await within(3000, connection.close(), "closing").catch(() => connection.unsafeDestroy());
    }
  }

  async #transact(connection: Connection, site: Site, chance: Chance): Promise<void> {
    const { history } = site;
    const channel = await within(answerWithinMs, connection.acquire(), "a channel");
    channel.on("error", () => undefined);
    await within(answerWithinMs, channel.txSelect(), "tx.select");
    const writer = site.nameFor("w");
    for (let seq = 0; !site.writersStop.aborted;) {
      const txn = site.nameFor("tx");
      const first = seq;
      for (let left = chance.between(1, 15); left > 0; left--) {
        const place = chance.pick(this.#places);
        history.tell({ kind: "send", place, writer, seq, txn });
        const envelope = { routingKey: place, durable: true, headers: { "kafka.key": writer } };
        await within(answerWithinMs, channel.basicPublish(envelope, bodyOf(writer, seq)), "publishing");
        seq++;
      }
      const how = chance.is(0.25) ? "abort" : "commit";
      history.tell({ kind: "end", txn, how });
      let outcome: "ok" | "unknown" = "unknown";
      try {
        await within(answerWithinMs, how === "commit" ? channel.txCommit() : channel.txRollback(), how);
        outcome = "ok";
      } finally {
        history.tell({ kind: "ended", txn, outcome });
        // What was rolled back is nowhere, and nobody has said that it is.
        const told = how === "commit" ? outcome : "unknown";
        history.tell({ kind: "sent", writer, seqs: [first, seq - 1], outcome: told });
      }
      await rest(chance.between(10, 150), site.writersStop);
    }
  }
}
