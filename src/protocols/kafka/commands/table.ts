/** Every command that is answered: one line each. */

import type { Command } from "../command.ts";
import { apiVersions } from "./api-versions.ts";

export const commands: readonly Command[] = [apiVersions].toSorted((a, b) => a.key - b.key);
