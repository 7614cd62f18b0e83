import { DestinationSet } from "./destination-set.ts";
import type { Binding, Matcher } from "./matcher.ts";
import type { RouteInput } from "./route-input.ts";

/** Matches every binding, whatever the message. */
export class FanoutMatcher<D> implements Matcher<D> {
  readonly dependsOn = "nothing";
  size = 0;
  readonly #destinations = new DestinationSet<D>();

  add(binding: Binding<D>): void {
    this.#destinations.add(binding.destination);
    this.size++;
  }

  remove(binding: Binding<D>): void {
    this.#destinations.remove(binding.destination);
    this.size--;
  }

  match(_input: RouteInput, visit: (destination: D) => void): void {
    this.#destinations.visit(visit);
  }
}
