/**
 * Ends and offsets that come late: what Kafka's protocol cannot tell apart up to EndTxn v4 and TxnOffsetCommit v4, and what is
 * told apart here all the same. All of them are told in docs/kafka-transactions.md.
 */
import { test } from "node:test";
import { tell } from "./bottle-stage.suite.ts";

test("an end that was sent over a connection that was given up commits nothing of the next transaction", () =>
  tell(`
    topic t made
      NONE
    a inits T
      NONE
      anew
    a adds t/0 by=old
      t/0 NONE
    a writes t/0 one
      NONE
    a ends commit by=new
      NONE
    a adds t/0 by=new
      t/0 NONE
    a writes t/0 half
      NONE
    a ends commit by=old
      CONCURRENT_TRANSACTIONS
    t/0 shows
      one
      1 undecided
    a writes t/0 whole
      NONE
    a ends commit by=new
      NONE
    t/0 shows
      one half whole
  `));

test("nor if it was sent more than once, and all come together", () =>
  tell(`
    topic t made
      NONE
    a inits T
      NONE
      anew
    a adds t/0 by=old
      t/0 NONE
    a ends commit by=new
      NONE
    a adds t/0 by=new
      t/0 NONE
    a writes t/0 half
      NONE
    a ends commit by=old
      CONCURRENT_TRANSACTIONS
    a ends commit by=old
      CONCURRENT_TRANSACTIONS
    4 ms pass
    a ends commit by=old
      CONCURRENT_TRANSACTIONS
    a writes t/0 whole
      NONE
    a ends commit by=new
      NONE
    t/0 shows
      half whole
  `));

test("nor aborts it", () =>
  tell(`
    topic t made
      NONE
    a inits T
      NONE
      anew
    a adds t/0 by=old
      t/0 NONE
    a ends abort by=new
      NONE
    a joins g by=new
      NONE
    a adds t/0 by=new
      t/0 NONE
    a writes t/0 x
      NONE
    a ends abort by=old
      CONCURRENT_TRANSACTIONS
    a ends commit by=new
      NONE
    t/0 shows
      x
  `));

test("who asks again by the older connection lives, and is believed", () =>
  tell(`
    topic t made
      NONE
    a inits T by=old
      NONE
      anew
    a adds t/0 by=old
      t/0 NONE
    a adds t/1 by=new
      t/1 NONE
    a writes t/1 x
      NONE
    a ends commit by=old
      CONCURRENT_TRANSACTIONS
    20 ms pass
    a ends commit by=old
      NONE
    t/1 shows
      x
    a adds t/1 by=new
      t/1 NONE
    a ends commit by=old
      CONCURRENT_TRANSACTIONS
    a ends commit by=new
      NONE
  `));

test("an end that comes before the next transaction begins ends nothing", () =>
  tell(`
    topic t made
      NONE
    a inits T
      NONE
      anew
    a adds t/0 by=old
      t/0 NONE
    a writes t/0 x
      NONE
    a ends commit by=new
      NONE
    a ends commit by=old
      NONE
    a ends abort by=old
      INVALID_TXN_STATE
    t/0 shows all
      x |commit
  `));

test("an end of an epoch before is refused, whoever sends it and whatever is going on", () =>
  tell(`
    topic t made
      NONE
    a inits T
      NONE
      anew
    a adds t/0
      t/0 NONE
    a writes t/0 x
      NONE
    b inits T
      NONE
      newer
    a ends commit v=4
      PRODUCER_FENCED
    a ends commit v=5
      PRODUCER_FENCED
    b adds t/0
      t/0 NONE
    b writes t/0 y
      NONE
    a ends commit v=4
      PRODUCER_FENCED
    a ends commit v=5
      PRODUCER_FENCED
    a ends abort v=4
      PRODUCER_FENCED
    a ends abort v=5
      PRODUCER_FENCED
    b ends commit
      NONE
    t/0 shows
      y
  `));

test("from v5 on an end belongs to one transaction, by its epoch", () =>
  tell(`
    topic t made
      NONE
    a inits T
      NONE
      anew
    a writes t/0 x v=12
      NONE
    a ends commit v=5
      NONE
      newer
    a writes t/0 y v=12
      NONE
    a ends commit v=5 epoch=-1 by=old
      PRODUCER_FENCED
    a ends abort v=5 epoch=-1 by=old
      PRODUCER_FENCED
    t/0 shows
      x
      1 undecided
    a ends abort v=5
      NONE
      newer
    t/0 shows
      x
  `));

test("who goes on in the name of an epoch before does not abort what its successor has begun", () =>
  tell(`
    topic t made
      NONE
    a inits T
      NONE
      anew
    b inits T
      NONE
      newer
    b writes t/0 x v=12
      NONE
    a inits T onward
      PRODUCER_FENCED
    b ends commit v=5
      NONE
      newer
    t/0 shows
      x
  `));

test("what was produced late is not a part of a later transaction", () =>
  tell(`
    topic t made
      NONE
    a inits T
      NONE
      anew
    a writes t/0 x v=12
      NONE
    a ends commit v=5
      NONE
      newer
    a writes t/0 late v=12 epoch=-1 seq=1
      INVALID_PRODUCER_EPOCH
    a writes t/0 y v=12
      NONE
    a writes t/0 late v=12 epoch=-1 seq=1
      INVALID_PRODUCER_EPOCH
    a ends commit v=5
      NONE
      newer
    t/0 shows
      x y
  `));

test("offsets that were sent over a connection that was given up do not set back those of the next transaction", () =>
  tell(`
    topic t made
      NONE
    a inits T by=old
      NONE
      anew
    a joins g by=new
      NONE
    a commits g t/0=5 by=new
      t/0 NONE
    a ends commit by=new
      NONE
    a joins g by=new
      NONE
    a commits g t/0=9 by=new
      t/0 NONE
    a commits g t/0=5 by=old
      t/0 COORDINATOR_LOAD_IN_PROGRESS
    a commits g t/0=5 by=old
      t/0 COORDINATOR_LOAD_IN_PROGRESS
    a ends commit by=new
      NONE
    g stands t/0
      9
  `));

test("nor do they count where the next transaction has said nothing yet", () =>
  tell(`
    topic t made
      NONE
    a inits T by=old
      NONE
      anew
    a joins g by=old
      NONE
    a commits g t/0=5 by=old
      t/0 NONE
    a ends commit by=old
      NONE
    a joins g by=old
      NONE
    a ends abort by=new
      NONE
    a joins g by=new
      NONE
    a commits g t/0=9 by=old
      t/0 COORDINATOR_LOAD_IN_PROGRESS
    a commits g t/1=1 by=new
      t/1 NONE
    a ends abort by=new
      NONE
    g stands t/0
      5
  `));

test("a client that sends offsets by an older connection than all else is not asked twice", () =>
  tell(`
    topic t made
      NONE
    a inits T by=offsets
      NONE
      anew
    a joins g by=rest
      NONE
    a commits g t/0=5 by=offsets
      t/0 NONE
    a ends commit by=rest
      NONE
    a joins g by=rest
      NONE
    a commits g t/0=6 by=offsets
      t/0 NONE
    a ends commit by=rest
      NONE
    g stands t/0
      6
  `));

test("one that uses two connections for offsets is asked twice once, and believed", () =>
  tell(`
    topic t made
      NONE
    a inits T by=one
      NONE
      anew
    a joins g by=two
      NONE
    a commits g t/0=5 by=two
      t/0 NONE
    a commits g t/1=5 by=one
      t/1 COORDINATOR_LOAD_IN_PROGRESS
    20 ms pass
    a commits g t/1=5 by=one
      t/1 NONE
    a commits g t/0=6 by=two
      t/0 NONE
    a commits g t/1=6 by=one
      t/1 NONE
    a ends commit by=two
      NONE
    g stands t/1
      6
  `));

test("from v5 on offsets belong to one transaction, by its epoch", () =>
  tell(`
    topic t made
      NONE
    a inits T by=old
      NONE
      anew
    a commits g t/0=5 v=5 by=new
      t/0 NONE
    a ends commit v=5
      NONE
      newer
    a commits g t/0=6 v=5 by=new
      t/0 NONE
    a commits g t/0=5 v=5 epoch=-1 by=old
      t/0 INVALID_PRODUCER_EPOCH
    a commits g t/0=5 v=4 epoch=-1 by=old
      t/0 INVALID_PRODUCER_EPOCH
    a commits g t/0=7 v=5 by=old
      t/0 NONE
    a ends commit v=5
      NONE
      newer
    g stands t/0
      7
  `));

test("who takes over an id by an older connection has its offsets believed", () =>
  tell(`
    topic t made
      NONE
    a inits T by=old
      NONE
      anew
    a joins g by=new
      NONE
    a commits g t/0=5 by=new
      t/0 NONE
    b inits T by=old
      NONE
      newer
    b joins g by=old
      NONE
    b commits g t/0=6 by=old
      t/0 NONE
  `));
