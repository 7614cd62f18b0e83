/**
 * Matches one destination by the hash of the routing key, or of a header or property, in proportion to weights.
 *
 * Weighted rendezvous: each destination draws a number from the hash of the key and of its own name, and the best draw
 * wins. With u uniform in (0, 1), -ln(u) / weight is exponential with that rate, and the least of such draws falls to
 * each destination in proportion to its weight. A key moves only when the destination that it goes to leaves, or
 * one that draws better arrives: 1/n of all keys, for arrivals, departures and changed weights alike. Names are all it
 * needs, so it also answers the same after a restart, in whatever order bindings come back.
 *
 * Rejected: jump hashing over numbered buckets, which needs the history of arrivals, and on a departure renumbers what
 * came later and moves nearly everything; a ring of points, which at weights of thousands is large and still uneven.
 * The price is a draw for each destination and match (about 20 ns). Where only the key decides, the router's
 * cache pays it once for a key.
 *
 * A destination bound more than once has the weight of its oldest binding, as where clients of this exchange come from.
 */

import { assert, must } from "../../base/assert.ts";
import type { Binding, Dependence, Matcher, MatcherOptions } from "./matcher.ts";
import type { RouteInput } from "./route-input.ts";
import { mix, textHash } from "./text-hash.ts";
import { canonicalValue, headerOf } from "./values.ts";

class Contender<D> {
  readonly destination: D;
  readonly name: string;
  readonly nameHash: number;
  /** Oldest first; the first says the weight. */
  readonly bindings: Binding<D>[] = [];
  weight = 1;

  constructor(binding: Binding<D>) {
    this.destination = binding.destination;
    this.name = binding.destinationName;
    this.nameHash = textHash(this.name);
  }
}

export class ConsistentHashMatcher<D> implements Matcher<D> {
  readonly dependsOn: Dependence;
  size = 0;
  readonly #header: string | undefined;
  readonly #property: string | undefined;
  readonly #contenderByDestination = new Map<D, Contender<D>>();
  /** All of them; undefined: they changed since the last match. */
  #contenders: readonly Contender<D>[] | undefined = [];

  constructor(options: MatcherOptions) {
    this.#header = options.hashHeader;
    // Clients of some brokers write message_id, where the canonical name is message-id.
    this.#property = options.hashProperty?.replaceAll("_", "-");
    this.dependsOn = this.#header === undefined && this.#property === undefined ? "key" : "message";
  }

  add(binding: Binding<D>): void {
    let contender = this.#contenderByDestination.get(binding.destination);
    if (contender === undefined) {
      contender = new Contender(binding);
      this.#contenderByDestination.set(binding.destination, contender);
      this.#contenders = undefined;
    }
    contender.bindings.push(binding);
    contender.weight = weightOf(must(contender.bindings[0], "just added"));
    this.size++;
  }

  remove(binding: Binding<D>): void {
    const contender = must(this.#contenderByDestination.get(binding.destination), "the binding was added");
    const at = contender.bindings.indexOf(binding);
    assert(at >= 0, "the binding was added");
    contender.bindings.splice(at, 1);
    const oldest = contender.bindings[0];
    if (oldest !== undefined) contender.weight = weightOf(oldest);
    else {
      this.#contenderByDestination.delete(binding.destination);
      this.#contenders = undefined;
    }
    this.size--;
  }

  match(input: RouteInput, visit: (destination: D) => void): void {
    const contenders = (this.#contenders ??= Array.from(this.#contenderByDestination.values()));
    if (contenders.length === 0) return;
    const keyHash = textHash(this.#textToHash(input));
    let best = contenders[0] as Contender<D>;
    let bestDraw = Infinity;
    for (let at = 0; at < contenders.length; at++) {
      const contender = contenders[at] as Contender<D>;
      const uniform = (mix(keyHash ^ contender.nameHash) + 0.5) / 0x1_0000_0000;
      const draw = -Math.log(uniform) / contender.weight;
      if (draw < bestDraw || (draw === bestDraw && contender.name < best.name)) {
        best = contender;
        bestDraw = draw;
      }
    }
    visit(best.destination);
  }

  /** A message without the header or property hashes as empty text: all of them go to one destination. */
  #textToHash(input: RouteInput): string {
    if (this.#header !== undefined) {
      const value = headerOf(input.headers(), this.#header);
      if (value === undefined) return "";
      return typeof value === "string" ? value : canonicalValue(value);
    }
    return this.#property === undefined ? input.routingKey : (input.property(this.#property) ?? "");
  }
}

function weightOf<D>(binding: Binding<D>): number {
  const weight = Number(binding.key);
  assert(Number.isInteger(weight) && weight >= 1, "the key of a binding is a weight");
  return weight;
}
