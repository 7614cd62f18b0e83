/**
 * The ports of one broker. HTTP is opened first, before the data is read, so that probes hear that the broker is starting;
 * the protocols' own ports follow when there is a broker behind them. At a stop it is the other way round: HTTP goes last,
 * and says until then that the broker is stopping.
 */

import { systemClock } from "./base/clock.ts";
import type { Broker } from "./broker/api.ts";
import { certificateLogin } from "./config/auth-settings.ts";
import { ConfigurationError } from "./config/configuration-error.ts";
import { showAddress, type Address } from "./config/kinds.ts";
import type { Settings } from "./config/options.ts";
import type { Logger } from "./observe/log.ts";
import type { HttpHandlers, Protocols } from "./protocols/registry.ts";
import { answerHealth, answerJson, answerUnavailable, type HealthState, type UnreadyReason } from "./server/health.ts";
import type { HttpHandler, HttpListener } from "./server/http-listener.ts";
import { Listener } from "./server/listener.ts";
import { fileLimit } from "./server/process-probe.ts";
import type { OpenPort, Protocol } from "./server/protocol.ts";
import { SocketRoom } from "./server/socket-room.ts";
import type { TlsSettings } from "./server/tls-credentials.ts";
import type { TlsIdentity } from "./server/tls-identity.ts";

/** In the order in which they are listed. */
const socketNames = ["amqp", "amqps", "kafka", "kafkas"] as const;
const httpNames = ["http", "https", "prometheus"] as const;
const tlsNames = ["amqps", "kafkas", "https"] as const;

type HttpName = (typeof httpNames)[number];

/** A port that was opened for somebody. */
export interface PortBeside {
  readonly port: number;
  /** Cuts its connections off. */
  close(): Promise<void>;
}

export class BrokerPorts implements HealthState {
  readonly #settings: Settings;
  readonly #logger: Logger;
  readonly #room = new SocketRoom(fileLimit());
  readonly #onSockets: Listener[] = [];
  /** Not listed: who came to one of the others is told of nothing here, and the other way round. */
  readonly #beside = new Set<Listener>();
  readonly #onHttp: { readonly name: HttpName; readonly listener: HttpListener }[] = [];
  #tls: TlsIdentity | undefined;
  #state: "starting" | "running" | "stopping" = "starting";
  #hasFailed = false;
  #stopHandlers: (() => void) | undefined;
  #broker: Broker | undefined;

  constructor(settings: Settings, logger: Logger) {
    this.#settings = settings;
    this.#logger = logger;
  }

  /**
   * Reads what TLS needs, where something listens with it.
   * @throws ConfigurationError
   */
  async readTls(): Promise<void> {
    const settings = this.#settings;
    const isNeeded =
      tlsNames.some((name) => settings[`listen.${name}`] !== null) ||
      settings["kafka.nodes"].some(({ isTls }) => isTls);
    if (!isNeeded) return;
    const certificateFile = settings["tls.certificateFile"];
    if (certificateFile === null) {
      throw new ConfigurationError([
        "listen.amqps, listen.kafkas and listen.https need a certificate: set tls.certificateFile",
      ]);
    }
    const { TlsIdentity } = await import("./server/tls-identity.ts");
    try {
      this.#tls = await TlsIdentity.open(tlsSettings(settings, certificateFile), systemClock(), this.#logger);
    } catch (error) {
      const { problems } = error as { problems?: readonly string[] };
      throw problems === undefined ? error : new ConfigurationError(problems);
    }
  }

  /** Answers whether what is there now could be used. */
  async reloadTls(): Promise<boolean> {
    if (this.#tls !== undefined) return this.#tls.reload();
    this.#logger.info("nothing listens with TLS: there are no files to read again");
    return true;
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
      await this.#openSocket(name, address, protocols);
    }
    for (const node of this.#settings["kafka.nodes"]) {
      await this.#openSocket(node.isTls ? "kafkas" : "kafka", node, protocols);
    }
    this.#warnOfNumbers();
    if (this.#onHttp.length > 0) {
      const handlers = await protocols.loadHttp();
      this.#stopHandlers = () => handlers.stop();
      for (const { name, listener } of this.#onHttp) listener.mount(this.#withHealth(handlerFor(name, handlers)));
    }
    this.#state = "running";
  }

  /** Kafka's clients are told the address at which they came in, and compare what they are told with the certificate. */
  #warnOfNumbers(): void {
    const tls = this.#tls;
    if (tls === undefined || this.#settings["kafka.advertised"].some((told) => told.startsWith("kafkas://"))) return;
    const { address } =
      this.#onSockets.find(({ name, address: { host } }) => name === "kafkas" && !tls.isForAddress(host)) ?? {};
    if (address === undefined) return;
    this.#logger.warn(
      "Kafka's clients are told an address that the certificate does not have; name one by kafka.advertised",
      {
        listener: `kafkas ${showAddress(address)}`,
        subject: tls.subject,
        example: `kafka.advertised: kafkas://broker.example.com:${address.port}`,
      },
    );
  }

  async #openSocket(name: (typeof socketNames)[number], address: Address, protocols: Protocols): Promise<void> {
    this.#onSockets.push(await this.#open(name, address, protocols.onSockets[name]));
  }

  #open(name: string, { host, port }: Address, protocol: Protocol): Promise<Listener> {
    const certificate = certificateLogin(this.#settings);
    return Listener.open({ ...this.#shared(name), host, port, protocol, certificateLogin: certificate });
  }

  /** Opens one more port beside those of the settings, with a protocol of its own. */
  async openBeside(name: (typeof socketNames)[number], address: Address, protocol: Protocol): Promise<PortBeside> {
    const listener = await this.#open(name, address, protocol);
    this.#beside.add(listener);
    return {
      port: listener.address.port,
      close: async () => {
        if (this.#beside.delete(listener)) await listener.stop(0);
      },
    };
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
    return [...this.#onSockets, ...this.#onHttp.map(({ listener }) => listener)].map((listener) => {
      const isTls = usesTls(listener.name);
      return {
        name: listener.name,
        ...listener.address,
        isTls,
        certificateEndsAtMs: isTls ? this.#tls?.endsAtMs : undefined,
        connectionCount: listener.connectionCount,
      };
    });
  }

  /** Lets connections and requests end, and cuts off after `deadlineMs` those that do not. HTTP answers for health still. */
  async drain(deadlineMs: number): Promise<void> {
    this.#state = "stopping";
    const unavailable = this.#withHealth((request, response) => answerUnavailable(request, response, this));
    for (const { listener } of this.#onHttp) listener.mount(unavailable);
    await Promise.all([
      ...[...this.#onSockets, ...this.#beside].map((listener) => listener.stop(deadlineMs)),
      ...this.#onHttp.map(({ listener }) => listener.quiet(deadlineMs)),
    ]);
  }

  /** Closes the ports of HTTP, behind everything else. */
  async close(): Promise<void> {
    this.#stopHandlers?.();
    await Promise.all(this.#onHttp.map(({ listener }) => listener.stop(0)));
    this.#tls?.close();
  }

  #shared(name: string) {
    return {
      name,
      tls: usesTls(name) ? this.#tls : undefined,
      connectionsMax: this.#settings["connections.max"],
      room: this.#room,
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

function usesTls(name: string): boolean {
  return (tlsNames as readonly string[]).includes(name);
}

function tlsSettings(settings: Settings, certificateFile: string): TlsSettings {
  return {
    certificateFile,
    keyFile: settings["tls.keyFile"] ?? certificateFile,
    keyPassword: settings["tls.keyPassword"] ?? undefined,
    caFile: settings["tls.caFile"] ?? undefined,
    verify: settings["tls.verify"],
    failIfNoPeerCertificate: settings["tls.failIfNoPeerCertificate"],
    versionMin: settings["tls.versionMin"],
    versionMax: settings["tls.versionMax"],
    ciphers: settings["tls.ciphers"] ?? undefined,
    honorCipherOrder: settings["tls.honorCipherOrder"],
    handshakeTimeoutMs: settings["tls.handshakeTimeoutMs"],
  };
}

function handlerFor(name: HttpName, { management, metrics }: HttpHandlers): HttpHandler {
  return (request, response) => {
    const isMetrics = /^\/metrics(?:[/?]|$)/.test(request.url ?? "");
    const handler = isMetrics ? metrics : name === "prometheus" ? undefined : management;
    if (handler === undefined) answerJson(request, response, 404, { error: "Object Not Found", reason: "Not Found" });
    else handler(request, response);
  };
}
