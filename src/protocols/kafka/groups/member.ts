/** One member of a group: what it said when it joined, what it waits for, and until when it counts as alive. */

/** A way of assigning that a member knows, and what it wants the leader to know for it. */
export interface GroupProtocol {
  readonly name: string;
  /** Of the client library; opaque, but for its topics where it is a consumer's. */
  readonly metadata: Buffer;
}

/** What a member says of itself when it joins. Buffers are the group's own. */
export interface MemberClaim {
  /** Undefined: a dynamic member. */
  readonly instanceId: string | undefined;
  readonly clientId: string;
  readonly clientHost: string;
  readonly protocolType: string;
  /** By preference. */
  readonly protocols: readonly GroupProtocol[];
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
}

const nothing = Buffer.alloc(0);

/** @typeParam Waiter whoever waits for an answer: the group hands it back with the answer, and knows no more of it. */
export class Member<Waiter> {
  readonly id: string;
  readonly instanceId: string | undefined;
  readonly clientId: string;
  readonly clientHost: string;
  readonly protocolType: string;
  protocols: readonly GroupProtocol[];
  sessionTimeoutMs: number;
  rebalanceTimeoutMs: number;
  assignment: Buffer = nothing;
  joinWaiter: Waiter | undefined;
  syncWaiter: Waiter | undefined;
  heartbeatWaiter: Waiter | undefined;
  /** Of its heartbeats, when the last came, and the shortest time between two of this generation: see held-heartbeats.ts. */
  beatAtMs = -Infinity;
  beatIntervalMs = Infinity;
  /** A connection ended while a heartbeat of it waited. */
  hasGivenUp = false;
  /** Waits for its first generation: it was not told its id yet, and so cannot send heartbeats. */
  isNew = false;
  /** When it is taken for dead; Infinity: not while it waits for an answer. */
  expiresAtMs = Infinity;

  constructor(id: string, claim: MemberClaim) {
    this.id = id;
    this.instanceId = claim.instanceId;
    this.clientId = claim.clientId;
    this.clientHost = claim.clientHost;
    this.protocolType = claim.protocolType;
    this.protocols = claim.protocols;
    this.sessionTimeoutMs = claim.sessionTimeoutMs;
    this.rebalanceTimeoutMs = claim.rebalanceTimeoutMs;
  }

  /** Its own for the protocol that was chosen; empty for one that it does not know. */
  metadata(protocolName: string | undefined): Buffer {
    return this.protocols.find(({ name }) => name === protocolName)?.metadata ?? nothing;
  }

  /** Whether it says the same as before, in the same order. */
  matches(protocols: readonly GroupProtocol[]): boolean {
    if (protocols.length !== this.protocols.length) return false;
    return protocols.every((protocol, index) => {
      const own = this.protocols[index]!;
      return own.name === protocol.name && own.metadata.equals(protocol.metadata);
    });
  }
}
