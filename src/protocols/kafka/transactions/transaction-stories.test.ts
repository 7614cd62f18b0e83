/**
 * What Kafka 4.1.1 was seen to answer, story by story, and what is answered here: the same. Left out is what Kafka answers in
 * the moment in which an end was answered and its markers are not written yet; here there is no such moment. In two places
 * the answers differ: Kafka refuses a batch whose number goes on behind one that was there twice, the first time in its
 * transaction (OUT_OF_ORDER_SEQUENCE_NUMBER), and takes a transactional batch of nobody (no id).
 */
import { test } from "node:test";
import { tell } from "./bottle-stage.suite.ts";

test("commits, aborts, and markers", () =>
  tell(`
    topic t made
      NONE
    a inits T
      NONE
      anew
    a adds t/0 t/1
      t/0 NONE
      t/1 NONE
    a writes t/0 x
      NONE
    a writes t/1 y
      NONE
    t/0 shows
      nothing
      1 undecided
    t/0 shows all
      x
    a ends commit
      NONE
    t/0 shows
      x
    t/0 shows all
      x |commit
    t/1 shows all
      y |commit
    a adds t/0
      t/0 NONE
    a writes t/0 z
      NONE
    a ends abort
      NONE
    t/0 shows
      x
    t/0 shows all
      x |commit z |abort
  `));

test("what InitProducerId refuses, and who may go on", () =>
  tell(`
    a inits nothing
      INVALID_REQUEST
    a inits T timeout=900001
      INVALID_TRANSACTION_TIMEOUT
    a inits T timeout=0
      INVALID_TRANSACTION_TIMEOUT
    a inits T timeout=-1
      INVALID_TRANSACTION_TIMEOUT
    a inits T
      NONE
      anew
    a inits T
      NONE
      newer
    a inits T onward
      NONE
      newer
    a inits T onward epoch=-1
      NONE
      same
    a inits T onward epoch=-2
      PRODUCER_FENCED
    a inits T onward epoch=+1
      PRODUCER_FENCED
    a inits T onward producer=+1000
      PRODUCER_FENCED
    a inits U onward
      NONE
      anew
    a inits T onward epoch=-9 v=3
      INVALID_PRODUCER_EPOCH
    a inits T onward epoch=-9 v=4
      PRODUCER_FENCED
  `));

test("who did not get its new epoch asks again, until somebody takes over", () =>
  tell(`
    a inits T
      NONE
      anew
    b inits T
      NONE
      newer
    b inits T onward
      NONE
      newer
    a inits T onward
      PRODUCER_FENCED
    b inits T onward epoch=-1
      NONE
      same
    b inits T onward epoch=-1
      NONE
      same
    c inits T
      NONE
      newer
    b inits T onward epoch=-1
      PRODUCER_FENCED
  `));

test("who was taken over from is fenced everywhere", () =>
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
    a writes t/0 x2
      INVALID_PRODUCER_EPOCH
    a writes t/0 x2 v=10
      INVALID_PRODUCER_EPOCH
    a adds t/0
      t/0 PRODUCER_FENCED
    a adds t/0 v=1
      t/0 INVALID_PRODUCER_EPOCH
    a ends commit
      PRODUCER_FENCED
    a ends commit v=1
      INVALID_PRODUCER_EPOCH
    a ends abort
      PRODUCER_FENCED
    a joins g
      PRODUCER_FENCED
    a joins g v=1
      INVALID_PRODUCER_EPOCH
    a commits g t/0=5
      t/0 INVALID_PRODUCER_EPOCH
    a commits g t/0=5 v=1
      t/0 INVALID_PRODUCER_EPOCH
    a commits g t/0=5 v=5
      t/0 INVALID_PRODUCER_EPOCH
    a writes t/1 x3 v=12
      INVALID_PRODUCER_EPOCH
    a ends commit v=5
      PRODUCER_FENCED
    t/0 shows
      nothing
    t/0 shows all
      x |abort
    b adds t/0
      t/0 NONE
    b writes t/0 y
      NONE
    b ends commit
      NONE
    t/0 shows
      y
    a inits T onward
      PRODUCER_FENCED
  `));

test("wrong ids, numbers and epochs", () =>
  tell(`
    topic t made
      NONE
    a inits T
      NONE
      anew
    b inits U
      NONE
      anew
    a adds t/0 id=V
      t/0 INVALID_PRODUCER_ID_MAPPING
    a adds t/0 producer=+1000
      t/0 INVALID_PRODUCER_ID_MAPPING
    a adds t/0 epoch=+1
      t/0 PRODUCER_FENCED
    a adds t/0 epoch=-1
      t/0 PRODUCER_FENCED
    a joins g id=V
      INVALID_PRODUCER_ID_MAPPING
    a joins g producer=+1000
      INVALID_PRODUCER_ID_MAPPING
    a ends commit id=V
      INVALID_PRODUCER_ID_MAPPING
    a ends commit producer=+1000
      INVALID_PRODUCER_ID_MAPPING
    a ends commit epoch=+1
      PRODUCER_FENCED
    a ends commit id=V v=5
      INVALID_PRODUCER_ID_MAPPING
    a ends commit producer=+1000 v=5
      INVALID_PRODUCER_ID_MAPPING
    a ends commit epoch=+1 v=5
      PRODUCER_FENCED
    a ends commit epoch=-1 v=5
      PRODUCER_FENCED
    a writes t/0 x id=V
      INVALID_PRODUCER_ID_MAPPING
    a writes t/0 x producer=+1000
      INVALID_PRODUCER_ID_MAPPING
    a writes t/0 x epoch=+1
      INVALID_PRODUCER_EPOCH
    a writes t/0 x id=V v=12
      INVALID_PRODUCER_ID_MAPPING
    a writes t/0 x producer=+1000 v=12
      INVALID_PRODUCER_ID_MAPPING
    a writes t/0 x epoch=+1 v=12
      INVALID_PRODUCER_EPOCH
    a commits g t/0=1 id=V
      t/0 INVALID_PRODUCER_ID_MAPPING
    a commits g t/0=1 producer=+1000
      t/0 INVALID_PRODUCER_ID_MAPPING
    a commits g t/0=1 epoch=+1
      t/0 INVALID_PRODUCER_EPOCH
    a commits g t/0=1 id=V v=5
      t/0 INVALID_PRODUCER_ID_MAPPING
    a commits g t/0=1 producer=+1000 v=5
      t/0 INVALID_PRODUCER_ID_MAPPING
    a commits g t/0=1 epoch=+1 v=5
      t/0 INVALID_PRODUCER_EPOCH
    a asks t/0
      t/0 TRANSACTION_ABORTABLE
    a asks t/0 id=V
      t/0 INVALID_PRODUCER_ID_MAPPING
    a asks t/0 epoch=+1
      t/0 PRODUCER_FENCED
    a asks t/0 producer=+1000
      t/0 INVALID_PRODUCER_ID_MAPPING
    a adds t/0
      t/0 NONE
    a asks t/0
      t/0 NONE
    a asks t/1
      t/1 TRANSACTION_ABORTABLE
    a asks t/0 t/1
      t/0 NONE
      t/1 TRANSACTION_ABORTABLE
  `));

test("ends up to v4 in each state", () =>
  tell(`
    topic t made
      NONE
    a inits T
      NONE
      anew
    a ends commit
      INVALID_TXN_STATE
    a ends abort
      INVALID_TXN_STATE
    a adds t/0
      t/0 NONE
    a ends abort
      NONE
    a ends abort
      NONE
    a ends commit
      INVALID_TXN_STATE
    a adds t/0
      t/0 NONE
    a ends commit
      NONE
    a ends commit
      NONE
    a ends abort
      INVALID_TXN_STATE
    a joins g
      NONE
    a ends commit
      NONE
    g stands t/0
      -1
    t/0 shows all
      |abort |commit
  `));

test("ends from v5 on in each state, and asked again", () =>
  tell(`
    topic t made
      NONE
    a inits T
      NONE
      anew
    a ends commit v=5
      INVALID_TXN_STATE
    a ends abort v=5
      NONE
      newer
    a ends abort v=5
      NONE
      newer
    a ends abort v=5 epoch=-1
      NONE
      same
    a ends commit v=5 epoch=-1
      INVALID_TXN_STATE
    a ends abort v=5 epoch=-2
      PRODUCER_FENCED
    a writes t/0 x v=12
      NONE
    a ends commit v=5
      NONE
      newer
    a ends commit v=5 epoch=-1
      NONE
      same
    a ends abort v=5 epoch=-1
      INVALID_TXN_STATE
    a ends commit v=5
      INVALID_TXN_STATE
    a writes t/0 y v=12
      NONE
    a ends commit v=5 epoch=-1
      PRODUCER_FENCED
    a ends abort v=5
      NONE
      newer
    t/0 shows
      x
    t/0 shows all
      x |commit y |abort
    a ends abort v=5
      NONE
      newer
    a ends abort v=5
      NONE
      newer
    a ends commit v=5
      INVALID_TXN_STATE
  `));

test("ends of both kinds in turn", () =>
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
    a ends commit v=5
      NONE
      newer
    a adds t/0
      t/0 NONE
    a writes t/0 y
      NONE
    a ends commit v=4
      NONE
    a ends commit v=5
      INVALID_TXN_STATE
    a ends commit v=4
      NONE
    a ends abort v=5
      NONE
      newer
    a adds t/0
      t/0 NONE
    a writes t/0 z
      NONE
    a ends abort v=5
      NONE
      newer
    a ends abort v=4
      NONE
    a ends commit v=4
      INVALID_TXN_STATE
    t/0 shows
      x y
  `));

test("what is produced to a partition that is not in the transaction", () =>
  tell(`
    topic t made
      NONE
    a inits T
      NONE
      anew
    a writes t/0 x v=9
      INVALID_TXN_STATE
    a writes t/0 x v=10
      INVALID_TXN_STATE
    a writes t/0 x v=11
      TRANSACTION_ABORTABLE
    a adds t/0
      t/0 NONE
    a writes t/1 x v=10
      INVALID_TXN_STATE
    a writes t/1 x v=11
      TRANSACTION_ABORTABLE
    a writes t/1 x v=12
      NONE
    a writes t/0 x v=11
      NONE
    a ends commit
      NONE
    t/1 shows all
      x |commit
    t/0 shows all
      x |commit
    a writes t/0 late v=11
      TRANSACTION_ABORTABLE
    a writes t/0 late v=10
      INVALID_TXN_STATE
    a writes t/0 more v=12
      NONE
    t/0 shows
      x
      1 undecided
  `));

test("batches outside of the transaction of their producer", () =>
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
    a writes t/0 y plain
      INVALID_TXN_STATE
    a writes t/1 y plain
      NONE
    a ends commit
      NONE
    300 ms pass
    a writes t/0 z plain
      NONE
    t/0 shows all
      x |commit z
    t/1 shows all
      y
  `));

test("topics that are not there: all or none", () =>
  tell(`
    topic t made
      NONE
    a inits T
      NONE
      anew
    a adds t/0 u/0
      t/0 OPERATION_NOT_ATTEMPTED
      u/0 UNKNOWN_TOPIC_OR_PARTITION
    a adds t/0 t/2
      t/0 OPERATION_NOT_ATTEMPTED
      t/2 UNKNOWN_TOPIC_OR_PARTITION
    a adds u/0 v=5
      u/0 UNKNOWN_TOPIC_OR_PARTITION
    a asks u/0
      u/0 UNKNOWN_TOPIC_OR_PARTITION
    a writes u/0 x v=12
      UNKNOWN_TOPIC_OR_PARTITION
    a commits g u/0=1 v=5
      u/0 UNKNOWN_TOPIC_OR_PARTITION
    a commits g t/0=1 u/0=1 v=5
      t/0 NONE
      u/0 UNKNOWN_TOPIC_OR_PARTITION
  `));

test("sequences begin anew with each epoch", () =>
  tell(`
    topic t made
      NONE
    a inits T
      NONE
      anew
    a writes t/0 x v=12 seq=0
      NONE
    a writes t/0 x v=12 seq=0
      NONE
    a writes t/0 y v=12 seq=5
      OUT_OF_ORDER_SEQUENCE_NUMBER
    a writes t/0 y v=12 seq=1
      NONE
    a ends commit v=5
      NONE
      newer
    a writes t/0 z v=12 seq=7
      OUT_OF_ORDER_SEQUENCE_NUMBER
    a writes t/0 z v=12 seq=0
      NONE
    a ends abort v=5
      NONE
      newer
    300 ms pass
    a writes t/0 z v=12 seq=0 epoch=-1
      INVALID_PRODUCER_EPOCH
    t/0 shows
      x y
  `));

test("sequences go on in the same epoch", () =>
  tell(`
    topic t made
      NONE
    a inits T
      NONE
      anew
    a adds t/0
      t/0 NONE
    a writes t/0 x seq=0
      NONE
    a ends commit
      NONE
    300 ms pass
    a writes t/0 x seq=0
      TRANSACTION_ABORTABLE
    a adds t/0
      t/0 NONE
    a writes t/0 x seq=0
      NONE
    a writes t/0 y seq=1
      NONE
    a writes t/0 y seq=9
      OUT_OF_ORDER_SEQUENCE_NUMBER
    a ends commit
      NONE
    t/0 shows
      x y
  `));

test("offsets are unstable until the end, and count by it", () =>
  tell(`
    topic t made
      NONE
    a inits T
      NONE
      anew
    a commits g t/0=5 v=4
      t/0 TRANSACTION_ABORTABLE
    a commits g t/0=5 v=3
      t/0 INVALID_TXN_STATE
    a commits g t/0=5 v=2
      t/0 INVALID_TXN_STATE
    a joins g
      NONE
    a commits g t/0=5 v=4
      t/0 NONE
    g stands t/0
      UNSTABLE_OFFSET_COMMIT
    a ends commit
      NONE
    g stands t/0
      5
    a joins g
      NONE
    a commits g t/0=9 t/1=3 v=3
      t/0 NONE
      t/1 NONE
    g stands t/0
      UNSTABLE_OFFSET_COMMIT
    a ends abort
      NONE
    g stands t/0
      5
    g stands t/1
      -1
    a commits g t/0=12 v=5
      t/0 NONE
    a commits h t/0=1 v=5
      t/0 NONE
    g stands t/0
      UNSTABLE_OFFSET_COMMIT
    h stands t/0
      UNSTABLE_OFFSET_COMMIT
    a ends commit v=5
      NONE
      newer
    g stands t/0
      12
    h stands t/0
      1
    a commits g t/0=20 v=5
      t/0 NONE
    b inits T
      NONE
      newer
    g stands t/0
      12
    a commits g t/0=21 v=5
      t/0 INVALID_PRODUCER_EPOCH
    a commits g t/0=21 v=4
      t/0 INVALID_PRODUCER_EPOCH
    a commits g t/0=21 v=0
      t/0 INVALID_PRODUCER_EPOCH
  `));

test("offsets of members that are none", () =>
  tell(`
    topic t made
      NONE
    a inits T
      NONE
      anew
    a commits g t/0=5 v=5 as=nobody at=3
      t/0 ILLEGAL_GENERATION
    a commits g t/0=5 v=5 as=nobody at=-1
      t/0 NONE
    a commits g t/0=5 v=5 at=3
      t/0 UNKNOWN_MEMBER_ID
    a joins g
      NONE
    a commits g t/0=5 v=4 as=nobody at=3
      t/0 UNKNOWN_MEMBER_ID
    a ends abort v=5
      NONE
      newer
  `));

test("what takes too long is aborted, and who may go on", () =>
  tell(`
    topic t made
      NONE
    a inits T timeout=2000
      NONE
      anew
    b inits U timeout=2000
      NONE
      anew
    c inits V timeout=2000
      NONE
      anew
    d inits W timeout=2000
      NONE
      anew
    e inits X timeout=2000
      NONE
      anew
    f inits Y timeout=2000
      NONE
      anew
    a adds t/0
      t/0 NONE
    a writes t/0 x
      NONE
    b adds t/0
      t/0 NONE
    c writes t/0 x v=12
      NONE
    d writes t/0 x v=12
      NONE
    e writes t/0 x v=12
      NONE
    f writes t/0 x v=12
      NONE
    14000 ms pass
    t/0 shows
      nothing
    a writes t/0 y
      INVALID_PRODUCER_EPOCH
    a writes t/0 y v=12
      INVALID_PRODUCER_EPOCH
    a adds t/0
      t/0 PRODUCER_FENCED
    a ends commit
      PRODUCER_FENCED
    a ends abort
      PRODUCER_FENCED
    a inits T onward
      NONE
      newer
    a inits T
      NONE
      newer
    a adds t/0
      t/0 NONE
    a writes t/0 z
      NONE
    a ends commit
      NONE
    b inits U onward
      NONE
      newer
    c ends commit v=5
      INVALID_TXN_STATE
    c ends commit v=5
      INVALID_TXN_STATE
    c ends abort v=5
      NONE
      newer
    c writes t/0 c v=12
      NONE
    c ends commit v=5
      NONE
      newer
    d ends abort v=5
      NONE
      newer
    d writes t/0 d v=12
      NONE
    d ends commit v=5
      NONE
      newer
    e inits X onward
      NONE
      newer
    e inits X onward
      NONE
      newer
    e writes t/0 e v=12
      NONE
    e ends commit v=5
      NONE
      newer
    f ends abort v=4
      PRODUCER_FENCED
    f inits Y
      NONE
      newer
    f ends commit v=5
      INVALID_TXN_STATE
    t/0 shows
      z c d e
  `));

test("taking over in mid-transaction", () =>
  tell(`
    topic t made
      NONE
    a inits T
      NONE
      anew
    a writes t/0 x v=12
      NONE
    b inits T
      NONE
      newer
    a writes t/0 y v=12
      INVALID_PRODUCER_EPOCH
    a ends commit v=5
      PRODUCER_FENCED
    b writes t/0 z v=12
      NONE
    b ends commit v=5
      NONE
      newer
    t/0 shows
      z
    t/0 shows all
      x |abort z |commit
    a inits T onward
      PRODUCER_FENCED
  `));

test("going on in mid-transaction", () =>
  tell(`
    topic t made
      NONE
    a inits T
      NONE
      anew
    a writes t/0 x v=12
      NONE
    a inits T onward
      NONE
      newer
    a writes t/0 z v=12
      NONE
    a ends commit v=5
      NONE
      newer
    t/0 shows
      z
  `));

test("topics that go, and come again, in mid-transaction", () =>
  tell(`
    topic t made
      NONE
    topic u made
      NONE
    a inits T
      NONE
      anew
    a writes t/0 x v=12
      NONE
    a writes u/0 y v=12
      NONE
    a commits g t/0=3 v=5
      t/0 NONE
    topic t gone
      NONE
    a ends commit v=5
      NONE
      newer
    u/0 shows
      y
    topic t made
      NONE
    g stands t/0
      -1
    a writes t/0 z v=12
      NONE
    a ends commit v=5
      NONE
      newer
    t/0 shows
      z
  `));

test("no id", () =>
  tell(`
    topic t made
      NONE
    a adds t/0
      t/0 INVALID_REQUEST
    a ends commit
      INVALID_REQUEST
    a ends commit v=5
      INVALID_REQUEST
    a joins g
      INVALID_REQUEST
    a writes t/0 x
      INVALID_RECORD
    a commits g t/0=1 v=5
      t/0 INVALID_REQUEST
    a commits g t/0=1 v=4
      t/0 INVALID_REQUEST
  `));
