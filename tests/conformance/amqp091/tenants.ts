/**
 * The virtual hosts, users, permissions and limits that some scenarios live in. They are made over the management API,
 * which both servers have, before any scenario runs; what an earlier run left of them is deleted first.
 */
import type { Target } from "./scenario.ts";

/** Everything is here; the user `tenant` may use what has `mine` in its name. */
export const HOME = "tenants";

interface Change {
  readonly method: "PUT" | "DELETE";
  readonly path: string;
  readonly body?: unknown;
}

const put = (path: string, body: unknown = {}): Change => ({ method: "PUT", path, body });
const permission = (user: string, vhost: string, configure: string, write = configure, read = configure): Change =>
  put(`permissions/${vhost}/${user}`, { configure, write, read });

const VHOSTS = [HOME, "crowded", "full", "replicated", "doomed", "traced"];
const USERS = ["tenant", "stranger", "reader", "solitary", "quiet", "leaver"];

const CHANGES: readonly Change[] = [
  ...VHOSTS.map((name): Change => ({ method: "DELETE", path: `vhosts/${name}` })),
  ...USERS.map((name): Change => ({ method: "DELETE", path: `users/${name}` })),
  ...VHOSTS.map((name) => put(`vhosts/${name}`, name === "replicated" ? { defaultqueuetype: "quorum" } : {})),
  ...USERS.map((name) => put(`users/${name}`, { password: name, tags: "" })),
  permission("tenant", HOME, "mine", "(mine|^amq\\.topic$)", "(mine|^amq\\.topic$)"),
  permission("reader", HOME, "(mine|^amq\\.)", "", ".*"),
  permission("solitary", HOME, ".*"),
  permission("quiet", HOME, ".*"),
  ...["crowded", "full", "replicated", "doomed", "traced"].map((vhost) => permission("tenant", vhost, ".*")),
  permission("leaver", HOME, ".*"),
  put(`topic-permissions/${HOME}/tenant`, { exchange: "amq.topic", write: "^in\\.", read: "^(in|out)\\." }),
  put("vhost-limits/crowded/max-connections", { value: 0 }),
  put("vhost-limits/full/max-queues", { value: 0 }),
  put("user-limits/solitary/max-channels", { value: 1 }),
  put("user-limits/quiet/max-connections", { value: 0 }),
];

/** Asks the management API; throws when it refuses, but for what is not there to be deleted. */
export async function manage(target: Target, { method, path, body }: Change): Promise<void> {
  const response = await fetch(`http://${target.management}/api/${path}`, {
    method,
    headers: {
      authorization: `Basic ${Buffer.from("guest:guest").toString("base64")}`,
      "content-type": "application/json",
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (response.ok || (method === "DELETE" && response.status === 404)) return;
  throw new Error(`${method} ${path}: ${response.status} ${text}`);
}

export async function prepareTenants(target: Target): Promise<void> {
  for (const change of CHANGES) await manage(target, change);
}
