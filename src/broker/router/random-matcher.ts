import { DestinationSet } from "./destination-set.ts";
import type { Binding, Matcher } from "./matcher.ts";
import type { RouteInput } from "./route-input.ts";

/** Matches one destination of all, each as likely as any other, however many bindings lead to it. */
export class RandomMatcher<D> implements Matcher<D> {
  readonly dependsOn = "chance";
  size = 0;
  readonly #destinations = new DestinationSet<D>();
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  add(binding: Binding<D>): void {
    this.#destinations.add(binding.destination);
    this.size++;
  }

  remove(binding: Binding<D>): void {
    this.#destinations.remove(binding.destination);
    this.size--;
  }

  match(_input: RouteInput, visit: (destination: D) => void): void {
    const list = this.#destinations.list;
    if (list.length > 0) visit(list[Math.floor(this.#random() * list.length)] as D);
  }
}
