import { must } from "../../base/assert.ts";
import type { Binding, Matcher } from "./matcher.ts";
import type { RouteInput } from "./route-input.ts";
import { textHash } from "./text-hash.ts";

interface Slot<D> {
  readonly destination: D;
  readonly name: string;
  bindings: number;
}

/**
 * Matches one destination: the hash of the routing key, modulo their number, picks it from all of them in order of
 * their names. Order of binding would do until a restart brings them back in another; names stay, and are what RabbitMQ
 * sorts by as well. When the number changes, nearly every key moves: consistent-hash is for those who mind.
 */
export class ModulusHashMatcher<D> implements Matcher<D> {
  readonly dependsOn = "key";
  size = 0;
  readonly #slotByDestination = new Map<D, Slot<D>>();
  #sorted: readonly Slot<D>[] | undefined;

  add(binding: Binding<D>): void {
    const slot = this.#slotByDestination.get(binding.destination);
    if (slot !== undefined) slot.bindings++;
    else {
      const { destination, destinationName } = binding;
      this.#slotByDestination.set(destination, { destination, name: destinationName, bindings: 1 });
      this.#sorted = undefined;
    }
    this.size++;
  }

  remove(binding: Binding<D>): void {
    const slot = must(this.#slotByDestination.get(binding.destination), "the binding was added");
    slot.bindings--;
    if (slot.bindings === 0) {
      this.#slotByDestination.delete(binding.destination);
      this.#sorted = undefined;
    }
    this.size--;
  }

  match(input: RouteInput, visit: (destination: D) => void): void {
    const sorted = (this.#sorted ??= Array.from(this.#slotByDestination.values()).sort(byName));
    if (sorted.length === 0) return;
    visit((sorted[textHash(input.routingKey) % sorted.length] as Slot<D>).destination);
  }
}

function byName<D>(a: Slot<D>, b: Slot<D>): number {
  if (a.name === b.name) return 0;
  return a.name < b.name ? -1 : 1;
}
