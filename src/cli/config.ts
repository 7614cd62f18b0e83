/** `entrepot config`: the configuration that `entrepot start` would have with the same flags, and where each value came from. */

import { options } from "../config/options.ts";
import { settingsFor } from "../config/settings.ts";
import { settingLine, settingLines } from "../config/shown-settings.ts";
import type { StartOptions } from "../config/start-options.ts";
import { exitStatus, type Surroundings } from "./surroundings.ts";

export interface ConfigForm {
  /** One JSON object, for programs. */
  readonly json?: boolean | undefined;
  /** Each option with its prose, its default and what it accepts. */
  readonly explain?: boolean | undefined;
}

export async function config(around: Surroundings, start: StartOptions, form: ConfigForm): Promise<number> {
  const { shown, warnings } = await settingsFor({ ...start, env: around.env });
  for (const warning of warnings) around.writeError(`entrepot: ${warning}\n`);
  if (form.json === true) {
    const byKey = Object.fromEntries(shown.map(({ key, text, place }) => [key, { value: text, from: place }]));
    around.writeOut(`${JSON.stringify(byKey, null, 2)}\n`);
    return exitStatus.done;
  }
  // What is printed is a valid configuration file.
  if (form.explain !== true) {
    around.writeOut(settingLines(shown));
    return exitStatus.done;
  }
  const lines = shown.map((each) => {
    const { prose, kind, default: standard } = options[each.key];
    return `# ${prose}\n# Accepts ${kind.expects}. Default ${standard}; this is from: ${each.place}.\n${settingLine(each)}\n\n`;
  });
  around.writeOut(lines.join(""));
  return exitStatus.done;
}
