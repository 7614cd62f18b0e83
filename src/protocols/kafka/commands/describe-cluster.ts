/**
 * DescribeCluster (60) v0-2: the nodes. Of brokers only: who asks for controllers (endpointType 2) has come to a broker, and is
 * told so. None is fenced.
 */

import {
  describeClusterRequest,
  describeClusterResponse,
  type DescribeClusterRequest,
  type DescribeClusterResponse,
} from "../codec/messages/metadata.ts";
import type { Command } from "../command.ts";
import { nodesFor } from "../nodes.ts";
import { clusterOperations } from "../security/access.ts";
import { clusterId } from "../topics/cluster-id.ts";
import { TopicRefusal } from "../topics/refusal.ts";

const brokers = 1;
const controllers = 2;

export const describeCluster: Command<DescribeClusterRequest, DescribeClusterResponse> = {
  name: "DescribeCluster",
  key: 60,
  minVersion: 0,
  maxVersion: 2,
  request: describeClusterRequest,
  response: describeClusterResponse,
  handle({ endpointType, includeClusterAuthorizedOperations }, call) {
    const { server, connection } = call;
    if (endpointType !== brokers) {
      const refusal =
        endpointType === controllers
          ? new TopicRefusal(
              "MISMATCHED_ENDPOINT_TYPE",
              "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER",
            )
          : new TopicRefusal("UNSUPPORTED_ENDPOINT_TYPE", `Unsupported endpoint type ${endpointType}`);
      call.respond({ ...refusal.outcome });
      return;
    }
    const nodes = nodesFor(server, connection.address);
    call.respond({
      clusterId: clusterId(server.broker.id),
      controllerId: nodes[0]!.id,
      brokers: nodes.map(({ id, host, port }) => ({ brokerId: id, host, port })),
      ...(includeClusterAuthorizedOperations ? { clusterAuthorizedOperations: clusterOperations(call) } : {}),
    });
  },
};
