/** Resources that a request about configs names: each at most once, or none of its entries counts. */

import { TopicRefusal, type Outcome } from "./refusal.ts";

interface Resource {
  readonly resourceType: number;
  readonly resourceName: string;
}

/** Answers for each resource, in the order asked. */
export function forEachResource<R extends Resource>(
  resources: readonly R[],
  run: (resource: R) => Outcome,
): (Resource & Outcome)[] {
  const counts = new Map<string, number>();
  const keyOf = ({ resourceType, resourceName }: Resource): string => `${resourceType} ${resourceName}`;
  for (const resource of resources) counts.set(keyOf(resource), (counts.get(keyOf(resource)) ?? 0) + 1);
  return resources.map((resource) => {
    const { resourceType, resourceName } = resource;
    const outcome = counts.get(keyOf(resource)) === 1 ? run(resource) : repeated;
    return { resourceType, resourceName, ...outcome };
  });
}

const repeated = new TopicRefusal("INVALID_REQUEST", "Each resource must appear at most once.").outcome;
