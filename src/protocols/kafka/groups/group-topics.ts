/**
 * Which topics each group has committed in. The offsets themselves are the core's, with each partition; this is the way
 * back from a group to them, made when it is first asked for and kept by commits, so that nobody looks through all topics for
 * what a group has. It goes with its namespace: when that was deleted, and made anew, it is made anew.
 */
import type { CatalogObserver, Namespace, Queue } from "../../../broker/api.ts";

const ignore = (): void => undefined;

export class GroupTopics {
  readonly #namespace: () => Namespace | undefined;
  /** The one that was looked through. */
  #indexed: Namespace | undefined;
  readonly #topicsByGroup = new Map<string, Map<string, Queue>>();

  readonly #topicDeleted: (name: string) => void;

  /** @param topicDeleted told of each, when this is in use */
  constructor(namespace: () => Namespace | undefined, topicDeleted: (name: string) => void) {
    this.#namespace = namespace;
    this.#topicDeleted = topicDeleted;
  }

  /** Undefined: there is no such topic. */
  topic(name: string): Queue | undefined {
    return this.#namespace()?.queue(name);
  }

  /** Groups that have offsets, or had some not long ago. */
  groups(): Iterable<string> {
    this.#index();
    return this.#topicsByGroup.keys();
  }

  has(group: string): boolean {
    this.#index();
    return this.#topicsByGroup.has(group);
  }

  of(group: string): Iterable<Queue> {
    this.#index();
    return this.#topicsByGroup.get(group)?.values() ?? [];
  }

  note(group: string, topic: Queue): void {
    this.#index();
    const topics = this.#topicsByGroup.get(group);
    if (topics === undefined) this.#topicsByGroup.set(group, new Map([[topic.name, topic]]));
    else topics.set(topic.name, topic);
  }

  /** The group has no offsets in it any more. */
  drop(group: string, topic: Queue): void {
    const topics = this.#topicsByGroup.get(group);
    if (topics?.get(topic.name) !== topic) return;
    topics.delete(topic.name);
    if (topics.size === 0) this.#topicsByGroup.delete(group);
  }

  #index(): void {
    const namespace = this.#namespace();
    if (namespace === this.#indexed) return;
    this.#topicsByGroup.clear();
    this.#indexed = namespace;
    if (namespace === undefined) return;
    for (const topic of namespace.queues()) {
      for (const partition of topic.partitions) {
        for (const [group] of partition.committedOffsets()) this.note(group, topic);
      }
    }
    namespace.observe(this.#observer());
  }

  #observer(): CatalogObserver {
    return {
      queueCreated: ignore,
      // Its offsets go with it. There may be many queues that come and go, and many groups: only those that had some are asked.
      queueDeleted: (queue) => {
        for (const partition of queue.partitions) {
          for (const [group] of partition.committedOffsets()) this.drop(group, queue);
        }
        this.#topicDeleted(queue.name);
      },
      exchangeCreated: ignore,
      exchangeDeleted: ignore,
      bindingCreated: ignore,
      bindingDeleted: ignore,
    };
  }
}
