/**
 * A snapshot as the lines of a checkpoint: JSON that is never in memory as one text.
 *
 * The first line is the snapshot itself, in which long lists are empty. Each further line says where some elements of such a list
 * belong, in order: `{"to":["queues"],"push":[…]}`. In what is pushed long lists are empty too, and come later. So a line is
 * some hundred kilobytes whatever the state is, it is written down in slices between which others have their turn, and a
 * text has no limit of half a gigabyte to run into, where the broker could not take a checkpoint any more.
 *
 * Lists need not be there when the snapshot is taken: any iterable that holds on to what it will give stands for one.
 *
 * A checkpoint of format 1 is one line, with everything in it: it is read by the same rules.
 */
import { assert } from "../../base/assert.ts";
import type { StoredSnapshot } from "./snapshot.ts";

/** Elements of a list that stays where it is. */
const shortMax = 64;
/** Characters of a line, about. */
const lineLength = 1 << 17;
/** Below so many levels stands only what somebody defined: it is written as the journal wrote it, however deep it goes. */
const levelsMax = 100;
const newline = 10;
/** Written at once. */
const pieceBytes = 1 << 20;

type Path = readonly (string | number)[];
type Json = Readonly<Record<string, unknown>>;

/** The lines, each with its end. What they are made of is read as they are. */
export function* snapshotLines(stored: StoredSnapshot): Generator<string> {
  const long: [Path, Iterable<unknown>][] = [];
  // In this order readSnapshotHead() finds what it looks for.
  const { seq, nextSegment, segments, ...rest } = stored;
  yield `${JSON.stringify(shortened({ format: 2, seq, nextSegment, segments, ...rest }, [], long))}\n`;
  // It grows meanwhile; to take from its beginning would cost its length each time, and each partition may have a list.
  for (const [path, list] of long) yield* linesOf(path, list, long);
}

/** The lines, some at a time, each asked for when the one before is written. `pause`: so that others have their turn. */
export async function* snapshotPieces(
  stored: StoredSnapshot,
  pause: () => Promise<void> | undefined,
): AsyncGenerator<Buffer> {
  let lines: Buffer[] = [];
  let bytes = 0;
  for (const line of snapshotLines(stored)) {
    const one = Buffer.from(line);
    lines.push(one);
    bytes += one.length;
    if (bytes >= pieceBytes) {
      yield Buffer.concat(lines);
      lines = [];
      bytes = 0;
    }
    await pause();
  }
  yield Buffer.concat(lines);
}

/** The whole. */
export function readSnapshot(bytes: Buffer): StoredSnapshot {
  return readLines(bytes, () => true);
}

/** Its journal block and its segments; the other lists are not whole. */
export function readSnapshotHead(bytes: Buffer): Pick<StoredSnapshot, "seq" | "segments"> {
  return readLines(bytes, (to) => to[0] === "segments");
}

/** As far as `isWanted` says. */
function readLines(bytes: Buffer, isWanted: (to: Path) => boolean): StoredSnapshot {
  let at = endOfLine(bytes, 0);
  const snapshot = JSON.parse(bytes.toString("utf8", 0, at)) as StoredSnapshot;
  for (at++; at < bytes.length;) {
    const end = endOfLine(bytes, at);
    const { to, push } = JSON.parse(bytes.toString("utf8", at, end)) as { to: Path; push: unknown[] };
    if (!isWanted(to)) return snapshot;
    const list = to.reduce<unknown>((value, key) => (value as Json)[key], snapshot);
    assert(Array.isArray(list), "a line of a checkpoint goes on with a list that was begun");
    for (const element of push) list.push(element);
    at = end + 1;
  }
  return snapshot;
}

function endOfLine(bytes: Buffer, at: number): number {
  const end = bytes.indexOf(newline, at);
  return end < 0 ? bytes.length : end;
}

function* linesOf(path: Path, list: Iterable<unknown>, long: [Path, Iterable<unknown>][]): Generator<string> {
  const head = `{"to":${JSON.stringify(path)},"push":[`;
  let line = head;
  let count = 0;
  for (const element of list) {
    const text = JSON.stringify(shortened(element, [...path, count++], long));
    line += line.length === head.length ? text : `,${text}`;
    if (line.length < lineLength) continue;
    yield `${line}]}\n`;
    line = head;
  }
  if (line.length > head.length) yield `${line}]}\n`;
}

/** The value without the elements of long lists, which are noted with their places. */
function shortened(value: unknown, path: Path, long: [Path, Iterable<unknown>][]): unknown {
  if (typeof value !== "object" || value === null || path.length >= levelsMax) return value;
  if (Array.isArray(value)) {
    if (value.length <= shortMax) return value.map((element, index) => shortened(element, [...path, index], long));
    long.push([path, value]);
    return [];
  }
  if (Symbol.iterator in value) {
    long.push([path, value as Iterable<unknown>]);
    return [];
  }
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, shortened(one, [...path, key], long)]));
}
