/** Every command that is answered: one line each. */

import type { Command } from "../command.ts";
import { apiVersions } from "./api-versions.ts";
import { metadata } from "./metadata.ts";

const handled: readonly Command[] = [apiVersions, metadata];

export const commands: readonly Command[] = handled.toSorted((a, b) => a.key - b.key);
