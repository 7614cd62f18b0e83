/**
 * Logging as everyone but main sees it: four levels, a sentence, and fields. Who writes it where, and in which form, is
 * decided once, in `src/observe/line-logger.ts`. Nothing is logged per message: what happens a hundred thousand times a
 * second is counted.
 */

/** Values that say what a sentence is about: ids, names, numbers; `error` for an Error. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Messages are constant sentences; what varies goes into fields, so that logs can be searched. */
export interface Logger {
  /** What a developer of the broker wants to see. Off by default. */
  debug(message: string, fields?: LogFields): void;
  /** What an operator wants to know of a healthy broker: rare. */
  info(message: string, fields?: LogFields): void;
  /** Something is odd, and the broker goes on in full. */
  warn(message: string, fields?: LogFields): void;
  /** Something that was asked for was not done. */
  error(message: string, fields?: LogFields): void;
}

const nothing = (): void => undefined;

/** A logger that says nothing, for tests and for embedding. */
export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };
