/** What the model remembers: a queue in one of its lives, and each copy of each message in it. */
import type { QueueSettings } from "../src/broker/api.ts";
import type { QueueState } from "../src/broker/catalog/queue-state.ts";
import type { When } from "./cut.ts";

export interface Held {
  readonly lease: number;
  readonly copy: Copy | undefined;
}

export class Copy {
  readonly queue: ModelQueue;
  readonly offset: number;
  readonly number: number;
  readonly path: string;
  isDurable = false;
  priority = 0;
  key: string | undefined;
  timestampMs = 0;
  ttlMs = -1;
  deliverAtMs = 0;
  appended: When;
  settled: When | undefined;
  held: Held | undefined;
  /** Rejected or over its limit, and perhaps not settled yet, since its bytes have to be read first. */
  isDying = false;
  /** It failed, and how often before is not known: it may be over its limit. */
  mayDie = false;
  isDelivered = false;
  /** Known since the last restart only: -1 is unknown. */
  returns = 0;
  failures = 0;
  mayBeFlagged = false;
  /** What this is the dead-lettered or delayed copy of. */
  origin: Copy | undefined;

  constructor(queue: ModelQueue, offset: number, number: number, path: string, appended: When) {
    this.queue = queue;
    this.offset = offset;
    this.number = number;
    this.path = path;
    this.appended = appended;
  }

  /** By its own time to live, or its queue's, whichever is shorter; below 0: for ever. */
  get lifeMs(): number {
    const { ttlMs } = this.queue.settings;
    if (this.ttlMs < 0 || ttlMs < 0) return Math.max(this.ttlMs, ttlMs);
    return Math.min(this.ttlMs, ttlMs);
  }

  get text(): string {
    return `message ${this.number}${this.path === "" ? "" : ` (${this.path})`} at ${this.queue.name}#${this.queue.id}/${this.offset}`;
  }
}

export class ModelQueue {
  readonly id: number;
  readonly name: string;
  settings: QueueSettings;
  readonly isHidden: boolean;
  state: QueueState;
  created: When;
  deleted: When | undefined;
  readonly copies = new Map<number, Copy>();
  /** Where it began in this life, and what was done in it: to be compared with the broker's own counts. */
  bootNext = 0;
  given = 0;
  accepted = 0;
  /** Offsets below were looked at. */
  seenNext = 0;
  /** Its settings were changed, and whether the change outlives a crash is not known yet. */
  reconfigured: { old: QueueSettings; when: When } | undefined;
  /** It had a length limit once: what was dropped then may be seen late. */
  wasLimited = false;
  /** Came and went between two looks: when. */
  readonly unseen = new Map<number, When>();
  /** Messages by offset, for readers: settled ones too. */
  readonly history = new Map<number, number>();
  readonly fresh: Copy[] = [];

  constructor(state: QueueState, created: When) {
    this.id = state.id;
    this.name = state.name;
    this.settings = state.settings;
    this.isHidden = state.isHidden;
    this.state = state;
    this.created = created;
  }

  get isLog(): boolean {
    return this.settings.mode === "offset";
  }

  get readsHistory(): boolean {
    return this.isLog || this.settings.retention.maxAgeMs > 0;
  }
}

export interface Binding {
  readonly queue: ModelQueue;
  bound: When;
  unbound: When | undefined;
}
