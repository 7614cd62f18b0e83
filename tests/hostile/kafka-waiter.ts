/**
 * A request that may have to wait for its answer, and whose client goes away at some time: until then its connection stays
 * open, and it has its answer, or it waits with reason, for bytes until its own time is over, or for a group whose members are
 * still to join.
 */

import assert from "node:assert/strict";
import {
  describeGroupsRequest,
  describeGroupsResponse,
} from "../../src/protocols/kafka/codec/messages/group-administration.ts";
import { WireClient } from "../conformance/kafka/wire-client.ts";
import { blamed, checkAnswer, checkNext, next, type Waiting } from "./kafka-verdict.ts";
import { within } from "./kafka-witness.ts";

const patienceMs = 20_000;

export class KafkaWaiter {
  readonly verdict: Waiting;
  readonly #client: WireClient;
  readonly #first: Promise<Buffer | undefined>;
  readonly #startMs = performance.now();
  readonly #bytes: Buffer;
  readonly #name: string;

  static async open(verdict: Waiting, address: string, bytes: Buffer, name: string): Promise<KafkaWaiter> {
    return new KafkaWaiter(verdict, await WireClient.open(address), bytes, name);
  }

  private constructor(verdict: Waiting, client: WireClient, bytes: Buffer, name: string) {
    this.verdict = verdict;
    this.#client = client;
    this.#bytes = bytes;
    this.#name = name;
    this.#first = client.send(bytes);
  }

  /** Goes away, and says whether it had its answer. Throws unless it had, or had to wait. @param other asks about its group */
  async leave(other: WireClient): Promise<"answered" | "waiting"> {
    try {
      const frame = await within(this.#first, 0);
      if (frame === "late" && (await this.#hasReason(other))) return "waiting";
      await this.#check(await within(this.#first, patienceMs));
      return "answered";
    } catch (error) {
      throw blamed(this.#name, this.#bytes, error);
    } finally {
      this.#client.close();
    }
  }

  async #check(frame: Buffer | undefined | "late"): Promise<void> {
    assert.notEqual(frame, "late", "silence without a reason");
    assert.notEqual(frame, undefined, "the connection was closed");
    const due = { ...this.verdict, kind: "answer" } as const;
    checkAnswer(frame as Buffer, due);
    // Not before: behind a request that waits, a connection is not read, and nobody would see that its client is gone.
    checkNext(await within(this.#client.send(next), patienceMs), due);
  }

  async #hasReason(other: WireClient): Promise<boolean> {
    const { groupId, untilMs } = this.verdict;
    if (groupId === undefined) return performance.now() - this.#startMs < untilMs;
    const found = await other.ask(describeGroupsRequest, describeGroupsResponse, 5, { groups: [groupId] });
    return found!.groups[0]!.groupState === "PreparingRebalance";
  }
}
