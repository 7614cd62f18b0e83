/**
 * The ports of one broker. HTTP is opened first, before the data is read, so that probes hear that the broker is starting;
 * the protocols' own ports follow when there is a broker behind them. At a stop it is the other way round: HTTP goes last,
 * and says until then that the broker is stopping.
 */

import { systemClock } from "./base/clock.ts";
import type { Broker } from "./broker/api.ts";
import type { Settings } from "./config/options.ts";
import type { Logger } from "./observe/log.ts";
import type { HttpHandlers, Protocols } from "./protocols/registry.ts";
import { answerHealth, answerJson, answerUnavailable, type HealthState, type UnreadyReason } from "./server/health.ts";
import type { HttpHandler, HttpListener } from "./server/http-listener.ts";
import { Listener } from "./server/listener.ts";
import type { OpenPort } from "./server/protocol.ts";

/** In the order in which they are listed. */
const socketNames = ["amqp"] as const;
const httpNames = ["http", "prometheus"] as const;

type HttpName = (typeof httpNames)[number];

export class BrokerPorts implements HealthState {
  readonly #settings: Settings;
  readonly #logger: Logger;
  readonly #onSockets: Listener[] = [];
  readonly #onHttp: { readonly name: HttpName; readonly listener: HttpListener }[] = [];
  #state: "starting" | "running" | "stopping" = "starting";
  #hasFailed = false;
  #broker: Broker | undefined;

  constructor(settings: Settings, logger: Logger) {
    this.#settings = settings;
    this.#logger = logger;
  }

  /** Opens what speaks HTTP. Until `openAll` it answers for health only. */
  async openHttp(): Promise<void> {
    for (const name of httpNames) {
      const address = this.#settings[`listen.${name}`];
      if (address === null) continue;
      const { HttpListener } = await import("./server/http-listener.ts");
      const handler = this.#withHealth((request, response) => answerUnavailable(request, response, this));
      const listener = await HttpListener.open({ ...this.#shared(name), ...address, handler });
      this.#onHttp.push({ name, listener });
    }
  }

  /** Opens the other ports, and hands the ports of HTTP to those who answer there. */
  async openAll(broker: Broker, protocols: Protocols): Promise<void> {
    this.#broker = broker;
    for (const name of socketNames) {
      const address = this.#settings[`listen.${name}`];
      if (address === null) continue;
      const protocol = protocols.onSockets[name];
      this.#onSockets.push(await Listener.open({ ...this.#shared(name), ...address, protocol }));
    }
    if (this.#onHttp.length > 0) {
      const handlers = await protocols.loadHttp();
      for (const { name, listener } of this.#onHttp) listener.mount(this.#withHealth(handlerFor(name, handlers)));
    }
    this.#state = "running";
  }

  /** The broker cannot go on. */
  failed(): void {
    this.#hasFailed = true;
  }

  reasons(): readonly UnreadyReason[] {
    const reasons: UnreadyReason[] = [];
    if (this.#hasFailed) reasons.push("failed");
    if (this.#state !== "running") reasons.push(this.#state);
    if (this.#broker?.pressure.memory === true) reasons.push("memory");
    if (this.#broker?.pressure.disk === true) reasons.push("disk");
    return reasons;
  }

  open(): readonly OpenPort[] {
    return [...this.#onSockets, ...this.#onHttp.map(({ listener }) => listener)].map((listener) => ({
      name: listener.name,
      ...listener.address,
      isTls: false,
      certificateEndsAtMs: undefined,
      connectionCount: listener.connectionCount,
    }));
  }

  /** Lets connections and requests end, and cuts off after `deadlineMs` those that do not. HTTP answers for health still. */
  async drain(deadlineMs: number): Promise<void> {
    this.#state = "stopping";
    const unavailable = this.#withHealth((request, response) => answerUnavailable(request, response, this));
    for (const { listener } of this.#onHttp) listener.mount(unavailable);
    await Promise.all([
      ...this.#onSockets.map((listener) => listener.stop(deadlineMs)),
      ...this.#onHttp.map(({ listener }) => listener.quiet(deadlineMs)),
    ]);
  }

  /** Closes the ports of HTTP, behind everything else. */
  async close(): Promise<void> {
    await Promise.all(this.#onHttp.map(({ listener }) => listener.stop(0)));
  }

  #shared(name: string) {
    return {
      name,
      connectionsMax: this.#settings["connections.max"],
      // The machine's, whatever clock the broker lives by.
      clock: systemClock(),
      logger: this.#logger,
    };
  }

  #withHealth(handler: HttpHandler): HttpHandler {
    return (request, response) => {
      if (!answerHealth(request, response, this)) handler(request, response);
    };
  }
}

function handlerFor(name: HttpName, { management, metrics }: HttpHandlers): HttpHandler {
  return (request, response) => {
    const isMetrics = /^\/metrics(?:[/?]|$)/.test(request.url ?? "");
    const handler = isMetrics ? metrics : name === "prometheus" ? undefined : management;
    if (handler === undefined) answerJson(request, response, 404, { error: "Object Not Found", reason: "Not Found" });
    else handler(request, response);
  };
}
