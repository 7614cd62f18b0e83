/** For tests: the API over the real core and the real authority, without sockets; requests and answers are plain data. */

import { VirtualClock } from "../../../base/clock.ts";
import { seededRandom } from "../../../base/random.ts";
import { Authority, plainAuthSettings } from "../../../auth/authority.ts";
import { openBroker, type RunningCore } from "../../../broker/broker.ts";
import type { Log } from "../../../log/log.ts";
import { createMemoryLog } from "../../../log/memory/memory-log.ts";
import { silentLogger, type LogFields } from "../../../observe/log.ts";
import type { Answerer, HttpPeer } from "../../../server/http/http-handler.ts";
import { amqpFormat } from "../model/format.ts";
import { RabbitServer } from "../model/server.ts";
import { createAnswerer, type ManagementOptions } from "./index.ts";

export interface Asked {
  /** Name and password are equal, but for the first user's, which are `guest`, too. Undefined: guest; null: nobody. */
  readonly user?: string | null;
  readonly password?: string;
  /** An object to be sent as JSON, or what is sent as it is. */
  readonly body?: unknown;
  /** Called when the body is asked for, which comes when this is over. */
  readonly bodyComes?: () => Promise<unknown>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly peer?: Partial<HttpPeer>;
}

export interface Answered<T> {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** What the test says that it is; undefined if the answer is empty. */
  readonly json: T;
}

const local: HttpPeer = { address: "127.0.0.1", isLoopback: true, isTls: false, whenGone: () => undefined };

export class ManagementHouse {
  readonly clock: VirtualClock;
  readonly core: RunningCore;
  readonly server: RabbitServer;
  readonly logged: { readonly level: string; readonly message: string; readonly fields: LogFields }[] = [];
  readonly #answer: Answerer;

  private constructor(clock: VirtualClock, core: RunningCore, options: ManagementOptions) {
    this.clock = clock;
    this.core = core;
    const authority = new Authority({
      store: core.definitions,
      clock,
      bytes: (count) => core.random.bytes(count),
      logger: silentLogger,
      settings: plainAuthSettings,
    });
    authority.createFirst();
    const note =
      (level: string) =>
      (message: string, fields: LogFields = {}): void =>
        void this.logged.push({ level, message, fields });
    const logger = { debug: note("debug"), info: note("info"), warn: note("warn"), error: note("error") };
    this.server = new RabbitServer({ broker: core, authority, clock, logger, version: "0.0.0" });
    this.#answer = createAnswerer(this.server, options);
  }

  /** @param log if not one that forgets. */
  static async open(options: ManagementOptions = {}, log?: Log): Promise<ManagementHouse> {
    // Deferred work runs by itself: an answer comes when it is durable.
    const clock = new VirtualClock(undefined, setImmediate);
    const core = await openBroker({
      log: log ?? createMemoryLog((run) => clock.defer(run)),
      clock,
      random: seededRandom(7),
      logger: silentLogger,
      formats: [amqpFormat],
      fatal: (error) => {
        throw error;
      },
    });
    return new ManagementHouse(clock, core, options);
  }

  /** @param target below /api, with a query if there is one. */
  async ask<T = unknown>(method: string, target: string, asked: Asked = {}): Promise<Answered<T>> {
    const { user = "guest", body, peer } = asked;
    const [path = "", query = ""] = target.split("?");
    const headers: Record<string, string> = { host: "broker.test:15672", ...asked.headers };
    if (user !== null) {
      const login = Buffer.from(`${user}:${asked.password ?? user}`).toString("base64");
      headers["authorization"] ??= `Basic ${login}`;
    }
    const bytes = bytesOf(body);
    const answer = await this.#answer({
      method,
      path: `/api${path}`,
      query: new URLSearchParams(query),
      peer: { ...local, ...peer },
      header: (name) => headers[name.toLowerCase()],
      body: async (bytesMax) => {
        await asked.bodyComes?.();
        return bytes.length > bytesMax ? "too-large" : bytes;
      },
    });
    const text = typeof answer.body === "function" ? "" : textOf(answer.body);
    const type = answer.headers?.["content-type"];
    const json = (text !== "" && type === "application/json" ? JSON.parse(text) : undefined) as T;
    return { status: answer.status, headers: answer.headers ?? {}, text, json };
  }

  /** Makes a user with these tags, and permissions in these virtual hosts. */
  addUser(name: string, tags: readonly string[], vhosts: readonly string[] = ["/"]): void {
    const { authority } = this.server;
    authority.users.put(name, { password: name, tags });
    for (const vhost of vhosts)
      authority.permissions.set({ user: name, vhost, configure: ".*", write: ".*", read: ".*" });
  }
}

function bytesOf(body: unknown): Buffer {
  if (body === undefined) return Buffer.alloc(0);
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
}

function textOf(body: string | Buffer | Iterable<string> | undefined): string {
  if (body === undefined) return "";
  if (typeof body === "string" || Buffer.isBuffer(body)) return body.toString();
  return [...body].join("");
}
