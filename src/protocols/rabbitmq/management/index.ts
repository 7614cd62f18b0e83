/**
 * RabbitMQ's management API, on any HTTP listener: finds the route, asks who it is, checks that they may, reads the body, checks
 * again, runs the handler, waits until what it changed is durable, and answers. In this order, so that who may not do a thing
 * learns nothing of it, and nobody who is not known makes the broker read a large body.
 */

import type { Identity } from "../../../auth/identity.ts";
import { Refusal } from "../../../auth/refusal.ts";
import { ForeignOrigins } from "../../../server/http/foreign-origin.ts";
import type { HttpHandler } from "../../../server/http-listener.ts";
import {
  serveHttp,
  type Answerer,
  type HttpAnswer,
  type HttpPeer,
  type HttpRequest,
} from "../../../server/http/http-handler.ts";
import type { Pace } from "../../../server/http/pace.ts";
import { runInSlices, type Turns } from "../../../server/http/slices.ts";
import { RouteTable, type RouteMatch } from "../../../server/http/route-table.ts";
import { shortStringBytesMax } from "../model/errors.ts";
import { nestingMax } from "../model/field-table.ts";
import { isTooDeep } from "../model/json-table.ts";
import type { RabbitServer } from "../model/server.ts";
import { checkAccess, foreignPage } from "./access.ts";
import { loginFailed, Logins, realm, type Credentials } from "./logins.ts";
import { badRequest, httpAnswer, objectNotFound, refused, type Reply } from "./reply.ts";
import type { Call, JsonObject, Route } from "./route.ts";
import { createRoutes, type MoreRoutes } from "./routes.ts";

export interface ManagementOptions {
  /** The configuration that the broker was started with, as text for people, without secrets. */
  readonly configuration?: string;
  /** Sites whose pages may use the API, `https://ops.example.com`; `*`: all. */
  readonly corsOrigins?: readonly string[];
  /** At which lists are made while there is much else to do. */
  readonly pace?: Pace;
  /** Beside those of the API itself: statistics. */
  readonly moreRoutes?: readonly Route[];
  /** Of messages and traffic, to be shown with a virtual host. */
  readonly vhostNumbers?: MoreRoutes["vhostNumbers"];
}

const prefix = "/api";
const bodyBytesMaxDefault = 1_000_000;
/** Room for any table. What is parsed has no limit of its own, and what is kept of it is written down by functions that recur. */
const bodyLevelsMax = 2 * nestingMax;

const commonHeaders = {
  "cache-control": "no-cache",
  "x-content-type-options": "nosniff",
  vary: "origin",
};

export function createManagement(server: RabbitServer, options: ManagementOptions): HttpHandler {
  const { clock, logger } = server;
  const { pace } = options;
  return serveHttp(createAnswerer(server, options), { clock, logger, ...(pace !== undefined && { pace }) });
}

/** The same without HTTP's bytes. */
export function createAnswerer(server: RabbitServer, options: ManagementOptions): Answerer {
  const dispatcher = new Dispatcher(server, options);
  return (request) => dispatcher.answer(request);
}

/** To who went away while it was made. */
const nobodyHears: Reply = { status: 408 };

type Found = RouteMatch<Route> | Reply | undefined;

/** Who asks where nobody is asked for. */
const nobody: Identity = {
  name: "",
  tags: [],
  version: 0,
  expiresAtMs: Infinity,
  connectionsMax: 0,
  channelsMax: 0,
  mayEnter: () => false,
  may: () => false,
  mayTopic: () => false,
};

function askAuthority(server: RabbitServer, credentials: Credentials, peer: HttpPeer) {
  const proof =
    "token" in credentials
      ? ({ kind: "token", ...credentials } as const)
      : ({ kind: "password", ...credentials } as const);
  const { address: remoteAddress, isLoopback } = peer;
  return server.authority.login({ proof, remoteAddress, isLoopback, protocol: "http" });
}

class Dispatcher {
  readonly #server: RabbitServer;
  readonly #routes: RouteTable<Route>;
  readonly #origins: ForeignOrigins;
  readonly #logins: Logins;
  readonly #turns: Turns;

  constructor(server: RabbitServer, options: ManagementOptions) {
    this.#server = server;
    const { pace } = options;
    this.#turns = { clock: server.clock, ...(pace !== undefined && { pace }) };
    this.#origins = new ForeignOrigins(options.corsOrigins ?? []);
    this.#logins = new Logins({
      check: (credentials, peer) => askAuthority(server, credentials, peer),
      clock: server.clock,
      log: server.log,
      secret: server.broker.random.bytes(32),
    });
    this.#routes = new RouteTable(
      createRoutes(this.#logins, {
        routes: options.moreRoutes ?? [],
        configuration: options.configuration ?? "",
        ...(options.vhostNumbers !== undefined && { vhostNumbers: options.vhostNumbers }),
      }),
    );
  }

  async answer(request: HttpRequest): Promise<HttpAnswer> {
    const found = this.#find(request.path);
    const methods = found === undefined || "status" in found ? "" : methodsOf(found.routes);
    const answered = httpAnswer(await this.#reply(request, found, methods));
    const headers = { ...commonHeaders, ...answered.headers, ...this.#origins.headers(request, methods) };
    return { ...answered, headers };
  }

  #find(path: string): Found {
    if (path !== prefix && !path.startsWith(`${prefix}/`)) return objectNotFound;
    const match = this.#routes.find(path.slice(prefix.length) || "/");
    return match === "malformed" ? badRequest("The path is not percent-encoded UTF-8.") : match;
  }

  async #reply(request: HttpRequest, found: Found, methods: string): Promise<Reply> {
    if (found === undefined) return objectNotFound;
    if ("status" in found) return found;
    const method = request.method === "HEAD" ? "GET" : request.method;
    if (method === "OPTIONS") return { status: 200, headers: { allow: methods } };
    const route = found.routes.get(method);
    if (route === undefined) return { status: 405, headers: { allow: methods } };
    if (this.#origins.refuses(request)) return foreignPage;
    const identity = route.access === "anyone" ? nobody : await this.#identify(request);
    if ("status" in identity) return identity;
    const params = found.params(route);
    const refusal = checkAccess(route.access, identity, this.#vhostOf(params, request));
    if (refusal !== undefined) return refusal;
    const longName = route.method === "PUT" ? longNameOf(params) : undefined;
    if (longName !== undefined) return longName;
    const body = await readBody(request, route);
    if ("status" in body) return body;
    // A body takes its time: what is there by now counts, and what is allowed.
    const vhost = this.#vhostOf(params, request);
    const lateRefusal = checkAccess(route.access, identity, vhost);
    if (lateRefusal !== undefined) return lateRefusal;
    const call: Call = {
      server: this.#server,
      identity,
      peer: request.peer,
      method: request.method,
      path: request.path,
      params,
      query: request.query,
      ...body,
      vhost,
      header: (name) => request.header(name),
    };
    const answered = await this.#server.events.actingAs(identity.name, () => route.handle(call));
    if (method !== "GET") await this.#durable();
    return answered.work === undefined ? answered : this.#found(answered.work, request.peer);
  }

  async #found(work: NonNullable<Reply["work"]>, peer: HttpPeer): Promise<Reply> {
    let isGone = false;
    peer.whenGone(() => (isGone = true));
    return (await runInSlices(work, this.#turns, () => isGone)) ?? nobodyHears;
  }

  async #identify(request: HttpRequest): Promise<Identity | Reply> {
    const identity = await this.#logins.identify(request);
    if (identity === "none") return { status: 401, headers: { "www-authenticate": realm } };
    if (identity === "malformed") return badRequest("The Authorization header is neither Basic nor Bearer.");
    return identity instanceof Refusal ? loginFailed(identity) : identity;
  }

  #vhostOf(params: Readonly<Record<string, string>>, request: HttpRequest): Call["vhost"] {
    const name = params["vhost"] ?? request.header("x-vhost");
    if (name === undefined || name === "") return undefined;
    return this.#server.vhosts.find(name) ?? "missing";
  }

  #durable(): Promise<void> {
    const { broker } = this.#server;
    const { promise, resolve } = Promise.withResolvers<void>();
    broker.whenDurable(broker.ticket, resolve);
    return promise;
  }
}

function methodsOf(routes: ReadonlyMap<string, Route>): string {
  const methods = [...routes.keys()];
  return [...(routes.has("GET") ? ["HEAD"] : []), ...methods, "OPTIONS"].join(", ");
}

/**
 * RabbitMQ bounds the names of queues, exchanges and virtual hosts, and lets users, policies and parameters have names of any
 * length: here all that is made has a name that AMQP could say.
 */
function longNameOf(params: Readonly<Record<string, string>>): Reply | undefined {
  for (const [kind, name] of Object.entries(params)) {
    const bytes = Buffer.byteLength(name);
    if (bytes > shortStringBytesMax)
      return badRequest(`${kind} should be less than 255 bytes, actually was ${bytes}\n`);
  }
  return undefined;
}

interface Body {
  readonly body: JsonObject;
  readonly raw: Buffer;
}

const noBytes = Buffer.alloc(0);
const noBody: Body = { body: {}, raw: noBytes };

async function readBody(request: HttpRequest, route: Route): Promise<Body | Reply> {
  // Some clients send one with DELETE, where it means nothing but for bindings of old; RabbitMQ's own never do with GET.
  if (route.method === "GET") return noBody;
  const bytes = await request.body(route.bodyBytesMax ?? bodyBytesMaxDefault);
  switch (bytes) {
    case "too-large":
      return badRequest("Exceeded HTTP request body size limit");
    case "too-many":
      return {
        ...refused(503, "service_unavailable", "Too much is being sent at once."),
        headers: { "retry-after": "5" },
      };
    case "timed-out":
    case "cut-off":
      return refused(408, "request_timeout", "The request's body did not come.");
  }
  if (route.takesRaw === true) return { body: {}, raw: bytes };
  const text = bytes.toString();
  // What some clients send for nothing.
  if (text === "" || text === "null" || text === "undefined") return noBody;
  return parseBody(text);
}

function parseBody(text: string): Body | Reply {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return badRequest("not_json");
  }
  if (typeof value === "string") {
    const text = "invalid payload: the request body JSON-decoded to a string. Is the input doubly-JSON-encoded?";
    return badRequest(text);
  }
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject) return badRequest("not_json");
  if (isTooDeep(value, bodyLevelsMax)) return badRequest("The body is nested too deep.");
  return { body: value as JsonObject, raw: noBytes };
}
