/**
 * Speaks to the HTTP API of a running broker, as any script could. What goes wrong is an `ApiError` with a sentence for
 * people and the exit status that fits: nobody answers, nobody may, or the broker refuses.
 */

import type { IncomingMessage } from "node:http";
import type { RequestOptions as HttpsOptions } from "node:https";
import { exitStatus } from "./surroundings.ts";

export interface ApiTarget {
  /** `http://127.0.0.1:15672`; a path is that under which a proxy has put the broker. */
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** PEM of the authority that issued the broker's certificate. */
  readonly ca?: string | undefined;
  /** PEM: who asks, to a broker that asks for certificates. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly exitStatus: number;
  /** Of HTTP; 0 if nobody answered. */
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
    this.exitStatus = status === 0 ? exitStatus.unreachable : exitStatus.failed;
  }
}

export interface ApiRequest {
  readonly method?: "GET" | "PUT" | "POST" | "DELETE";
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** How long a broker may be silent. */
const silenceMs = 60_000;

export class Api {
  readonly #target: ApiTarget;
  readonly #base: URL;
  /** Where a proxy has put the broker; empty: nowhere. */
  readonly #prefix: string;

  constructor(target: ApiTarget) {
    this.#target = target;
    this.#base = new URL(target.url);
    this.#prefix = this.#base.pathname.replace(/\/+$/, "");
  }

  /** Without a slash at its end. */
  get url(): string {
    return this.#base.origin + this.#prefix;
  }

  /**
   * Asks and reads the answer; undefined if it has none.
   * @param path below the URL, names in it encoded: see `pathOf`.
   * @throws ApiError
   */
  async ask<T = unknown>(path: string, request: ApiRequest = {}): Promise<T> {
    const response = await this.open(path, request);
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of response) chunks.push(chunk as Buffer);
    } catch (error) {
      throw new ApiError(`${this.url} broke off its answer: ${(error as Error).message}`, 0);
    }
    const text = Buffer.concat(chunks).toString();
    const status = response.statusCode ?? 0;
    if (status >= 400) throw new ApiError(this.#refusal(status, text, request.method ?? "GET", path), status);
    return (text === "" ? undefined : parsed(text)) as T;
  }

  /** The answer as it comes, whatever its status. @throws ApiError if there is none. */
  async open(path: string, { method = "GET", body, headers }: ApiRequest = {}): Promise<IncomingMessage> {
    const { request } = this.#base.protocol === "https:" ? await import("node:https") : await import("node:http");
    const { user, password, ca, cert, key } = this.#target;
    const options: HttpsOptions = {
      method,
      headers: {
        authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`,
        ...(body !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      timeout: silenceMs,
      ca,
      cert,
      key,
    };
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const asked = request(new URL(this.#prefix + path, this.#base), options, resolve);
    asked.on("timeout", () => asked.destroy(new Error(`no answer within ${silenceMs / 1000} s`)));
    asked.on("error", (error: NodeJS.ErrnoException) => reject(this.#unreachable(error)));
    asked.end(body === undefined ? undefined : JSON.stringify(body));
    return promise;
  }

  #unreachable(error: NodeJS.ErrnoException): ApiError {
    const why = error.message === "" ? (error.code ?? "no reason given") : error.message;
    return new ApiError(
      `no broker answers at ${this.url}: ${why}\nIs one running? entrepot start begins one; --url says where to look.`,
      0,
    );
  }

  #refusal(status: number, text: string, method: string, path: string): string {
    const { error, reason } = (parsed(text) ?? {}) as { error?: unknown; reason?: unknown };
    if (status === 401) {
      return `${this.url} does not let ${this.#target.user} in: ${said(reason)}; --user and --password say who asks`;
    }
    if (status === 404) return `there is no such thing: ${namesOf(path)}`;
    const why = said(reason ?? error ?? text);
    return `the broker refused ${method} ${path} with ${status}: ${why}`;
  }
}

/** A path of names, each encoded: `pathOf("queues", "/", "a b")` is `/api/queues/%2F/a%20b`. */
export function pathOf(...names: readonly string[]): string {
  return `/api/${names.map(encodeURIComponent).join("/")}`;
}

/** `queues / orders` for `/api/queues/%2F/orders?page=1`. */
function namesOf(path: string): string {
  const [names = ""] = path.replace(/^\/api\//, "").split("?");
  return names.split("/").map(decodeURIComponent).join(" ");
}

function said(reason: unknown): string {
  return typeof reason === "string" ? reason : JSON.stringify(reason);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
