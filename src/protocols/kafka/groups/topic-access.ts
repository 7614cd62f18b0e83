/** Who may see or touch a group's offsets in a topic: groups have no permissions of their own, topics have. */
import type { Call } from "../command.ts";

/** May commit and delete offsets of it. */
export function mayReadTopic({ identity, server }: Call, topic: string): boolean {
  return identity.may("read", server.settings.namespace, topic);
}

/** May see offsets of it: whoever may do anything with it. */
export function mayDescribeTopic({ identity, server }: Call, topic: string): boolean {
  const { namespace } = server.settings;
  return (
    identity.may("read", namespace, topic) ||
    identity.may("write", namespace, topic) ||
    identity.may("configure", namespace, topic)
  );
}
