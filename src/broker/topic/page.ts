/**
 * 128 consecutive offsets of a partition, as far as their entries are in memory. Each slot says where the entry lies:
 *
 *     words[4 * i]: block slot + 1 (0: no entry here) | position | length | body length
 *
 * A page is one small typed array, pooled, so that a partition costs nothing while it is empty and 16 bytes a message
 * while it is not.
 */
export const pageEntries = 128;
export const pageBytes = pageEntries * 16;
const pooledMax = 4096;

export class Page {
  /** Offset of slot 0. */
  base = 0;
  /** Entries present. */
  live = 0;
  /** Of the last span that was read back into it; 0: none was. */
  span = 0;
  readonly words = new Uint32Array(pageEntries * 4);
}

const pool: Page[] = [];

export function takePage(base: number): Page {
  const page = pool.pop() ?? new Page();
  page.base = base;
  page.live = 0;
  page.span = 0;
  return page;
}

/** The page's words must be zero in every first word: its entries were released one by one. */
export function givePage(page: Page): void {
  if (pool.length < pooledMax) pool.push(page);
}

/** Pages of these numbers that are there, and perhaps others: whichever are fewer to look at. They may be dropped meanwhile. */
export function pagesIn(pages: ReadonlyMap<number, Page>, from: number, to: number): Page[] {
  if (to - from >= pages.size) return [...pages.values()];
  const found: Page[] = [];
  for (let number = from; number <= to; number++) {
    const page = pages.get(number);
    if (page !== undefined) found.push(page);
  }
  return found;
}

/**
 * Where the first page there begins that does so at `offset` or behind it. For spans without measure: the cost of finding
 * an entry is bounded by what is in memory.
 */
export function firstPageFrom(pages: ReadonlyMap<number, Page>, offset: number): number {
  let first = Infinity;
  for (const { base } of pages.values()) if (base >= offset && base < first) first = base;
  return first;
}

/** The slot whose words begin at `at` says where its entry lies. */
export function point(
  words: Uint32Array,
  at: number,
  slot: number,
  position: number,
  length: number,
  bodyLength: number,
): void {
  words[at] = slot + 1;
  words[at + 1] = position;
  words[at + 2] = length;
  words[at + 3] = bodyLength;
}

/** Where an entry lies: block buffer and position in it. *Reused.* */
export interface EntryPlace {
  slot: number;
  position: number;
}

/** Tells where each entry lies; the answer is where it lies from now on. Recompacts block buffers. */
export function moveEntries(
  pages: ReadonlyMap<number, Page>,
  move: (slot: number, position: number, length: number, place: EntryPlace) => void,
): void {
  const place: EntryPlace = { slot: 0, position: 0 };
  for (const { words } of pages.values()) {
    for (let at = 0; at < words.length; at += 4) {
      if (words[at] === 0) continue;
      place.slot = words[at]! - 1;
      place.position = words[at + 1]!;
      move(place.slot, place.position, words[at + 2]!, place);
      words[at] = place.slot + 1;
      words[at + 1] = place.position;
    }
  }
}
