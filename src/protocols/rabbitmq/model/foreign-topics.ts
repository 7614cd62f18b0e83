/**
 * Topics of another protocol, as definitions carry them: what they are is that protocol's to say, and to judge. RabbitMQ's own
 * definitions have no such category, and RabbitMQ passes over it.
 */

import type { Queue } from "../../../broker/api.ts";
import type { JsonObject } from "./parameter-checks.ts";

export interface ForeignTopics {
  /** The one virtual host in which topics can be made. */
  readonly vhost: string;
  /** What it needs to be made again, beside its name. */
  definitionOf(queue: Queue): JsonObject;
  /** Why it cannot be made from this; undefined: it can. */
  faultOf(name: string, definition: JsonObject): string | undefined;
  /** Makes it. There is nothing of that name, and nothing wrong with the definition. */
  create(name: string, definition: JsonObject): void;
}
