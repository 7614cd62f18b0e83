/**
 * The queues of a virtual host in the order of their names, kept from one request to the next: sorting 10,000 of them for each
 * page would cost more than the page. Made anew, in slices, when a queue has come or gone since.
 */

import type { CatalogObserver, Exchange, Namespace, Queue } from "../../../../broker/api.ts";
import { gather, sorting } from "../../../../server/http/slices.ts";

interface Kept {
  queues: readonly Queue[] | undefined;
  /** Counts what has come and gone. */
  changes: number;
}

export class SortedQueues {
  readonly #kept = new WeakMap<Namespace, Kept>();

  /** Of several, one after the other. */
  *of(namespaces: readonly Namespace[]): Generator<unknown, readonly Queue[]> {
    const [first] = namespaces;
    if (first !== undefined && namespaces.length === 1) return yield* this.#sorted(first);
    const all: Queue[] = [];
    for (const namespace of namespaces) {
      for (const queue of yield* this.#sorted(namespace)) {
        all.push(queue);
        yield;
      }
    }
    return all;
  }

  *#sorted(namespace: Namespace): Generator<unknown, readonly Queue[]> {
    const kept = this.#keptOf(namespace);
    if (kept.queues !== undefined) return kept.queues;
    const { changes } = kept;
    const queues = yield* sorting(yield* gather(namespace.queues()), byName);
    if (kept.changes === changes) kept.queues = queues;
    return queues;
  }

  #keptOf(namespace: Namespace): Kept {
    const before = this.#kept.get(namespace);
    if (before !== undefined) return before;
    const kept: Kept = { queues: undefined, changes: 0 };
    this.#kept.set(namespace, kept);
    namespace.observe(
      forgetting(() => {
        kept.queues = undefined;
        kept.changes++;
      }),
    );
    return kept;
  }
}

export function byName(a: Queue | Exchange, b: Queue | Exchange): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

function forgetting(forget: () => void): CatalogObserver {
  const nothing = (): void => undefined;
  return {
    queueCreated: forget,
    queueDeleted: forget,
    exchangeCreated: nothing,
    exchangeDeleted: nothing,
    bindingCreated: nothing,
    bindingDeleted: nothing,
  };
}
