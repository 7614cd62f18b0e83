/**
 * Where groups stand, as those know it who commit: all that was said of each place, which is a group's in a partition,
 * since the broker came up. After a crash one of these is what is there: none that something durable had followed; and
 * all that are found lie before one cut, which is that of everything else.
 */
import type { CommittedPosition } from "../src/broker/api.ts";
import { before, type Cut, ensure, type When } from "./cut.ts";

/** Undefined: nobody has committed there; forgotten: somebody had, and it was deleted or has expired. */
export type Standing = CommittedPosition | "forgotten" | undefined;

interface Said {
  readonly standing: Standing;
  readonly when: When;
}

export interface Place {
  readonly group: string;
  readonly partition: number;
  /** The first is what the broker came up with. */
  said: Said[];
}

export class Positions {
  readonly #places = new Map<string, Place>();

  forgetAll(): void {
    this.#places.clear();
  }

  places(): Iterable<Place> {
    return this.#places.values();
  }

  /** What was said last. */
  of(group: string, partition: number): Standing {
    return this.#places.get(`${partition} ${group}`)?.said.at(-1)!.standing;
  }

  say(group: string, partition: number, standing: Standing, when: When): void {
    const key = `${partition} ${group}`;
    let place = this.#places.get(key);
    if (place === undefined) {
      place = { group, partition, said: [{ standing: undefined, when: before }] };
      this.#places.set(key, place);
    }
    place.said.push({ standing, when });
  }

  /** The broker was away. `found` answers what it has now. */
  recovered(
    found: (group: string, partition: number) => CommittedPosition | undefined,
    cut: Cut,
    durableTicket: number,
  ): void {
    for (const place of this.#places.values()) recover(place, found(place.group, place.partition), cut, durableTicket);
    cut.check();
  }
}

export function textOf(standing: Standing): string {
  if (standing === undefined || standing === "forgotten") return "none";
  const { offset, metadata, timeMs } = standing;
  return `${offset} '${metadata}' of ${timeMs}`;
}

function recover(place: Place, found: CommittedPosition | undefined, cut: Cut, durableTicket: number): void {
  const { group, partition, said } = place;
  const what = `the position of ${group} in ${partition}: ${textOf(found)}`;
  const same = said.flatMap(({ standing }, at) => (textOf(standing) === textOf(found) ? [at] : []));
  ensure(same.length > 0, `${what} came back, and nobody has ever committed that`);
  const followed = (at: number): When | undefined => said[at + 1]?.when;
  const possible = same.filter((at) => (followed(at)?.high ?? Infinity) > durableTicket);
  ensure(possible.length > 0, `${what} came back, and what was said after it was durable`);
  const last = possible.at(-1)!;
  // That there is none may have been said more than once: then it is one of them.
  cut.present(said[possible[0]!]!.when, followed(last), what);
  place.said = [{ standing: said[last]!.standing, when: before }];
}
