import type { Headers } from "./values.ts";

/**
 * What a router may ask of a message.
 *
 * Only the routing key is there from the start. Headers and properties are functions, since most exchanges never look:
 * a protocol decodes them when first asked, and may answer the same object twice.
 */
export interface RouteInput {
  readonly routingKey: string;
  /** Further keys by which the message is routed as well, as carbon copies name them. Hashes ignore them. */
  readonly moreKeys?: readonly string[];
  headers(): Headers;
  /** A standard property as text, by its canonical name: `message-id`, `correlation-id`, `timestamp`. */
  property(name: string): string | undefined;
}
