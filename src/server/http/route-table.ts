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

export interface RouteMatch<R> {
  /** By method; of one path. */
  readonly routes: ReadonlyMap<string, R>;
  readonly params: Readonly<Record<string, string>>;
}

interface Entry<R> {
  readonly segments: readonly string[];
  readonly routes: Map<string, R>;
}

export class RouteTable<R extends PathPattern> {
  readonly #entriesByLength = new Map<number, Entry<R>[]>();

  /** @throws if two routes have one method and path. */
  constructor(routes: Iterable<R>) {
    const entryByPath = new Map<string, Entry<R>>();
    for (const route of routes) {
      let entry = entryByPath.get(route.path);
      if (entry === undefined) {
        entry = { segments: route.path.split("/").slice(1), routes: new Map() };
        entryByPath.set(route.path, entry);
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
    const segments = path.split("/").slice(1);
    if (segments.length > 1 && segments.at(-1) === "") segments.pop();
    const decoded: string[] = [];
    for (const segment of segments) {
      const name = decodeSegment(segment);
      if (name === undefined) return "malformed";
      decoded.push(name);
    }
    for (const entry of this.#entriesByLength.get(segments.length) ?? []) {
      const params = paramsOf(entry.segments, decoded);
      if (params !== undefined) return { routes: entry.routes, params };
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

function paramsOf(pattern: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
  let params: Record<string, string> | undefined;
  for (const [index, part] of pattern.entries()) {
    const segment = segments[index]!;
    if (part.startsWith(":")) {
      if (segment === "") return undefined;
      params ??= {};
      params[part.slice(1)] = segment;
    } else if (part !== segment) {
      return undefined;
    }
  }
  return params ?? {};
}

function byPlainness(a: Entry<PathPattern>, b: Entry<PathPattern>): number {
  for (const [index, part] of a.segments.entries()) {
    const isName = part.startsWith(":");
    const isOtherName = b.segments[index]!.startsWith(":");
    if (isName !== isOtherName) return isName ? 1 : -1;
  }
  return 0;
}
