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
import type { Command } from "../command.ts";
import { nodeOf, nodesFor, type Node } from "../nodes.ts";

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
    const isKnown = keyType === keyTypes.group || keyType === keyTypes.transaction;
    const nodes = nodesFor(call.server, call.connection.address);
    if (call.version < 4)
      return call.respond(isKnown ? { ...coordinator(nodes, key), errorMessage: "NONE" } : refusal());
    call.respond({
      coordinators: coordinatorKeys.map((each) => ({ key: each, ...(isKnown ? coordinator(nodes, each) : refusal()) })),
    });
  },
};

function coordinator(nodes: readonly Node[], key: string) {
  const { id, host, port } = nodeOf(nodes, placeOf(key));
  return { nodeId: id, host, port, errorCode: errorCode.NONE, errorMessage: "" };
}

function refusal() {
  const code = errorCode.INVALID_REQUEST;
  return { ...nobody, errorCode: code, errorMessage: errorText(code) };
}

/** Any number that stays the same: Java's hash of a string, as Kafka takes it. */
function placeOf(key: string): number {
  let hash = 0;
  for (let at = 0; at < key.length; at++) hash = (Math.imul(hash, 31) + key.charCodeAt(at)) | 0;
  return hash & 0x7fff_ffff;
}
