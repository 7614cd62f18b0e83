/**
 * EndTxn (26) v0-5: a transaction counts, or never will. Answered when that is durable, in all of its partitions and groups.
 * From v5 on its producer goes on in a new epoch, which it is told (KIP-890).
 */
import { errorCode } from "../codec/errors.ts";
import {
  endTxnRequest,
  endTxnResponse,
  type EndTxnRequest,
  type EndTxnResponse,
} from "../codec/messages/transactions.ts";
import type { Command } from "../command.ts";
import { mayWrite } from "../security/access.ts";
import { codeBefore } from "../transactions/codes.ts";

export const endTxn: Command<EndTxnRequest, EndTxnResponse> = {
  name: "EndTxn",
  key: 26,
  minVersion: 0,
  maxVersion: 5,
  request: endTxnRequest,
  response: endTxnResponse,
  handle({ transactionalId, producerId, producerEpoch, committed }, call) {
    if (!mayWrite(call, transactionalId))
      return call.respond({ errorCode: errorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, producerEpoch: -1 });
    const by = { producerId, producerEpoch };
    const connection = Number(call.connection.id);
    const answer = call.server.transactions.end(transactionalId, by, committed, call.version >= 5, connection);
    call.respondWhenDurable({ ...answer, errorCode: codeBefore(2, call.version, answer.errorCode) });
  },
};
