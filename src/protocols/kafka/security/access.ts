/**
 * What somebody may do with topics, groups, transactional ids and the cluster, in Kafka's words. Permissions are those of a queue of
 * the name: `read` lets fetch, and be a member of a group; `write` lets produce, and transact under an id; `configure` lets make,
 * delete and change; and each of them lets see it. What concerns the cluster needs the tag `administrator`, but for seeing it,
 * which is everybody's.
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

export function mayRead({ identity, server }: Pick<Call, "identity" | "server">, name: string): boolean {
  return identity.may("read", server.settings.namespace, name);
}

export function mayWrite({ identity, server }: Call, name: string): boolean {
  return identity.may("write", server.settings.namespace, name);
}

export function mayConfigure({ identity, server }: Call, name: string): boolean {
  return identity.may("configure", server.settings.namespace, name);
}

export function mayDescribe(call: Call, name: string): boolean {
  return mayRead(call, name) || mayWrite(call, name) || mayConfigure(call, name);
}

export function mayAlterCluster({ identity }: Call): boolean {
  return isAdministrator(identity);
}

/** As Kafka's brokers do, of each other. */
export function mayActForCluster({ identity }: Call): boolean {
  return isAdministrator(identity);
}

/** A bit for each operation. */
export function topicOperations(call: Call, topic: string): number {
  const { read, write, create, delete: remove, alter, describe, describeConfigs, alterConfigs } = operation;
  let operations = 0;
  if (mayRead(call, topic)) operations |= read | describe | describeConfigs;
  if (mayWrite(call, topic)) operations |= write | describe | describeConfigs;
  if (mayConfigure(call, topic)) operations |= create | remove | alter | describe | describeConfigs | alterConfigs;
  return operations;
}

/** A bit for each operation. */
export function groupOperations(call: Call, group: string): number {
  const { read, delete: remove, describe, describeConfigs, alterConfigs } = operation;
  let operations = 0;
  if (mayRead(call, group)) operations |= read | describe | describeConfigs;
  if (mayWrite(call, group)) operations |= describe | describeConfigs;
  if (mayConfigure(call, group)) operations |= remove | describe | describeConfigs | alterConfigs;
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
