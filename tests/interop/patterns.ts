/**
 * The patterns that each client of RabbitMQ goes through (those of Kafka's are in kafka-patterns.ts), and the frame of a
 * client program: it takes HOST:PORT and, after it, the patterns wanted (all, if none is named), and prints a line for each, `ok <pattern>` or `not ok <pattern> <why>`.
 * README.md says what each pattern has to show. Programs in other languages print the same lines.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";

export const patternNames = [
  "work-queue",
  "publish-subscribe",
  "routing",
  "topics",
  "rpc",
  "direct-reply-to",
  "retry-dead-letter",
  "confirms",
  "stream-replay",
] as const;

export type PatternName = (typeof patternNames)[number];

/** A pattern: given HOST:PORT of the listener and a prefix for its names that nobody else has; throws why it failed. */
export type Pattern = (address: string, prefix: string) => Promise<void>;

const patternLimitMs = 60_000;

/** The main of a client program. Ends the process. */
export async function runPatterns<Name extends string = PatternName>(
  patterns: Readonly<Record<Name, Pattern>>,
): Promise<never> {
  const [address = "", ...wanted] = process.argv.slice(2);
  let status = 0;
  for (const [name, pattern] of Object.entries<Pattern>(patterns)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const prefix = `interop.${name}.${process.pid}.`;
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error(`not done after ${patternLimitMs} ms`)), patternLimitMs);
    try {
      await Promise.race([pattern(address, prefix), late.promise]);
      process.stdout.write(`ok ${name}\n`);
    } catch (error) {
      status = 1;
      process.stdout.write(`not ok ${name} ${String(error).replaceAll("\n", " ")}\n`);
    }
    clearTimeout(timer);
  }
  process.exit(status);
}

/**
 * What a client of Node needs for TLS, if ENTREPOT_INTEROP_TLS names a folder with ca.pem, and with cert.pem and key.pem of
 * the client. Programs in other languages look there, too.
 */
export function tlsFiles(): { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer } | undefined {
  const folder = process.env["ENTREPOT_INTEROP_TLS"];
  if (folder === undefined) return undefined;
  const read = (name: string): Buffer => readFileSync(join(folder, name));
  return { ca: read("ca.pem"), cert: read("cert.pem"), key: read("key.pem") };
}

/** Collects what arrives until `count` are there. */
export class Mailbox<T> {
  readonly received: T[] = [];
  #waiting: { count: number; resolve(): void }[] = [];

  put(each: T): void {
    this.received.push(each);
    this.#waiting = this.#waiting.filter(({ count, resolve }) => {
      if (this.received.length < count) return true;
      resolve();
      return false;
    });
  }

  async atLeast(count: number): Promise<T[]> {
    if (this.received.length < count) {
      await new Promise<void>((resolve) => this.#waiting.push({ count, resolve }));
    }
    return this.received;
  }
}

/** The messages of the topics pattern: routing key to the queues that get it, as in RabbitMQ's fifth tutorial. */
export const topicRoutes: Readonly<Record<string, readonly string[]>> = {
  "quick.orange.rabbit": ["orange", "rabbit"],
  "lazy.orange.elephant": ["orange", "rabbit"],
  "quick.orange.fox": ["orange"],
  "lazy.brown.fox": ["rabbit"],
  "lazy.pink.rabbit": ["rabbit"],
  "quick.brown.fox": [],
  orange: [],
  "quick.orange.new.rabbit": [],
  "lazy.orange.new.rabbit": ["rabbit"],
  lazy: ["rabbit"],
};

/** Bindings of the topics pattern: queue to its patterns. */
export const topicBindings = { orange: ["*.orange.*"], rabbit: ["*.*.rabbit", "lazy.#"] } as const;
