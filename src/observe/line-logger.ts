/**
 * Writes log lines, for people (`log.format: text`) or for machines (`json`). Hand-made rather than a library: the broker
 * logs a few lines an hour, and loading pino cost 25 ms of a start that should take less than 100 in all.
 *
 * The lines go out synchronously, so that the last one before a crash is there to be read. Where they go, and what time
 * it is, is handed in.
 */

import type { Clock } from "../base/clock.ts";
import type { LogFields, Logger } from "./log.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

const rankByLevel: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

export interface LineLoggerOptions {
  /** The least level that is written. */
  readonly level: LogLevel;
  readonly format: "text" | "json";
  readonly clock: Clock;
  /** Takes one line, with its newline. */
  readonly write: (line: string) => void;
}

export function lineLogger({ level, format, clock, write }: LineLoggerOptions): Logger {
  const line = format === "json" ? jsonLine : textLine;
  const at = (each: LogLevel): Logger["info"] => {
    if (rankByLevel[each] < rankByLevel[level]) return () => undefined;
    return (message, fields) => write(line(new Date(clock.now()).toISOString(), each, message, fields ?? {}));
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function jsonLine(time: string, level: LogLevel, message: string, fields: LogFields): string {
  return `${JSON.stringify({ time, level, message, ...fields }, plain())}\n`;
}

function textLine(time: string, level: LogLevel, message: string, fields: LogFields): string {
  let line = `${time} ${level.padEnd(5)} ${message}`;
  let stack = "";
  for (const [name, value] of Object.entries(fields)) {
    line += ` ${name}=${shown(value)}`;
    if (value instanceof Error && value.stack !== undefined) stack += `\n${value.stack}`;
  }
  return `${line}${stack.replaceAll("\n", "\n    ")}\n`;
}

function shown(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(value.message);
  const text = typeof value === "string" ? value : (JSON.stringify(value, plain()) ?? "undefined");
  // What a client sent must not be able to start a line of its own.
  return /^[\w.:/@+-]+$/.test(text) || typeof value !== "string" ? text : JSON.stringify(text);
}

/** Makes what JSON has no word for plain: errors, big integers, bytes, circles. */
function plain(): (key: string, value: unknown) => unknown {
  const above: unknown[] = [];
  return function (this: unknown, _key, value) {
    if (typeof value === "bigint") return String(value);
    if (value instanceof Error) return { name: value.name, message: value.message, stack: value.stack };
    if (typeof value !== "object" || value === null) return value;
    while (above.length > 0 && above.at(-1) !== this) above.pop();
    if (above.includes(value)) return "[circular]";
    above.push(value);
    return value;
  };
}
