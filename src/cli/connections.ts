/** `entrepot connections`: who is connected, and the way out. */

import { pathOf } from "./api-client.ts";
import { done, type ApiCall, type ApiCommand, type Shown } from "./api-command.ts";
import { table, type Column } from "./table.ts";

interface ConnectionRow {
  readonly name: string;
  readonly user?: string;
  readonly vhost?: string;
  readonly state?: string;
  readonly ssl?: boolean;
  readonly protocol?: string;
  readonly channels?: number;
  readonly client_properties?: { readonly product?: unknown; readonly connection_name?: unknown };
}

const columns: readonly Column<ConnectionRow>[] = [
  { heading: "NAME", value: ({ name }) => name },
  { heading: "USER", value: ({ user }) => user },
  { heading: "VHOST", value: ({ vhost }) => vhost },
  { heading: "STATE", value: ({ state }) => state },
  { heading: "TLS", value: ({ ssl }) => (ssl === true ? "yes" : "no") },
  { heading: "CHANNELS", value: ({ channels }) => channels ?? 0 },
  { heading: "CLIENT", value: ({ client_properties: client }) => client?.connection_name ?? client?.product },
];

async function list({ api }: ApiCall): Promise<Shown> {
  const rows = await api.ask<ConnectionRow[]>(pathOf("connections"));
  return { json: rows, text: table(rows, columns) };
}

async function close({ api, args: [name = ""], flags }: ApiCall): Promise<Shown> {
  const reason = typeof flags["reason"] === "string" ? flags["reason"] : "Closed by entrepot connections close";
  await api.ask(pathOf("connections", name), { method: "DELETE", headers: { "x-reason": reason } });
  return done(`connection ${name} is closed`);
}

export const connectionCommands: readonly ApiCommand[] = [
  { name: "connections list", about: "Who is connected.", run: list },
  {
    name: "connections close",
    about: "Close a connection; its client is told the reason.",
    takes: "<NAME>",
    flags: { "--reason <TEXT>": "what the client is told" },
    run: close,
  },
];
