/** What all parts of a trial share. */

import type { FaultList } from "./faults.ts";
import type { PublishedList } from "./published.ts";
import type { TriedSockets } from "./tried-sockets.ts";

export interface Tried {
  readonly sockets: TriedSockets;
  readonly faults: FaultList;
  readonly published: PublishedList;
}
