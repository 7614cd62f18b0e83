/**
 * AddOffsetsToTxn (25) v0-4: a transaction is to commit offsets of a group, by TxnOffsetCommit. From v5 of that on nobody
 * need say so before.
 */
import { errorCode } from "../codec/errors.ts";
import {
  addOffsetsToTxnRequest,
  addOffsetsToTxnResponse,
  type AddOffsetsToTxnRequest,
  type AddOffsetsToTxnResponse,
} from "../codec/messages/transactions.ts";
import type { Command } from "../command.ts";
import { mayRead, mayWrite } from "../security/access.ts";
import { codeBefore } from "../transactions/codes.ts";

export const addOffsetsToTxn: Command<AddOffsetsToTxnRequest, AddOffsetsToTxnResponse> = {
  name: "AddOffsetsToTxn",
  key: 25,
  minVersion: 0,
  maxVersion: 4,
  request: addOffsetsToTxnRequest,
  response: addOffsetsToTxnResponse,
  handle({ transactionalId, producerId, producerEpoch, groupId }, call) {
    if (!mayWrite(call, transactionalId))
      return call.respond({ errorCode: errorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED });
    if (!mayRead(call, groupId)) return call.respond({ errorCode: errorCode.GROUP_AUTHORIZATION_FAILED });
    const by = { producerId, producerEpoch };
    const code = call.server.transactions.addGroup(transactionalId, by, groupId, Number(call.connection.id));
    call.respondWhenDurable({ errorCode: codeBefore(2, call.version, code) });
  },
};
