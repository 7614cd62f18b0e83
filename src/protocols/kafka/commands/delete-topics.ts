/**
 * DeleteTopics (20) v1-6: by names, from v6 on also by ids. Answered when they are gone for good. What one may not see is
 * refused as what one may not delete, and in no order that would tell them apart.
 */

import { errorCode } from "../codec/errors.ts";
import {
  deleteTopicsRequest,
  deleteTopicsResponse,
  type DeleteTopicsRequest,
  type DeleteTopicsResponse,
} from "../codec/messages/topics.ts";
import { uuidZero } from "../codec/primitives.ts";
import type { Call, Command } from "../command.ts";
import { mayConfigure, mayDescribe } from "../security/access.ts";
import { done, TopicRefusal } from "../topics/refusal.ts";
import type { Topic } from "../topics/topics.ts";

type Result = NonNullable<DeleteTopicsResponse["responses"]>[number];
type Asked = DeleteTopicsRequest["topics"][number];

export const deleteTopics: Command<DeleteTopicsRequest, DeleteTopicsResponse> = {
  name: "DeleteTopics",
  key: 20,
  minVersion: 1,
  maxVersion: 6,
  request: deleteTopicsRequest,
  response: deleteTopicsResponse,
  handle(request, call) {
    const asked = [...request.topics, ...request.topicNames.map((name) => ({ name, topicId: uuidZero }))];
    const results: Result[] = [];
    const deleted = new Map<string, Topic | undefined>();
    for (const each of unique(asked, results)) {
      const found = find(call, each);
      if (found instanceof TopicRefusal) {
        results.push(refused(call, each, found));
        continue;
      }
      // Under its name and its id: then neither counts.
      const isTwice = deleted.has(found.id);
      deleted.set(found.id, isTwice ? undefined : found);
      if (isTwice)
        results.push({
          name: found.name,
          topicId: found.id,
          ...new TopicRefusal("INVALID_REQUEST", "The provided topic name maps to an ID that was already supplied.")
            .outcome,
        });
    }
    for (const topic of deleted.values()) {
      if (topic === undefined) continue;
      results.push({ name: topic.name, topicId: topic.id, ...done });
      call.server.topics.delete(topic);
    }
    results.sort((a, b) => ((a.topicId ?? "") < (b.topicId ?? "") ? -1 : 1));
    call.respondWhenDurable({ responses: results });
  },
};

/** Those that are asked for once, and as it is due; of the others, what is wrong with them. */
function unique(asked: readonly Asked[], results: Result[]): Iterable<Asked> {
  const once = new Map<string, Asked>();
  const repeated = new Map<string, Asked>();
  for (const each of asked) {
    const { name, topicId } = each;
    if (name !== null && topicId !== uuidZero) {
      const why = "You may not specify both topic name and topic id.";
      results.push({ name, topicId, ...new TopicRefusal("INVALID_REQUEST", why).outcome });
    } else if (name === null && topicId === uuidZero) {
      const why = "Neither topic name nor id were specified.";
      results.push({ name, topicId, ...new TopicRefusal("INVALID_REQUEST", why).outcome });
    } else {
      const key = name === null ? `id ${topicId}` : `name ${name}`;
      if (once.has(key)) repeated.set(key, each);
      once.set(key, each);
    }
  }
  for (const [key, each] of repeated) {
    once.delete(key);
    const why = each.name === null ? "Duplicate topic id." : "Duplicate topic name.";
    results.push({ ...each, ...new TopicRefusal("INVALID_REQUEST", why).outcome });
  }
  return once.values();
}

function find(call: Call, { name, topicId }: Asked): Topic | TopicRefusal {
  const { topics } = call.server;
  if (name !== null && !mayDescribe(call, name)) return new TopicRefusal("TOPIC_AUTHORIZATION_FAILED");
  const topic = name === null ? topics.findById(topicId) : topics.find(name);
  if (topic === undefined) return new TopicRefusal(name === null ? "UNKNOWN_TOPIC_ID" : "UNKNOWN_TOPIC_OR_PARTITION");
  return mayConfigure(call, topic.name) ? topic : new TopicRefusal("TOPIC_AUTHORIZATION_FAILED");
}

/** A topic's name is told to who may see it. */
function refused(call: Call, { name, topicId }: Asked, refusal: TopicRefusal): Result {
  if (name !== null || refusal.outcome.errorCode !== errorCode.TOPIC_AUTHORIZATION_FAILED)
    return { name, topicId, ...refusal.outcome };
  const known = call.server.topics.findById(topicId);
  return {
    name: known !== undefined && mayDescribe(call, known.name) ? known.name : null,
    topicId,
    ...refusal.outcome,
  };
}
