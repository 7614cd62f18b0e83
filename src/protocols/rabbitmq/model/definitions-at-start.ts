/**
 * Definitions that are imported at the start, before anybody is let in. They come from files, in order; those that were
 * imported last can be passed over, by a hash of them that is kept. A fault ends the start: a broker without its users and
 * queues is worse than none.
 */

import type { Logger } from "../../../observe/log.ts";
import type { Defined } from "./definitions-export.ts";
import { importDefinitions } from "./definitions-import.ts";

export interface StartDefinitions {
  readonly files: readonly { readonly path: string; readonly definitions: unknown }[];
  readonly hash: string;
  /** Pass them over if they are those that were imported last. */
  readonly skipIfUnchanged: boolean;
}

const kind = "imported-definitions";
const name = "hash";

/** @returns what is wrong, a sentence each; nothing: they are there. */
export function importAtStart(
  server: Defined & { readonly logger: Logger },
  { files, hash, skipIfUnchanged }: StartDefinitions,
): readonly string[] {
  const { logger, broker } = server;
  if (skipIfUnchanged && broker.definitions.get(kind, name) === hash) {
    logger.info("definitions are those that were imported last", { files: files.length });
    return [];
  }
  for (const { path, definitions } of files) {
    const outcome = importDefinitions(server, definitions);
    if ("refused" in outcome) return [`${path}: ${outcome.refused}`];
    logger.info("definitions imported", { path, ...outcome.applied });
    for (const each of outcome.withoutEffect) logger.warn("a definition has no effect", { path, ...each });
  }
  if (broker.definitions.get(kind, name) !== hash) broker.definitions.put(kind, name, hash);
  return [];
}
