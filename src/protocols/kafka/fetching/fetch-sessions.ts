/**
 * All fetch sessions. Their number is bounded, and that of their partitions: when there is no room, one that nobody used for
 * two minutes makes room, and else the client goes on without a session, which every client can. A session goes with the
 * connection by which it was made: clients begin anew on the next.
 */

import type { CallerConnection } from "../command.ts";
import type { KafkaServer } from "../server.ts";
import { FetchSession } from "./fetch-session.ts";

const evictableAfterMs = 120_000;
/** On the average, in all sessions together. */
const partitionsPerSession = 1000;

export class FetchSessions {
  readonly #server: KafkaServer;
  /** In order of their last use. */
  readonly #sessionById = new Map<number, FetchSession>();
  readonly #forgetById = new Map<number, () => void>();

  constructor(server: KafkaServer) {
    this.#server = server;
  }

  get count(): number {
    return this.#sessionById.size;
  }

  /** Undefined: there is no room. */
  create(connection: CallerConnection, usesIds: boolean, partitionCount: number): FetchSession | undefined {
    const { fetchSessionsMax } = this.#server.settings;
    const nowMs = this.#server.clock.now();
    if (partitionCount > fetchSessionsMax * partitionsPerSession) return undefined;
    while (
      this.count >= fetchSessionsMax ||
      this.#partitionCount + partitionCount > fetchSessionsMax * partitionsPerSession
    ) {
      const [oldest] = this.#sessionById.values();
      if (oldest === undefined || nowMs - oldest.lastUsedMs < evictableAfterMs) return undefined;
      this.remove(oldest.id);
    }
    const session = new FetchSession(this.#newId(), usesIds, nowMs);
    this.#sessionById.set(session.id, session);
    const forget = connection.onClosed(() => this.remove(session.id));
    this.#forgetById.set(session.id, forget);
    return session;
  }

  find(id: number): FetchSession | undefined {
    return this.#sessionById.get(id);
  }

  /** It is being used now. */
  touch(session: FetchSession): void {
    session.lastUsedMs = this.#server.clock.now();
    this.#sessionById.delete(session.id);
    this.#sessionById.set(session.id, session);
  }

  remove(id: number): void {
    const session = this.#sessionById.get(id);
    if (session === undefined) return;
    this.#sessionById.delete(id);
    this.#forgetById.get(id)?.();
    this.#forgetById.delete(id);
    session.close();
  }

  /** Sessions grow as they are used. */
  get hasRoom(): boolean {
    return this.#partitionCount <= this.#server.settings.fetchSessionsMax * partitionsPerSession;
  }

  get #partitionCount(): number {
    let count = 0;
    for (const session of this.#sessionById.values()) count += session.size;
    return count;
  }

  #newId(): number {
    for (;;) {
      const id = 1 + Math.floor(this.#server.random.next() * 0x7fff_fffe);
      if (!this.#sessionById.has(id)) return id;
    }
  }
}
