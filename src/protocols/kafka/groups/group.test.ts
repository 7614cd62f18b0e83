import assert from "node:assert/strict";
import { test } from "node:test";
import { GroupStory } from "./group-story.suite.ts";
import { joinGroup } from "./joining.ts";

const tell = GroupStory.tell;

test("members come within the first delay, which is prolonged while they do; then they are assigned", () =>
  tell(
    `
    a joins
      PreparingRebalance 0
    1000 ms pass
    b joins
    1999 ms pass
    1 ms pass
    3000 ms pass
      at 6000 ms
      a: a-1 joined 1, range, leader a-1, members a-1 b-1
      b: b-1 joined 1, range, leader a-1
      CompletingRebalance 1
    a syncs as=a-1 gives=a-1:x,b-1:y
      a: is assigned x
      Stable 1
    b syncs as=b-1
      b: is assigned y
    a beats as=a-1
      a: NONE
    b beats as=b-1
      b: NONE
  `,
  ));

test("a follower waits for the leader's assignment; who is not named in it is assigned nothing", () =>
  tell(
    `
    a joins
      PreparingRebalance 0
    b joins
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1 b-1
      b: b-1 joined 1, range, leader a-1
      CompletingRebalance 1
    b syncs as=b-1
    a syncs as=a-1 gives=a-1:x
      a: is assigned x
      b: is assigned nothing
      Stable 1
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("the first delay lasts no longer than the rebalance timeout", () =>
  tell(
    `
    a joins rebalance=5000
      PreparingRebalance 0
    2000 ms pass
    b joins rebalance=5000
    1000 ms pass
    c joins rebalance=5000
    3000 ms pass
      at 5000 ms
      a: a-1 joined 1, range, leader a-1, members a-1 b-1 c-1
      b: b-1 joined 1, range, leader a-1
      c: c-1 joined 1, range, leader a-1
      CompletingRebalance 1
  `,
    { initialRebalanceDelayMs: 3000 },
  ));

test("a second in which nobody comes ends the first delay", () =>
  tell(
    `
    a joins
      PreparingRebalance 0
    999 ms pass
    b joins v=4
      b: MEMBER_ID_REQUIRED b-1
    b joins v=4 as=b-1
    999 ms pass
    c joins
    5000 ms pass
      at 2998 ms
      a: a-1 joined 1, range, leader a-1, members a-1 b-1 c-1
      b: b-1 joined 1, range, leader a-1
      c: c-1 joined 1, range, leader a-1
      CompletingRebalance 1
  `,
    { initialRebalanceQuietMs: 1000 },
  ));

test("one that has its id and has not come back is waited for, but no longer than the delay", () =>
  tell(
    `
    a joins
      PreparingRebalance 0
    b joins v=4
      b: MEMBER_ID_REQUIRED b-1
    5000 ms pass
      at 3000 ms
      a: a-1 joined 1, range, leader a-1, members a-1
      CompletingRebalance 1
  `,
    { initialRebalanceQuietMs: 1000 },
  ));

test("from version 4 on a member is given its id first, and is forgotten if it does not come back", () =>
  tell(
    `
    a joins v=4
      a: MEMBER_ID_REQUIRED a-1
    a joins v=4 as=a-1
      PreparingRebalance 0
    b joins v=4 session=6000
      b: MEMBER_ID_REQUIRED b-1
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1
      CompletingRebalance 1
    a syncs as=a-1 gives=a-1:x
      a: is assigned x
      Stable 1
    a joins v=4 as=a-1
      PreparingRebalance 1
    6000 ms pass
      at 6000 ms
      a: a-1 joined 2, range, leader a-1, members a-1
      CompletingRebalance 2
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("an id that nobody was given is not taken", () =>
  tell(
    `
    a joins as=made-up
      a: UNKNOWN_MEMBER_ID made-up
    a joins
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1
      CompletingRebalance 1
    b joins as=made-up
      b: UNKNOWN_MEMBER_ID made-up
    b beats as=made-up
      b: UNKNOWN_MEMBER_ID
    b syncs as=made-up
      b: UNKNOWN_MEMBER_ID
    b leaves as=made-up
      b: UNKNOWN_MEMBER_ID
    b commits as=made-up at=1
      b: UNKNOWN_MEMBER_ID
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("a newcomer makes all join again; heartbeats, syncs and commits of the old generation are told so", () =>
  tell(
    `
    a joins
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1
      CompletingRebalance 1
    a syncs as=a-1 gives=a-1:x
      a: is assigned x
      Stable 1
    b joins
      PreparingRebalance 1
    a beats as=a-1
      a: REBALANCE_IN_PROGRESS
    a syncs as=a-1
      a: REBALANCE_IN_PROGRESS
    a commits as=a-1
      a: NONE
    a joins as=a-1
      a: a-1 joined 2, range, leader a-1, members a-1 b-1
      b: b-1 joined 2, range, leader a-1
      CompletingRebalance 2
    a syncs as=a-1 at=1
      a: ILLEGAL_GENERATION
    a beats as=a-1 at=1
      a: ILLEGAL_GENERATION
    a commits as=a-1 at=1
      a: ILLEGAL_GENERATION
    a commits as=a-1
      a: REBALANCE_IN_PROGRESS
    a beats as=a-1
      a: NONE
    b syncs as=b-1
    a syncs as=a-1 gives=a-1:x,b-1:y
      a: is assigned x
      b: is assigned y
      Stable 2
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("who does not join again in time is out, and the leader with it", () =>
  tell(
    `
    a joins session=60000 rebalance=20000
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1
      CompletingRebalance 1
    a syncs as=a-1 gives=a-1:x
      a: is assigned x
      Stable 1
    b joins session=60000 rebalance=20000
      PreparingRebalance 1
    c joins session=60000 rebalance=20000
    20000 ms pass
      at 20000 ms
      a-1 is out: it did not join again in time
      b: b-1 joined 2, range, leader b-1, members b-1 c-1
      c: c-1 joined 2, range, leader b-1
      CompletingRebalance 2
    b syncs as=b-1 gives=b-1:x,c-1:y
      b: is assigned x
      Stable 2
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("a member whose session times out is out; one that waits for an answer is not", () =>
  tell(
    `
    a joins session=6000
      PreparingRebalance 0
    b joins session=6000
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1 b-1
      b: b-1 joined 1, range, leader a-1
      CompletingRebalance 1
    b syncs as=b-1
    5999 ms pass
    a syncs as=a-1 gives=a-1:x,b-1:y
      a: is assigned x
      b: is assigned y
      Stable 1
    6000 ms pass
      at 11999 ms
      a-1 is out: its session has timed out
      b-1 is out: its session has timed out
      Empty 2
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("who did not ask for its assignment within the rebalance timeout is out", () =>
  tell(
    `
    a joins session=100000 rebalance=10000
      PreparingRebalance 0
    b joins session=100000 rebalance=10000
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1 b-1
      b: b-1 joined 1, range, leader a-1
      CompletingRebalance 1
    b syncs as=b-1
    10000 ms pass
      at 10000 ms
      a-1 is out: it did not ask for its assignment in time
      b: REBALANCE_IN_PROGRESS
      PreparingRebalance 1
    b joins as=b-1
      b: b-1 joined 2, range, leader b-1, members b-1
      CompletingRebalance 2
    b syncs as=b-1 gives=b-1:z
      b: is assigned z
      Stable 2
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("a new member that waits for its first generation is given up after five minutes", () =>
  tell(
    `
    a joins session=1000000 rebalance=600000
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1
      CompletingRebalance 1
    a syncs as=a-1 gives=a-1:x
      a: is assigned x
      Stable 1
    b joins session=6000 rebalance=600000
      PreparingRebalance 1
    299999 ms pass
    1 ms pass
      at 300000 ms
      b: UNKNOWN_MEMBER_ID
      b-1 is out: its session has timed out
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("a second request of a member that waits ends the first", () =>
  tell(
    `
    a joins
      PreparingRebalance 0
    b joins
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1 b-1
      b: b-1 joined 1, range, leader a-1
      CompletingRebalance 1
    b syncs as=b-1
    b syncs as=b-1
      b: REBALANCE_IN_PROGRESS
    a syncs as=a-1 gives=b-1:y
      a: is assigned nothing
      b: is assigned y
      Stable 1
    c joins
      PreparingRebalance 1
    b joins as=b-1
    b joins as=b-1
      b: REBALANCE_IN_PROGRESS b-1
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("a follower with nothing new to say gets the generation as it is; with something new, or as the leader, it makes all join again", () =>
  tell(
    `
    a joins
      PreparingRebalance 0
    b joins
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1 b-1
      b: b-1 joined 1, range, leader a-1
      CompletingRebalance 1
    b joins as=b-1
      b: b-1 joined 1, range, leader a-1
    a joins as=a-1
      a: a-1 joined 1, range, leader a-1, members a-1 b-1
    a syncs as=a-1 gives=a-1:x,b-1:y
      a: is assigned x
      Stable 1
    b joins as=b-1
      b: b-1 joined 1, range, leader a-1
    b joins as=b-1 says=more
      PreparingRebalance 1
    a joins as=a-1
      a: a-1 joined 2, range, leader a-1, members a-1 b-1
      b: b-1 joined 2, range, leader a-1
      CompletingRebalance 2
    a syncs as=a-1 gives=a-1:x,b-1:y
      a: is assigned x
      Stable 2
    a joins as=a-1
      PreparingRebalance 2
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("one that says something new while the leader assigns makes all join again", () =>
  tell(
    `
    a joins
      PreparingRebalance 0
    b joins
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1 b-1
      b: b-1 joined 1, range, leader a-1
      CompletingRebalance 1
    a joins as=a-1 says=more
      PreparingRebalance 1
    b syncs as=b-1
      b: REBALANCE_IN_PROGRESS
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("a member that leaves is missed at once; the last one leaves an empty group", () =>
  tell(
    `
    a joins
      PreparingRebalance 0
    b joins
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1 b-1
      b: b-1 joined 1, range, leader a-1
      CompletingRebalance 1
    a syncs as=a-1 gives=a-1:x,b-1:y
      a: is assigned x
      Stable 1
    a leaves as=a-1
      a: NONE
      PreparingRebalance 1
    b joins as=b-1
      b: b-1 joined 2, range, leader b-1, members b-1
      CompletingRebalance 2
    b syncs as=b-1 gives=b-1:y
      b: is assigned y
      Stable 2
    b leaves as=b-1
      b: NONE
      Empty 3
    b beats as=b-1
      b: UNKNOWN_MEMBER_ID
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("leaving while all wait for one is what they waited for", () =>
  tell(
    `
    a joins
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1
      CompletingRebalance 1
    a syncs as=a-1 gives=a-1:x
      a: is assigned x
      Stable 1
    b joins
      PreparingRebalance 1
    a leaves as=a-1
      a: NONE
      b: b-1 joined 2, range, leader b-1, members b-1
      CompletingRebalance 2
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("who is put out while it waits is told", () =>
  tell(
    `
    a joins instance=i
      PreparingRebalance 0
    b joins
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1 b-1
      b: b-1 joined 1, range, leader a-1
      CompletingRebalance 1
    a syncs as=a-1 instance=i gives=a-1:x
      a: is assigned x
      Stable 1
    b syncs as=b-1
      b: is assigned nothing
    c joins
      PreparingRebalance 1
    b joins as=b-1
    a joins as=a-1 instance=i
      a: a-1 joined 2, range, leader a-1, members a-1 b-1 c-1
      b: b-1 joined 2, range, leader a-1
      c: c-1 joined 2, range, leader a-1
      CompletingRebalance 2
    b syncs as=b-1
    c leaves instance=i
      c: NONE
      b: REBALANCE_IN_PROGRESS
      PreparingRebalance 2
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("the protocol is the one that all know and most prefer; who knows none of them is refused", () =>
  tell(
    `
    a joins knows=range,sticky,mine
      PreparingRebalance 0
    b joins knows=sticky,range
      PreparingRebalance 0
    c joins knows=sticky,range
      PreparingRebalance 0
    d joins knows=mine
      d: INCONSISTENT_GROUP_PROTOCOL
      PreparingRebalance 0
    e joins knows=
      e: INCONSISTENT_GROUP_PROTOCOL
      PreparingRebalance 0
    f joins knows=range type=connect
      f: INCONSISTENT_GROUP_PROTOCOL
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, sticky, leader a-1, members a-1 b-1 c-1
      b: b-1 joined 1, sticky, leader a-1
      c: c-1 joined 1, sticky, leader a-1
      CompletingRebalance 1
    a joins as=a-1 knows=mine
      a: INCONSISTENT_GROUP_PROTOCOL a-1
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("an empty group takes members of another type", () =>
  tell(
    `
    a joins
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1
      CompletingRebalance 1
    a leaves as=a-1
      a: NONE
      Empty 2
    b joins type=connect knows=default
      PreparingRebalance 2
    0 ms pass
      at 0 ms
      b: b-1 joined 3, default, leader b-1, members b-1
      CompletingRebalance 3
    c joins type= knows=x
      c: INCONSISTENT_GROUP_PROTOCOL
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("sync checks type and name of the protocol, where they are said", () =>
  tell(
    `
    a joins
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1
      CompletingRebalance 1
    a syncs as=a-1 type=connect name=range
      a: INCONSISTENT_GROUP_PROTOCOL
    a syncs as=a-1 type=consumer name=sticky
      a: INCONSISTENT_GROUP_PROTOCOL
    a syncs as=a-1 type=consumer name=range gives=a-1:x
      a: is assigned x
      Stable 1
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("a static member that comes back has its place and its assignment, without a rebalance", () =>
  tell(
    `
    a joins instance=i v=9
      PreparingRebalance 0
    b joins instance=j v=9
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1 b-1
      b: b-1 joined 1, range, leader a-1
      CompletingRebalance 1
    a syncs as=a-1 instance=i gives=a-1:x,b-1:y
      a: is assigned x
      Stable 1
    b syncs as=b-1 instance=j
      b: is assigned y
    b joins instance=j v=9
      b: b-2 joined 1, range, leader a-1
    b syncs as=b-2 instance=j
      b: is assigned y
    b beats as=b-1 instance=j
      b: FENCED_INSTANCE_ID
    b beats as=b-2 instance=j
      b: NONE
    b syncs as=b-1 instance=j
      b: FENCED_INSTANCE_ID
    b commits as=b-1 instance=j
      b: FENCED_INSTANCE_ID
    b leaves as=b-1 instance=j
      b: FENCED_INSTANCE_ID
    b joins as=b-1 instance=j
      b: FENCED_INSTANCE_ID b-1
    a joins instance=i v=9
      a: a-2 joined 1, range, leader a-2, members b-2 a-2, nothing to assign
    a syncs as=a-2 instance=i
      a: is assigned x
    a joins instance=i v=8
      a: a-3 joined 1, range, leader a-2
    a syncs as=a-3 instance=i
      a: is assigned x
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("a static member replaced by one that says otherwise rebalances if the protocol changes by it", () =>
  tell(
    `
    a joins instance=i knows=range,sticky
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1
      CompletingRebalance 1
    a syncs as=a-1 instance=i gives=a-1:x
      a: is assigned x
      Stable 1
    a joins instance=i knows=range says=more
      a: a-2 joined 1, range, leader a-1
    a joins instance=i knows=sticky
      a: INCONSISTENT_GROUP_PROTOCOL
    a joins instance=i knows=range,sticky
      a: a-4 joined 1, range, leader a-2
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("a static member that is replaced while it waits is told that it is fenced", () =>
  tell(
    `
    a joins instance=i
      PreparingRebalance 0
    b joins
      PreparingRebalance 0
    a joins instance=i
      a: FENCED_INSTANCE_ID a-1
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      b: b-1 joined 1, range, leader a-2
      a: a-2 joined 1, range, leader a-2, members b-1 a-2
      CompletingRebalance 1
    a syncs as=a-2 instance=i
      a: is assigned nothing
      Stable 1
    a joins instance=i
      a: a-3 joined 1, range, leader a-2
    b joins as=b-1
      b: b-1 joined 1, range, leader a-3
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("static members keep their place when they miss a rebalance, until they miss the assignment too", () =>
  tell(
    `
    a joins instance=i session=100000 rebalance=10000
      PreparingRebalance 0
    b joins session=100000 rebalance=10000
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1 b-1
      b: b-1 joined 1, range, leader a-1
      CompletingRebalance 1
    a syncs as=a-1 instance=i gives=a-1:x,b-1:y
      a: is assigned x
      Stable 1
    b syncs as=b-1
      b: is assigned y
    b leaves as=b-1
      b: NONE
      PreparingRebalance 1
    c joins session=100000 rebalance=10000
    10000 ms pass
      at 10000 ms
      c: c-1 joined 2, range, leader c-1, members a-1 c-1
      CompletingRebalance 2
    c syncs as=c-1 gives=c-1:z
      c: is assigned z
      Stable 2
    90000 ms pass
      at 20000 ms
      a-1 is out: it did not ask for its assignment in time
      at 30000 ms
      c-1 is out: it did not join again in time
      Empty 3
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("if only static members are missed, and nobody joins, the group waits on", () =>
  tell(
    `
    a joins instance=i session=25000 rebalance=10000
      PreparingRebalance 0
    b joins session=100000 rebalance=10000
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1 b-1
      b: b-1 joined 1, range, leader a-1
      CompletingRebalance 1
    a syncs as=a-1 instance=i gives=a-1:x,b-1:y
      a: is assigned x
      Stable 1
    b syncs as=b-1
      b: is assigned y
    b leaves as=b-1
      b: NONE
      PreparingRebalance 1
    24999 ms pass
    1 ms pass
      at 25000 ms
      a-1 is out: its session has timed out
      Empty 2
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("an unknown instance, and one under another's id, are told apart", () =>
  tell(
    `
    a joins instance=i
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1
      CompletingRebalance 1
    a syncs as=a-1 instance=k
      a: UNKNOWN_MEMBER_ID
    a syncs as=other instance=i
      a: FENCED_INSTANCE_ID
    b leaves instance=k
      b: UNKNOWN_MEMBER_ID
    b leaves instance=i
      b: NONE
      Empty 2
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("a full group takes nobody else, but one that takes its own place", () =>
  tell(
    `
    a joins
      PreparingRebalance 0
    b joins instance=j
      PreparingRebalance 0
    c joins
      c: GROUP_MAX_SIZE_REACHED
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1 b-1
      b: b-1 joined 1, range, leader a-1
      CompletingRebalance 1
    c joins
      c: GROUP_MAX_SIZE_REACHED
    a syncs as=a-1 gives=a-1:x,b-1:y
      a: is assigned x
      Stable 1
    b syncs as=b-1 instance=j
      b: is assigned y
    b joins instance=j
      b: b-2 joined 1, range, leader a-1
    b syncs as=b-2 instance=j
      b: is assigned y
    a joins as=a-1
      PreparingRebalance 1
    b joins as=b-2 instance=j
      a: a-1 joined 2, range, leader a-1, members a-1 b-2
      b: b-2 joined 2, range, leader a-1
      CompletingRebalance 2
  `,
    { initialRebalanceDelayMs: 0, membersMax: 2 },
  ));

test("offsets of an empty group may be committed by anybody, of others by their members", () =>
  tell(
    `
    x commits
      x: NONE
    x commits at=3
      x: UNKNOWN_MEMBER_ID
    a joins
      PreparingRebalance 0
    x commits
      x: UNKNOWN_MEMBER_ID
    3000 ms pass
      at 3000 ms
      a: a-1 joined 1, range, leader a-1, members a-1
      CompletingRebalance 1
    x commits
      x: UNKNOWN_MEMBER_ID
    a commits as=a-1
      a: REBALANCE_IN_PROGRESS
    a commits as=a-1 tx
      a: NONE
    a syncs as=a-1 gives=a-1:x
      a: is assigned x
      Stable 1
    x commits
      x: UNKNOWN_MEMBER_ID
    x commits tx
      x: NONE
    a commits as=a-1
      a: NONE
    a commits as=a-1 at=0
      a: ILLEGAL_GENERATION
  `,
  ));

test("a commit is a sign of life", () =>
  tell(
    `
    a joins session=6000
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1
      CompletingRebalance 1
    a syncs as=a-1 gives=a-1:x
      a: is assigned x
      Stable 1
    4000 ms pass
    a commits as=a-1
      a: NONE
    4000 ms pass
    a beats as=a-1
      a: NONE
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("one that waits for its assignment and is put out meanwhile is told", () =>
  tell(
    `
    a joins
      PreparingRebalance 0
    b joins
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1 b-1
      b: b-1 joined 1, range, leader a-1
      CompletingRebalance 1
    b syncs as=b-1
    x leaves as=b-1
      x: NONE
      b: UNKNOWN_MEMBER_ID
      PreparingRebalance 1
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("a static member that was replaced before it asked for its assignment has to ask too", () =>
  tell(
    `
    a joins instance=i session=60000 rebalance=10000
      PreparingRebalance 0
    b joins instance=j session=60000 rebalance=10000
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1 b-1
      b: b-1 joined 1, range, leader a-1
      CompletingRebalance 1
    a syncs as=a-1 instance=i gives=a-1:x,b-1:y
      a: is assigned x
      Stable 1
    b joins instance=j session=60000 rebalance=10000
      b: b-2 joined 1, range, leader a-1
    10000 ms pass
      at 10000 ms
      b-2 is out: it did not ask for its assignment in time
      PreparingRebalance 1
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("a static member that was replaced lives by its heartbeats", () =>
  tell(
    `
    a joins instance=i
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1
      CompletingRebalance 1
    a syncs as=a-1 instance=i gives=a-1:x
      a: is assigned x
      Stable 1
    9000 ms pass
    a joins instance=i
      a: a-2 joined 1, range, leader a-1
    9999 ms pass
    1 ms pass
      at 19000 ms
      a-2 is out: its session has timed out
      Empty 2
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("one that comes back with its id to a group that is full is not waited for", () =>
  tell(
    `
    a joins
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1
      CompletingRebalance 1
    a syncs as=a-1 gives=a-1:x
      a: is assigned x
      Stable 1
    a joins as=a-1
      a: a-1 joined 2, range, leader a-1, members a-1
      CompletingRebalance 2
    b joins v=4
      b: MEMBER_ID_REQUIRED b-1
    a leaves as=a-1
      a: NONE
      PreparingRebalance 2
    c joins
      PreparingRebalance 2
    d joins
      PreparingRebalance 2
    b joins v=4 as=b-1
      b: GROUP_MAX_SIZE_REACHED
      c: c-1 joined 3, range, leader c-1, members c-1 d-1
      d: d-1 joined 3, range, leader c-1
      CompletingRebalance 3
  `,
    { initialRebalanceDelayMs: 0, membersMax: 2 },
  ));

const twoMembers = `
    a joins session=45000
      PreparingRebalance 0
    b joins session=45000
      PreparingRebalance 0
    0 ms pass
      at 0 ms
      a: a-1 joined 1, range, leader a-1, members a-1 b-1
      b: b-1 joined 1, range, leader a-1
      CompletingRebalance 1
    a syncs as=a-1 gives=a-1:x,b-1:y
      a: is assigned x
      Stable 1
    b syncs as=b-1
      b: is assigned y`;

test("a heartbeat whose answer may wait is answered when somebody leaves, joins, or is out", () =>
  tell(
    `${twoMembers}
    3000 ms pass
    a beats as=a-1 waits
      for 2625 ms
    100 ms pass
    b leaves as=b-1
      b: NONE
      a: REBALANCE_IN_PROGRESS
      PreparingRebalance 1
    a joins as=a-1 session=45000
      a: a-1 joined 2, range, leader a-1, members a-1
      CompletingRebalance 2
    a beats as=a-1 waits
      a: NONE
    a syncs as=a-1 gives=a-1:x
      a: is assigned x
      Stable 2
    a beats as=a-1 waits
      for 2625 ms
    c joins
      a: REBALANCE_IN_PROGRESS
      PreparingRebalance 2
    a leaves as=a-1
      a: NONE
      c: c-1 joined 3, range, leader c-1, members c-1
      CompletingRebalance 3
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("an answer waits for less than the member has waited between two heartbeats, and renews nothing by waiting", () =>
  tell(
    `${twoMembers}
    1000 ms pass
    a beats as=a-1 waits
      for 2625 ms
    800 ms pass
    a beats as=a-1 waits
      for 700 ms
      a: NONE
    44999 ms pass
      at 45000 ms
      b-1 is out: its session has timed out
      a: REBALANCE_IN_PROGRESS
      PreparingRebalance 1
    1 ms pass
      at 46800 ms
      a-1 is out: its session has timed out
      Empty 2
  `,
    { initialRebalanceDelayMs: 0 },
  ));

test("static members' heartbeats, those of Streams and of other kinds of groups are answered at once", () => {
  for (const how of ["instance=i", "knows=stream", "type=connect"]) {
    const story = new GroupStory({ initialRebalanceDelayMs: 0 });
    const instance = how.startsWith("instance") ? how : "";
    story.act(`a joins ${how}`);
    story.act("0 ms pass");
    story.act(`a syncs as=a-1 gives=a-1:x ${instance}`);
    assert.deepEqual(story.act(`a beats as=a-1 waits ${instance}`), ["a: NONE"]);
  }
});

/** Somebody joins, and says so much of itself. Answers what came of it. */
function say(story: GroupStory, who: string, megabytes: number, memberId = ""): string[] {
  const request = {
    memberId,
    newMemberId: `${who}-1`,
    instanceId: undefined,
    clientId: who,
    clientHost: "/127.0.0.1",
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: Buffer.alloc(megabytes << 20, memberId) }],
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 60_000,
    needsMemberId: false,
    maySkipAssignment: false,
    reason: "",
  };
  joinGroup(story.group, request, who, story.nowMs);
  return story.act("0 ms pass");
}

test("what a member says takes the place of what it said before, in the bound of its group too", () => {
  const story = new GroupStory({ initialRebalanceDelayMs: 0 });
  say(story, "a", 33);
  story.act("a syncs as=a-1 gives=a-1:x");
  assert.deepEqual(say(story, "a", 34, "a-1"), ["a: a-1 joined 2, range, leader a-1, members a-1"]);
});

test("a member that finds no room any more is out, and the others go on without it", () => {
  for (const state of ["Stable", "CompletingRebalance"]) {
    const story = new GroupStory({ initialRebalanceDelayMs: 0 });
    story.act("a joins");
    story.act("b joins");
    story.act("0 ms pass");
    story.act("b syncs as=b-1");
    if (state === "Stable") story.act("a syncs as=a-1 gives=a-1:x,b-1:y");
    assert.equal(story.group.state, state);
    const told = ["a-1 is out: the group is full", "a: GROUP_MAX_SIZE_REACHED"];
    if (state === "CompletingRebalance") told.push("b: REBALANCE_IN_PROGRESS");
    assert.deepEqual(say(story, "a", 65, "a-1"), told);
    assert.equal(story.group.state, "PreparingRebalance");
    assert.deepEqual(story.act("b joins as=b-1"), [
      "b: b-1 joined 2, range, leader b-1, members b-1",
      "CompletingRebalance 2",
    ]);
  }
});

test("a group whose last member finds no room any more is empty", () => {
  const story = new GroupStory({ initialRebalanceDelayMs: 0 });
  say(story, "a", 1);
  story.act("a syncs as=a-1 gives=a-1:x");
  say(story, "a", 65, "a-1");
  assert.deepEqual([story.group.state, story.group.generation], ["Empty", 2]);
});

test("an id that nobody comes back with does not end a group's first delay, but for a quiet that is over", () => {
  tell(
    `
    x joins v=4
      x: MEMBER_ID_REQUIRED x-1
    a joins
      PreparingRebalance 0
    59999 ms pass
    1 ms pass
      at 60000 ms
      a: a-1 joined 1, range, leader a-1, members a-1
      CompletingRebalance 1
  `,
    { initialRebalanceDelayMs: 60_000 },
  );
  tell(
    `
    x joins v=4
      x: MEMBER_ID_REQUIRED x-1
    a joins
      PreparingRebalance 0
    9999 ms pass
    1 ms pass
      at 10000 ms
      a: a-1 joined 1, range, leader a-1, members a-1
      CompletingRebalance 1
  `,
    { initialRebalanceDelayMs: 60_000, initialRebalanceQuietMs: 1000 },
  );
});

test("static members that are away are looked for once a second, though they say that they need no time", () => {
  const story = new GroupStory({ initialRebalanceDelayMs: 0 });
  for (const line of [
    "a joins instance=i",
    "b joins instance=j",
    "0 ms pass",
    "a syncs as=a-1 instance=i gives=a-1:x,b-1:y",
    "b syncs as=b-1 instance=j",
    "a joins instance=i rebalance=0",
    "b joins instance=j rebalance=0",
  ])
    story.act(line);
  const { group } = story;
  assert.equal(group.state, "Stable");
  story.act("a leaves instance=i");
  story.act("100 ms pass");
  assert.deepEqual([group.state, group.members.size], ["PreparingRebalance", 1]);
  assert.equal(group.nextDeadlineMs, 1000);
});
