/**
 * InitProducerId (22) v0-5: a number for a producer, by which it numbers its batches. With a transactional id, it takes over
 * from whoever had that id before, or, if it says who it was (from v3 on), goes on after a failure: see transactions/.
 */

import { errorCode } from "../codec/errors.ts";
import {
  initProducerIdRequest,
  initProducerIdResponse,
  type InitProducerIdRequest,
  type InitProducerIdResponse,
} from "../codec/messages/transactions.ts";
import type { Command } from "../command.ts";
import { mayWrite } from "../security/access.ts";
import { codeBefore } from "../transactions/codes.ts";

export const initProducerId: Command<InitProducerIdRequest, InitProducerIdResponse> = {
  name: "InitProducerId",
  key: 22,
  minVersion: 0,
  maxVersion: 5,
  request: initProducerIdRequest,
  response: initProducerIdResponse,
  handle(request, call) {
    const { transactions, producerIds } = call.server;
    const { transactionalId, transactionTimeoutMs, producerId, producerEpoch } = request;
    if ((producerId === -1) !== (producerEpoch === -1)) {
      call.respond({ errorCode: errorCode.INVALID_REQUEST, producerEpoch: -1 });
    } else if (transactionalId === null) {
      call.respondWhenDurable({ producerId: producerIds.take(), producerEpoch: 0 });
    } else if (!mayWrite(call, transactionalId)) {
      call.respond({ errorCode: errorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, producerEpoch: -1 });
    } else {
      const was = producerId === -1 ? undefined : { producerId, producerEpoch };
      const answer = transactions.takeOver(transactionalId, was, transactionTimeoutMs);
      call.respondWhenDurable({ ...answer, errorCode: codeBefore(4, call.version, answer.errorCode) });
    }
  },
};
