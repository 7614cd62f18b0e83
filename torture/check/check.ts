/** Reads a history and says what in it breaks a promise. A pure function: check.test.ts has a history for each kind of finding. */

import type { Event } from "../history.ts";
import { readBooks, type Finding } from "./books.ts";
import { checkEnds } from "./end-rules.ts";
import { checkLogs } from "./log-rules.ts";
import { checkPositions } from "./position-rules.ts";
import { checkQueues } from "./queue-rules.ts";
import { Rot } from "./rot.ts";

export function checkHistory(events: readonly Event[]): Finding[] {
  const books = readBooks(events);
  const rot = new Rot(books);
  return [
    ...checkQueues(books, rot),
    ...checkLogs(books, rot),
    ...checkEnds(books, rot),
    ...checkPositions(books, rot),
  ];
}
