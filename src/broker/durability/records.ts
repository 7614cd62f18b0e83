/**
 * What a journal block says: a flag octet, then records one after the other. Replaying all records of all blocks behind a
 * checkpoint, in order, gives the state back. Integers are big endian; offsets are u48.
 *
 *     block payload: flags u8 | record ...
 *
 *     flags  1: continued, the next block belongs to the same atomic group
 *            2: the first block of a process: a group before it that lacks its end will never have one
 *            4: continues, the block before belongs to the same atomic group
 *
 *     1 entry     targets u16 | (partition u32, offset u48) ... | length u32 | entry bytes
 *     2 settled   subscription u32 | ranges u16 | (offset u48, count u32) ...
 *     3 horizon   subscription u32 | offset u48             offsets below may have been delivered
 *     4 returned  subscription u32 | offset u48 | returns u16 | failures u16 | ready again at u48 (0: now)
 *     5 trimmed   partition u32 | first offset u48
 *     6 position  partition u32 | offset u48 (all ones: forgotten) | at u48 | length u16, group | length u16, metadata
 *     7 define    length u32 | JSON of a definition change
 *     8 dedup     partition u32 | at u48 | length u16 | id             [before its message, in its block; if a record 9
 *                 behind that says that it is in a transaction, the id is undecided with it]
 *     9 produced  partition u32 | producer u64 | epoch u16 | flags u8 (1: in a transaction) | sequence u32 (all ones: none)
 *                 | messages u32 | first offset u48 | end offset u48 | at u48     [42 octets; in the block of its messages]
 *    10 ended     partition u32 | producer u64 | epoch u16 | flags u8 (1: committed) | offset of the marker u48 (all ones:
 *                 none) | at u48                                                  [28 octets; in the block of its marker]
 *    11 died      subscription u32 | offset u48 | reason u8 (see subscription-journal.ts)     and its dead-letter target was full
 */
export const record = {
  entry: 1,
  settled: 2,
  horizon: 3,
  returned: 4,
  trimmed: 5,
  position: 6,
  define: 7,
  dedup: 8,
  produced: 9,
  ended: 10,
  died: 11,
} as const;

/** First octet of a block's payload: the atomic group goes on in the next block. */
export const blockContinued = 1;
/** First octet of a block's payload: a process begins here. */
export const blockBegins = 2;
/** First octet of a block's payload: the atomic group began before it. */
export const blockContinues = 4;
