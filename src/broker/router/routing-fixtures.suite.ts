import type { Binding } from "./matcher.ts";
import type { RouteInput } from "./route-input.ts";
import { noHeaders } from "./values.ts";
import type { Headers } from "./values.ts";

/** For tests: a message with these routing data. */
export function message(
  routingKey: string,
  headers: Headers = noHeaders,
  properties: Readonly<Record<string, string>> = {},
  moreKeys?: readonly string[],
): RouteInput {
  const input: RouteInput = {
    routingKey,
    headers: () => headers,
    property: (name) => properties[name],
  };
  return moreKeys === undefined ? input : { ...input, moreKeys };
}

/** For tests: a binding whose destination is its own name. */
export function binding(destination: string, key: string, args: Headers = noHeaders): Binding<string> {
  return { key, args, destination, destinationName: destination };
}
