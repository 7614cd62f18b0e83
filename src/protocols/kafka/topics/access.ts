/**
 * What somebody may do with topics and with the cluster, in Kafka's words. A topic's permissions are those of a queue of its
 * name: `read` lets fetch, `write` lets produce, `configure` lets make, delete and change it, and each of them lets see it.
 * What concerns the cluster needs the tag `administrator`, but for seeing it, which is everybody's.
 */

import type { Identity } from "../../../auth/identity.ts";
import type { Call } from "../command.ts";

/** Bits by Kafka's numbers of operations. */
const operation = {
  read: 1 << 3,
  write: 1 << 4,
  create: 1 << 5,
  delete: 1 << 6,
  alter: 1 << 7,
  describe: 1 << 8,
  clusterAction: 1 << 9,
  describeConfigs: 1 << 10,
  alterConfigs: 1 << 11,
  idempotentWrite: 1 << 12,
};

export function mayConfigure({ identity, server }: Call, topic: string): boolean {
  return identity.may("configure", server.settings.namespace, topic);
}

export function mayDescribe({ identity, server }: Call, topic: string): boolean {
  const { namespace } = server.settings;
  return (
    identity.may("read", namespace, topic) ||
    identity.may("write", namespace, topic) ||
    identity.may("configure", namespace, topic)
  );
}

export function mayAlterCluster({ identity }: Call): boolean {
  return isAdministrator(identity);
}

/** A bit for each operation. */
export function topicOperations({ identity, server }: Call, topic: string): number {
  const { namespace } = server.settings;
  const { read, write, create, delete: remove, alter, describe, describeConfigs, alterConfigs } = operation;
  let operations = 0;
  if (identity.may("read", namespace, topic)) operations |= read | describe | describeConfigs;
  if (identity.may("write", namespace, topic)) operations |= write | describe | describeConfigs;
  if (identity.may("configure", namespace, topic))
    operations |= create | remove | alter | describe | describeConfigs | alterConfigs;
  return operations;
}

export function clusterOperations({ identity }: Call): number {
  const { create, alter, describe, clusterAction, describeConfigs, alterConfigs, idempotentWrite } = operation;
  const everybodys = describe | describeConfigs | idempotentWrite;
  return isAdministrator(identity) ? everybodys | create | alter | clusterAction | alterConfigs : everybodys;
}

function isAdministrator({ tags }: Identity): boolean {
  return tags.includes("administrator");
}
