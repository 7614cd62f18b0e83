/**
 * What a group of consumers reads, from what its members say to their leader: the one place where we look into it. All
 * versions of that begin as the first: its version (int16), then an array of topics (int32, then strings with int16 lengths).
 */
import { Input } from "../../../wire/input.ts";
import type { Group } from "./group.ts";

/** Undefined: it is no group of consumers, or one of its members speaks otherwise. */
export function subscribedTopics<W>(group: Group<W>): ReadonlySet<string> | undefined {
  if (!group.isOfConsumers) return undefined;
  const topics = new Set<string>();
  for (const member of group.members.values()) {
    if (!readTopics(member.metadata(group.protocolName), topics)) return undefined;
  }
  return topics;
}

function readTopics(metadata: Buffer, topics: Set<string>): boolean {
  const input = new Input(metadata, 0, metadata.length);
  if (input.i16() < 0) return false;
  const count = input.i32();
  if (count < 0) return false;
  for (let at = 0; at < count && input.fault === null; at++) {
    const length = input.i16();
    if (length < 0) return false;
    const topic = input.text(length);
    if (typeof topic !== "string") return false;
    topics.add(topic);
  }
  return input.fault === null;
}
