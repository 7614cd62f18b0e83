/**
 * The broker's TLS identity: what its listeners show and demand, read again when the files change.
 *
 * New connections get what is new; those that are open go on as they were agreed. Files are looked at every few seconds
 * rather than watched: a look sees through the links that Kubernetes swaps and across network file systems, where
 * notifications fail in their own ways, and costs three calls. A change is taken when it has stood for one look, since a key and
 * its certificate are never replaced at the same instant. What cannot be used is logged as an error, and what was in force
 * stays in force.
 */

import { stat } from "node:fs/promises";
import type { Server as TlsServer, TLSSocket, TlsOptions } from "node:tls";
import type { Clock, TimerHandle } from "../base/clock.ts";
import type { Logger } from "../observe/log.ts";
import { CountedWarning } from "./counted-warning.ts";
import { readTlsCredentials, TlsError, type TlsCredentials, type TlsSettings } from "./tls-credentials.ts";

const lookEveryMs = 2000;
/** Files that cannot be used are tried again: a certificate may become valid, and what holds a file back may leave no trace in it. */
const retryMs = 60_000;

export class TlsIdentity {
  readonly #settings: TlsSettings;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #servers = new Set<TlsServer>();
  #credentials: TlsCredentials;
  #timer: TimerHandle | undefined;
  #isClosed = false;
  /** Of the files, when they were read last, and when they were looked at last. */
  #readState: string;
  #seenState: string;
  /** Why the files that are there are not in force; empty: they are. */
  #faults: readonly string[] = [];
  #retryAtMs = Number.POSITIVE_INFINITY;

  private constructor(settings: TlsSettings, clock: Clock, logger: Logger, credentials: TlsCredentials, state: string) {
    this.#settings = settings;
    this.#clock = clock;
    this.#logger = logger;
    this.#credentials = credentials;
    this.#readState = state;
    this.#seenState = state;
  }

  /** @throws TlsError */
  static async open(settings: TlsSettings, clock: Clock, logger: Logger): Promise<TlsIdentity> {
    const state = await stateOf(settings);
    const credentials = readTlsCredentials(settings, clock.now());
    const identity = new TlsIdentity(settings, clock, logger, credentials, state);
    identity.#warn();
    identity.#arm();
    return identity;
  }

  /** When the certificate ends, ms since 1970. */
  get endsAtMs(): number {
    return this.#credentials.endsAtMs;
  }

  /** Of whom the certificate is. */
  get subject(): string {
    return this.#credentials.subject;
  }

  /** Whether a client that knows a listener by its number finds that in the certificate; of one that listens everywhere: any number. */
  isForAddress(host: string): boolean {
    const { certificate } = this.#credentials;
    if (host === "0.0.0.0" || host === "::") return certificate.subjectAltName?.includes("IP Address:") === true;
    return certificate.checkIP(host) !== undefined;
  }

  /** For a server that is made now; it is to be given to `follow`, too. */
  get serverOptions(): TlsOptions {
    const { verify, handshakeTimeoutMs } = this.#settings;
    return {
      ...this.#credentials.context,
      requestCert: verify === "peer",
      // Who may come without one is decided in `admits`: OpenSSL would refuse both in one breath.
      rejectUnauthorized: false,
      handshakeTimeout: handshakeTimeoutMs,
    };
  }

  /** Gives the server what is read anew, and logs those who fail to come in. Answers how to undo it. */
  follow(server: TlsServer, listener: string): () => void {
    this.#servers.add(server);
    const failures = new CountedWarning(this.#clock, this.#logger, "TLS handshakes failed");
    const failed = (reason: string, socket: TLSSocket): void => {
      failures.warn({ listener, reason, peer: socket.remoteAddress ?? "gone" });
      // Node leaves one whose time is over open.
      socket.on("error", () => undefined);
      socket.destroy();
    };
    server.on("tlsClientError", (error: NodeJS.ErrnoException, socket) => failed(handshakeFault(error), socket));
    server.prependListener("secureConnection", (socket) => {
      const refusal = this.#refusalOf(socket);
      if (refusal !== undefined) failed(refusal, socket);
    });
    return () => {
      this.#servers.delete(server);
      failures.close();
    };
  }

  /** Reads the files now. Answers whether they could be used. `isRetry`: what was wrong with them is told already. */
  async reload(isRetry = false): Promise<boolean> {
    this.#readState = this.#seenState = await stateOf(this.#settings);
    try {
      this.#credentials = readTlsCredentials(this.#settings, this.#clock.now());
    } catch (error) {
      const faults = error instanceof TlsError ? error.problems : [String(error)];
      for (const reason of faults) {
        if (isRetry && this.#faults.includes(reason)) continue;
        this.#logger.error("changed TLS files cannot be used; what was in force stays", { reason });
      }
      this.#faults = faults;
      this.#retryAtMs = this.#clock.now() + retryMs;
      return false;
    }
    this.#faults = [];
    this.#retryAtMs = Number.POSITIVE_INFINITY;
    for (const server of this.#servers) server.setSecureContext(this.#credentials.context);
    const { subject, endsAtMs } = this.#credentials;
    this.#logger.info("TLS files were read again", { subject, validUntil: new Date(endsAtMs).toISOString() });
    this.#warn();
    return true;
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
  }

  /** Why a peer may not come in; undefined if it may. */
  #refusalOf(socket: TLSSocket): string | undefined {
    const { verify, failIfNoPeerCertificate } = this.#settings;
    if (verify === "none" || socket.authorized) return undefined;
    if (socket.getPeerX509Certificate() === undefined) {
      return failIfNoPeerCertificate ? "the client has no certificate" : undefined;
    }
    return `the client's certificate does not hold: ${String(socket.authorizationError)}`;
  }

  #arm(): void {
    this.#timer = this.#clock.setTimer(this.#clock.now() + lookEveryMs, () => {
      void this.#look().then(() => {
        if (!this.#isClosed) this.#arm();
      });
    });
  }

  async #look(): Promise<void> {
    const state = await stateOf(this.#settings);
    const isSettled = state === this.#seenState;
    this.#seenState = state;
    const isChanged = state !== this.#readState;
    const isDue = isChanged || this.#clock.now() >= this.#retryAtMs;
    if (isSettled && isDue && !this.#isClosed) await this.reload(!isChanged);
  }

  #warn(): void {
    for (const warning of this.#credentials.warnings) this.#logger.warn("TLS", { warning });
  }
}

/** Changes when one of the files does; a file that is missing is a state like others. */
async function stateOf({ certificateFile, keyFile, caFile }: TlsSettings): Promise<string> {
  const states = [certificateFile, keyFile, ...(caFile === undefined ? [] : [caFile])].map(async (file) => {
    try {
      const { ino, size, mtimeMs, ctimeMs } = await stat(file);
      return `${ino}:${size}:${mtimeMs}:${ctimeMs}`;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? "unreadable";
    }
  });
  return (await Promise.all(states)).join(" ");
}

const faultByCode: Readonly<Record<string, string>> = {
  ECONNRESET: "the peer hung up in the middle of it",
  ERR_TLS_HANDSHAKE_TIMEOUT: "it took longer than tls.handshakeTimeoutMs",
  ERR_SSL_HTTP_REQUEST: "the peer spoke HTTP without TLS",
  ERR_SSL_WRONG_VERSION_NUMBER: "the peer did not speak TLS",
  ERR_SSL_UNSUPPORTED_PROTOCOL: "the peer offered no version of TLS that is allowed here",
  ERR_SSL_NO_SHARED_CIPHER: "the peer offered no cipher that is allowed here",
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: "the peer does not know who issued the broker's certificate (unknown CA)",
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: "the peer refused the broker's certificate",
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: "the peer refused the broker's certificate",
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: "the peer takes the broker's certificate for expired",
};

function handshakeFault(error: NodeJS.ErrnoException): string {
  const { code = "", message } = error;
  return Object.hasOwn(faultByCode, code) ? faultByCode[code]! : `${message.trim()} (${code})`;
}
