/**
 * The queues of a virtual host in the order of their names, kept from one request to the next: sorting 10,000 of them for each
 * page would cost more than the page. Made anew when a queue has come or gone since.
 */

import type { CatalogObserver, Exchange, Namespace, Queue } from "../../../../broker/api.ts";

interface Kept {
  queues: readonly Queue[] | undefined;
}

export class SortedQueues {
  readonly #kept = new WeakMap<Namespace, Kept>();

  of(namespace: Namespace): readonly Queue[] {
    let kept = this.#kept.get(namespace);
    if (kept === undefined) {
      const made: Kept = { queues: undefined };
      kept = made;
      this.#kept.set(namespace, made);
      namespace.observe(forgetting(() => (made.queues = undefined)));
    }
    return (kept.queues ??= [...namespace.queues()].sort(byName));
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
