/**
 * What a group of consumers reads, from what its members say to their leader: the one place where we look into it. Behind
 * its version (int16) all begin as the first version did, with the topics.
 */
import { getU16 } from "../../../base/bytes.ts";
import { Malformed } from "../../../wire/input.ts";
import { consumerProtocolSubscription } from "../codec/messages/consumer-protocol.ts";
import type { Group } from "./group.ts";

/**
 * Of all members, as it is read anew with each generation: more would hold up everybody. Who has few topics to read, or
 * a pattern, says some kilobytes.
 */
const readBytesMax = 1 << 20;

/** Undefined: it is no group of consumers, or one of its members speaks otherwise, or they say more than is looked through. */
export function subscribedTopics<W>(group: Group<W>): ReadonlySet<string> | undefined {
  if (!group.isOfConsumers) return undefined;
  let bytesLeft = readBytesMax;
  for (const member of group.members.values()) bytesLeft -= member.metadata(group.protocolName).length;
  if (bytesLeft < 0) return undefined;
  const topics = new Set<string>();
  for (const member of group.members.values()) {
    const metadata = member.metadata(group.protocolName);
    if (metadata.length < 2 || getU16(metadata, 0) > 0x7fff) return undefined;
    const subscription = consumerProtocolSubscription.decode(metadata, 0, 2);
    if (subscription instanceof Malformed) return undefined;
    for (const topic of subscription.topics) topics.add(topic);
  }
  return topics;
}
