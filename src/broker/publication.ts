/** Publications begin as this one, which says nothing: a message that is not durable, without head and body. A part of the door, `api.ts`. */
import type { Publication } from "./api.ts";

const nothing = Buffer.alloc(0);

/** All are made here, so that what publishes sees objects of one shape. */
export function emptyPublication<E extends { readonly name: string }>(
  exchange: E,
): Omit<Publication, "exchange"> & { exchange: E } {
  return {
    format: 0,
    durable: false,
    priority: 0,
    ttlMs: -1,
    deliverAtMs: 0,
    key: undefined,
    dedupId: undefined,
    partition: -1,
    exchange,
    routingKey: "",
    extraKeys: undefined,
    head: nothing,
    headStart: 0,
    headEnd: 0,
    body: nothing,
    bodyStart: 0,
    bodyEnd: 0,
  };
}
