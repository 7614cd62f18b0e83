/** What the operator decides about groups. */

export interface GroupSettings {
  /** How long an empty group waits for more members before its first generation; Kafka's group.initial.rebalance.delay.ms. */
  readonly initialRebalanceDelayMs: number;
  /** That wait ends when no member has come for so long, and none is about to; 0: not before its time, as Kafka's. */
  readonly initialRebalanceQuietMs: number;
  /** How long the answer to a heartbeat waits for a rebalance, at most; 0: not at all, as Kafka's. */
  readonly heartbeatHoldMaxMs: number;
  /** Bounds of what members may ask for as their session timeout. */
  readonly sessionTimeoutMinMs: number;
  readonly sessionTimeoutMaxMs: number;
  /** Members of one group at most; Infinity: no limit. */
  readonly membersMax: number;
  /** How long offsets outlive their group's last member, or in a group without members their last commit. */
  readonly offsetsRetentionMs: number;
  /** UTF-16 units of what goes with an offset. */
  readonly offsetMetadataMax: number;
}

/** Kafka's defaults, but for initialRebalanceQuietMs and heartbeatHoldMaxMs. */
export const plainGroupSettings: GroupSettings = {
  initialRebalanceDelayMs: 3000,
  initialRebalanceQuietMs: 1000,
  heartbeatHoldMaxMs: 3000,
  sessionTimeoutMinMs: 6000,
  sessionTimeoutMaxMs: 1_800_000,
  membersMax: Infinity,
  offsetsRetentionMs: 7 * 86_400_000,
  offsetMetadataMax: 4096,
};

/** New members cannot send heartbeats while they wait for their first generation; after so long they are given up. */
export const newMemberTimeoutMs = 300_000;
