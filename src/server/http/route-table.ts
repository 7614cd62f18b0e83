/**
 * Finds the routes of a path. A pattern is `/api/queues/:vhost/:name`: segments that must be equal, and named ones that take
 * anything. Where two patterns fit, the one that has its first plain segment where the other has a name wins, whatever
 * their order in the table.
 *
 * Each segment is percent-decoded on its own and after the path was cut at its slashes, so `%2F` is part of a name and never
 * a separator, and `..` is a name like others. A segment that is not UTF-8 once decoded has no name that anything could have.
 */

export interface PathPattern {
  /** In capitals. */
  readonly method: string;
  readonly path: string;
}

/** The routes of one path, by method. */
export interface RouteMatch<R> {
  readonly routes: ReadonlyMap<string, R>;
  /** What stands in the path under the names of the route's pattern. */
  params(route: R): Readonly<Record<string, string>>;
}

interface Entry<R> {
  /** With `:` for any. */
  readonly segments: readonly string[];
  readonly routes: Map<string, R>;
}

export class RouteTable<R extends PathPattern> {
  readonly #entriesByLength = new Map<number, Entry<R>[]>();

  /** @throws if two routes have one method and path. */
  constructor(routes: Iterable<R>) {
    const entryByShape = new Map<string, Entry<R>>();
    for (const route of routes) {
      // Two methods of one path may name its parts differently.
      const shape = route.path.replace(/:[^/]*/g, ":");
      let entry = entryByShape.get(shape);
      if (entry === undefined) {
        entry = { segments: segmentsOf(shape), routes: new Map() };
        entryByShape.set(shape, entry);
        const { length } = entry.segments;
        const others = this.#entriesByLength.get(length);
        if (others === undefined) this.#entriesByLength.set(length, [entry]);
        else others.push(entry);
      }
      if (entry.routes.has(route.method)) throw new Error(`two routes for ${route.method} ${route.path}`);
      entry.routes.set(route.method, route);
    }
    for (const entries of this.#entriesByLength.values()) entries.sort(byPlainness);
  }

  /** `malformed`: its percent-encoding is wrong, or hides bytes that are no UTF-8. */
  find(path: string): RouteMatch<R> | "malformed" | undefined {
    const segments = segmentsOf(path);
    if (segments.length > 1 && segments.at(-1) === "") segments.pop();
    const decoded: string[] = [];
    for (const segment of segments) {
      const name = decodeSegment(segment);
      if (name === undefined) return "malformed";
      decoded.push(name);
    }
    for (const entry of this.#entriesByLength.get(segments.length) ?? []) {
      if (fits(entry.segments, decoded))
        return { routes: entry.routes, params: ({ path: to }) => paramsOf(to, decoded) };
    }
    return undefined;
  }
}

function decodeSegment(segment: string): string | undefined {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

function segmentsOf(path: string): string[] {
  return path.split("/").slice(1);
}

function fits(pattern: readonly string[], segments: readonly string[]): boolean {
  return pattern.every((part, index) => (part === ":" ? segments[index] !== "" : part === segments[index]));
}

function paramsOf(pattern: string, segments: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {};
  for (const [index, part] of segmentsOf(pattern).entries()) {
    if (part.startsWith(":")) params[part.slice(1)] = segments[index]!;
  }
  return params;
}

function byPlainness(a: Entry<PathPattern>, b: Entry<PathPattern>): number {
  for (const [index, part] of a.segments.entries()) {
    const isName = part === ":";
    if (isName !== (b.segments[index] === ":")) return isName ? 1 : -1;
  }
  return 0;
}
