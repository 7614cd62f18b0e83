/**
 * FindCoordinator (10) v0-6: which node speaks for a group or a transactional id. Every node of ours does; where clients are
 * told of several, each key has one of them, always the same. Share groups (type 2) have none.
 */
import { errorCode, errorText } from "../codec/errors.ts";
import {
  findCoordinatorRequest,
  findCoordinatorResponse,
  type FindCoordinatorRequest,
  type FindCoordinatorResponse,
} from "../codec/messages/groups.ts";
import type { Call, Command } from "../command.ts";
import { nodeOf, nodesFor, type Node } from "../nodes.ts";
import { mayDescribe } from "../security/access.ts";

const keyTypes = { group: 0, transaction: 1 };
const nobody = { nodeId: -1, host: "", port: -1 };

export const findCoordinator: Command<FindCoordinatorRequest, FindCoordinatorResponse> = {
  name: "FindCoordinator",
  key: 10,
  minVersion: 0,
  maxVersion: 6,
  request: findCoordinatorRequest,
  response: findCoordinatorResponse,
  handle(request, call) {
    const { key, keyType, coordinatorKeys } = request;
    const nodes = nodesFor(call.server, call.connection.address);
    const answer = (each: string, message: string) => {
      const code = judge(call, keyType, each);
      return code === errorCode.NONE ? { ...coordinator(nodes, each), errorMessage: message } : refusal(code);
    };
    if (call.version < 4) return call.respond(answer(key, "NONE"));
    call.respond({ coordinators: coordinatorKeys.map((each) => ({ key: each, ...answer(each, "") })) });
  },
};

function judge(call: Call, keyType: number, key: string): number {
  if (keyType !== keyTypes.group && keyType !== keyTypes.transaction) return errorCode.INVALID_REQUEST;
  if (mayDescribe(call, key)) return errorCode.NONE;
  return keyType === keyTypes.group
    ? errorCode.GROUP_AUTHORIZATION_FAILED
    : errorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
}

function coordinator(nodes: readonly Node[], key: string) {
  const { id, host, port } = nodeOf(nodes, placeOf(key));
  return { nodeId: id, host, port, errorCode: errorCode.NONE, errorMessage: "" };
}

function refusal(code: number) {
  return { ...nobody, errorCode: code, errorMessage: errorText(code) };
}

/** Any number that stays the same: Java's hash of a string, as Kafka takes it. */
function placeOf(key: string): number {
  let hash = 0;
  for (let at = 0; at < key.length; at++) hash = (Math.imul(hash, 31) + key.charCodeAt(at)) | 0;
  return hash & 0x7fff_ffff;
}
