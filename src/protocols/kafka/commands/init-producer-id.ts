/**
 * InitProducerId (22) v0-6: a number for a producer, by which it numbers its batches. With a transactional id, it takes over
 * from whoever had that id before: see transactions/.
 */

import { errorCode } from "../codec/errors.ts";
import {
  initProducerIdRequest,
  initProducerIdResponse,
  type InitProducerIdRequest,
  type InitProducerIdResponse,
} from "../codec/messages/transactions.ts";
import type { Command } from "../command.ts";

export const initProducerId: Command<InitProducerIdRequest, InitProducerIdResponse> = {
  name: "InitProducerId",
  key: 22,
  minVersion: 0,
  maxVersion: 5,
  request: initProducerIdRequest,
  response: initProducerIdResponse,
  handle(request, call) {
    const { transactions, producerIds } = call.server;
    if (request.transactionalId === null) {
      call.respondWhenDurable({ producerId: producerIds.take(), producerEpoch: 0 });
    } else if (request.transactionalId === "") {
      call.respond({ errorCode: errorCode.INVALID_REQUEST });
    } else if (transactions === undefined) {
      call.respond({ errorCode: errorCode.COORDINATOR_NOT_AVAILABLE });
    } else {
      transactions.initProducerId(request, call);
    }
  },
};
