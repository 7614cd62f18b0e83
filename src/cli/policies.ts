/** `entrepot policies`: settings by the names of queues and exchanges. */

import { pathOf } from "./api-client.ts";
import { done, vhostFilter, vhostFlag, type ApiCall, type ApiCommand, type Shown } from "./api-command.ts";
import { table, type Column } from "./table.ts";
import { UsageError } from "./usage-error.ts";

interface PolicyRow {
  readonly vhost: string;
  readonly name: string;
  readonly pattern: string;
  readonly "apply-to": string;
  readonly priority: number;
  readonly definition: unknown;
}

const columns: readonly Column<PolicyRow>[] = [
  { heading: "VHOST", value: ({ vhost }) => vhost },
  { heading: "NAME", value: ({ name }) => name },
  { heading: "PATTERN", value: ({ pattern }) => pattern },
  { heading: "APPLIES TO", value: (row) => row["apply-to"] },
  { heading: "PRIORITY", value: ({ priority }) => priority },
  { heading: "DEFINITION", value: ({ definition }) => definition },
];

const operatorFlag = { "--operator": "operator policies, which limit what users may set" } as const;

function kindOf(flags: ApiCall["flags"]): string {
  return flags["operator"] === true ? "operator-policies" : "policies";
}

async function list({ api, flags }: ApiCall): Promise<Shown> {
  const of = typeof flags["vhost"] === "string" ? [flags["vhost"]] : [];
  const rows = await api.ask<PolicyRow[]>(pathOf(kindOf(flags), ...of));
  return { json: rows, text: table(rows, columns) };
}

async function set({ api, args: [name = "", pattern = "", text = ""], flags, vhost }: ApiCall): Promise<Shown> {
  let definition: unknown;
  try {
    definition = JSON.parse(text);
  } catch {
    throw new UsageError(`the definition is ${text}, which is not JSON such as {"max-length":1000}`);
  }
  const priority = flags["priority"] === undefined ? 0 : Number(flags["priority"]);
  if (!Number.isInteger(priority)) throw new UsageError(`--priority is ${String(flags["priority"])}, no whole number`);
  const body = { pattern, definition, priority, "apply-to": flags["applyTo"] ?? "all" };
  await api.ask(pathOf(kindOf(flags), vhost, name), { method: "PUT", body });
  return done(`policy ${name} is set`);
}

async function clear({ api, args: [name = ""], flags, vhost }: ApiCall): Promise<Shown> {
  await api.ask(pathOf(kindOf(flags), vhost, name), { method: "DELETE" });
  return done(`policy ${name} is gone`);
}

export const policyCommands: readonly ApiCommand[] = [
  { name: "policies list", about: "Which policies there are.", flags: { ...vhostFilter, ...operatorFlag }, run: list },
  {
    name: "policies set",
    about: "Set a policy; it takes effect at once on all queues and exchanges whose names the pattern fits.",
    takes: "<NAME> <PATTERN> <DEFINITION>",
    flags: {
      ...vhostFlag,
      ...operatorFlag,
      "--apply-to <KIND>": "queues, classic_queues, quorum_queues, streams, exchanges or all",
      "--priority <N>": "of several that fit, the one with the highest holds; 0 if left out",
    },
    run: set,
  },
  {
    name: "policies clear",
    about: "Take a policy away.",
    takes: "<NAME>",
    flags: { ...vhostFlag, ...operatorFlag },
    run: clear,
  },
];
