/**
 * DescribeConfigs (32) v1-4: of topics and of the nodes of this broker. Loggers, groups and metrics of clients have no configs
 * here, and who asks for them is told so.
 */

import { errorCode } from "../codec/errors.ts";
import {
  describeConfigsRequest,
  describeConfigsResponse,
  type DescribeConfigsRequest,
  type DescribeConfigsResponse,
} from "../codec/messages/configs.ts";
import type { Call, Command } from "../command.ts";
import { distinct } from "../distinct.ts";
import { nodesFor } from "../nodes.ts";
import { mayDescribe } from "../security/access.ts";
import { resourceType } from "../topics/altering.ts";
import { shownBrokerConfigs, shownClusterConfigs } from "../topics/broker-configs.ts";
import { TopicRefusal } from "../topics/refusal.ts";
import { nothingSet, shownTopicConfigs, type Detail, type ShownConfig } from "../topics/shown-configs.ts";
import { topicNameFault } from "../topics/topic-name.ts";

type Asked = DescribeConfigsRequest["resources"][number];

export const describeConfigs: Command<DescribeConfigsRequest, DescribeConfigsResponse> = {
  name: "DescribeConfigs",
  key: 32,
  minVersion: 1,
  maxVersion: 4,
  request: describeConfigsRequest,
  response: describeConfigsResponse,
  handle(request, call) {
    call.respond({
      results: distinct(request.resources, resourceKey).map((asked) => {
        const { resourceType: type, resourceName, configurationKeys } = asked;
        const resource = { resourceType: type, resourceName };
        const found = describe(call, asked, request);
        if (found instanceof TopicRefusal) return { ...resource, ...found.outcome };
        const configs = namedConfigs(found, configurationKeys);
        return { ...resource, errorCode: errorCode.NONE, errorMessage: "", configs };
      }),
    });
  },
};

/** A broker's id may be written in several ways. */
function resourceKey({ resourceType: type, resourceName }: Asked): string {
  const isId = type === resourceType.broker && /^[+-]?\d+$/.test(resourceName);
  return `${type}:${isId ? Number(resourceName) : resourceName}`;
}

/** In the order asked, which Kafka leaves to chance: some clients believe that it is so. */
function namedConfigs(found: readonly ShownConfig[], names: readonly string[] | null): readonly ShownConfig[] {
  if (names === null || names.length === 0) return found;
  const byName = new Map(found.map((config) => [config.name, config]));
  return [...new Set(names)].flatMap((name) => byName.get(name) ?? []);
}

function describe(
  call: Call,
  { resourceType: type, resourceName }: Asked,
  detail: Detail,
): ShownConfig[] | TopicRefusal {
  switch (type) {
    case resourceType.topic:
      return describeTopic(call, resourceName, detail);
    case resourceType.broker:
      return describeBroker(call, resourceName, detail);
    case resourceType.brokerLogger:
    case resourceType.clientMetrics:
    case resourceType.group:
      return new TopicRefusal("INVALID_REQUEST", `Configs of resource type ${type} are not supported.`);
    default:
      return new TopicRefusal("INVALID_REQUEST", `Unsupported resource type: ${type}`);
  }
}

function describeTopic(call: Call, name: string, detail: Detail): ShownConfig[] | TopicRefusal {
  if (!mayDescribe(call, name)) return new TopicRefusal("TOPIC_AUTHORIZATION_FAILED");
  const fault = topicNameFault(name);
  if (fault !== undefined) return new TopicRefusal("INVALID_TOPIC_EXCEPTION", fault);
  const topic = call.server.topics.find(name);
  if (topic === undefined) return new TopicRefusal("UNKNOWN_TOPIC_OR_PARTITION", "");
  const { configs, isOwn } = topic;
  return shownTopicConfigs(configs, isOwn ? call.server.brokerDefaults : nothingSet, detail, !isOwn);
}

/** No name: what was set for all nodes. */
function describeBroker(call: Call, name: string, detail: Detail): ShownConfig[] | TopicRefusal {
  if (name === "") return shownClusterConfigs(call, detail);
  if (!/^[+-]?\d+$/.test(name))
    return new TopicRefusal("INVALID_REQUEST", `Broker id must be an integer, but it is: ${name}`);
  const nodes = nodesFor(call.server, call.connection.address);
  const node = nodes.find(({ id }) => id === Number(name));
  if (node !== undefined) return shownBrokerConfigs(call, node.id, detail);
  const why = `Unexpected broker id, expected ${nodes[0]!.id} or empty string, but received ${name}`;
  return new TopicRefusal("INVALID_REQUEST", why);
}
