import { must } from "../../base/assert.ts";
import { DestinationSet } from "./destination-set.ts";
import type { Binding, Matcher } from "./matcher.ts";
import type { RouteInput } from "./route-input.ts";

/** Matches bindings whose key is the routing key, to the byte. */
export class DirectMatcher<D> implements Matcher<D> {
  readonly dependsOn = "key";
  size = 0;
  readonly #destinationsByKey = new Map<string, DestinationSet<D>>();

  add(binding: Binding<D>): void {
    let destinations = this.#destinationsByKey.get(binding.key);
    if (destinations === undefined) {
      destinations = new DestinationSet();
      this.#destinationsByKey.set(binding.key, destinations);
    }
    destinations.add(binding.destination);
    this.size++;
  }

  remove(binding: Binding<D>): void {
    const destinations = must(this.#destinationsByKey.get(binding.key), "the binding was added");
    destinations.remove(binding.destination);
    if (destinations.size === 0) this.#destinationsByKey.delete(binding.key);
    this.size--;
  }

  match(input: RouteInput, visit: (destination: D) => void): void {
    this.#destinationsByKey.get(input.routingKey)?.visit(visit);
    if (input.moreKeys === undefined) return;
    for (const key of input.moreKeys) this.#destinationsByKey.get(key)?.visit(visit);
  }
}
