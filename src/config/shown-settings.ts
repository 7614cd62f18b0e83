/** Settings as lines of a configuration file, for whoever asks with what the broker works. Secrets are not in it. */

import { notShown } from "./kinds.ts";
import type { EffectiveSettings } from "./settings.ts";

type Shown = EffectiveSettings["shown"][number];

/** Read back, what stands in a secret's place would become the secret: such a line is a comment. */
export function settingLine({ key, text }: Shown): string {
  return text === notShown ? `# ${key}: ${notShown}` : `${key}: ${yamlScalar(text)}`;
}

/** All of them, each with the place it is from. */
export function settingLines(shown: readonly Shown[]): string {
  return shown.map((each) => `${settingLine(each).padEnd(40)} # ${each.place}\n`).join("");
}

function yamlScalar(text: string): string {
  return /^[\w./][\w./:%-]*$/.test(text) && !text.endsWith(":") ? text : JSON.stringify(text);
}
