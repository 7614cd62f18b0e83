/**
 * Takes definitions in RabbitMQ's JSON, exported by 3.10, by 4.x, or written by hand for a Helm chart: users, virtual hosts,
 * permissions, exchanges, parameters, policies, queues, bindings, of everything or for one virtual host.
 *
 * It is done wholly or not at all. First everything is checked, against what is there and what the definitions themselves will
 * have made by then; the steps are only collected. Then they are taken in one go, which is one atomic change of the journal.
 * RabbitMQ takes what comes before the first fault and leaves the rest.
 *
 * As with RabbitMQ, queues and exchanges that exist stay as they are, whatever is said of them; users, virtual hosts,
 * permissions, parameters and policies are set to what is said. So importing twice is importing once. What is taken in and
 * changes nothing is reported: federation, mirrors, components that are not here, bindings without ends.
 */

import type { UserStore } from "../../../auth/changes.ts";
import { Authority } from "../../../auth/authority.ts";
import { silentLogger } from "../../../observe/log.ts";
import type { Defined } from "./definitions-export.ts";
import { Plan, type ImportReport } from "./definitions-plan.ts";
import { ImportFault, rowsOf, shownText, type Row } from "./definitions-reader.ts";
import { definitionLevelsMax, isTooDeep } from "./json-table.ts";
import { isObject, type JsonObject } from "./parameter-checks.ts";
import { planBinding, planExchange, planQueue, planQueueLimits, planTopic } from "./definitions-topology.ts";
import { keysWithoutEffect } from "./policy-keys.ts";
import { plainVhost, type VhostRecord } from "./vhosts.ts";

export type { ImportReport } from "./definitions-plan.ts";

export interface ImportRefusal {
  /** Nothing was changed, and this is why. */
  readonly refused: string;
}

/** Categories that belong to the whole broker. */
const globalCategories = ["users", "vhosts", "permissions", "topic_permissions", "global_parameters"] as const;
const vhostCategories = ["exchanges", "parameters", "policies", "queues", "topics", "bindings"] as const;

/** What says where definitions come from, and nothing to be done. */
const remarks: ReadonlySet<string> = new Set([
  "rabbit_version",
  "rabbitmq_version",
  "product_name",
  "product_version",
  "rabbitmq_definition_format",
  "original_cluster_name",
  "original_vhost_name",
  "explanation",
  // Of the virtual host that they were exported from; the one that they go into keeps its own, as in RabbitMQ.
  "metadata",
  "description",
  "default_queue_type",
  "limits",
]);

/**
 * Imports everything, or with `vhost` what there is for one virtual host, into it. Durable with the broker's ticket.
 * @param definitions parsed JSON.
 */
export function importDefinitions(server: Defined, definitions: unknown, vhost?: string): ImportReport | ImportRefusal {
  if (!isObject(definitions)) return { refused: "failed_to_parse_json" };
  if (isTooDeep(definitions, definitionLevelsMax)) return { refused: "The definitions are nested too deep." };
  const version = definitions["rabbitmq_version"] ?? definitions["rabbit_version"];
  const plan = new Plan(server, typeof version === "string" ? version : undefined);
  try {
    if (vhost === undefined) planGlobals(plan, server, definitions);
    else if (server.vhosts.find(vhost) === undefined) throw noVhostYet(vhost);
    planVhosts(plan, server, definitions, vhost);
  } catch (error) {
    if (error instanceof ImportFault) return { refused: error.message };
    throw error;
  }
  noteUnknown(plan, definitions, vhost);
  server.broker.atomically(() => server.policies.batch(() => plan.run()));
  return plan.report();
}

function planGlobals(plan: Plan, server: Defined, definitions: JsonObject): void {
  const trial = trialOf(server);
  for (const row of rowsOf(definitions, "users")) planUser(plan, server, trial, row);
  for (const row of rowsOf(definitions, "vhosts")) planVhost(plan, server, row);
  for (const row of rowsOf(definitions, "permissions")) {
    const { user, vhost } = whoWhere(plan, row);
    const permission = {
      user,
      vhost,
      configure: row.text("configure"),
      write: row.text("write"),
      read: row.text("read"),
    };
    const fault = trial.permissions.set(permission);
    if (fault !== undefined) throw new ImportFault(fault.text);
    plan.add("permissions", () => void server.authority.permissions.set(permission));
  }
  for (const row of rowsOf(definitions, "topic_permissions")) {
    const { user, vhost } = whoWhere(plan, row);
    const exchange = row.text("exchange");
    const permission = { user, vhost, exchange, write: row.text("write"), read: row.text("read") };
    const fault = trial.topicPermissions.set(permission);
    if (fault !== undefined) throw new ImportFault(fault.text);
    plan.add("topic_permissions", () => void server.authority.topicPermissions.set(permission));
  }
  for (const row of rowsOf(definitions, "global_parameters")) planGlobalParameter(plan, server, row);
}

function planVhosts(plan: Plan, server: Defined, definitions: JsonObject, vhost: string | undefined): void {
  const topics = rowsOf(definitions, "topics");
  planQueueLimits(plan, server, [...rowsOf(definitions, "queues"), ...topics], vhost);
  for (const row of rowsOf(definitions, "exchanges")) planExchange(plan, row, vhost);
  for (const row of rowsOf(definitions, "policies")) planPolicy(plan, server, row, vhost);
  for (const row of rowsOf(definitions, "parameters")) planParameter(plan, server, row, vhost);
  for (const row of rowsOf(definitions, "queues")) planQueue(plan, row, vhost);
  for (const row of topics) planTopic(plan, row, vhost);
  for (const row of rowsOf(definitions, "bindings")) planBinding(plan, row, vhost);
}

/** An authority over what is there, whose changes go nowhere: so that users are checked by those who will make them. */
function trialOf({ authority, broker }: Defined): Authority {
  const changed = new Map<string, Map<string, unknown>>();
  const changedOf = (kind: string): Map<string, unknown> => {
    let values = changed.get(kind);
    if (values === undefined) changed.set(kind, (values = new Map(broker.definitions.entries(kind))));
    return values;
  };
  const store: UserStore = {
    get: (kind, name) => changedOf(kind).get(name),
    entries: (kind) => changedOf(kind),
    put: (kind, name, value) => void changedOf(kind).set(name, value),
    remove: (kind, name) => void changedOf(kind).delete(name),
  };
  const bytes = (count: number): Buffer => Buffer.alloc(count);
  return new Authority({ store, clock: broker.clock, bytes, logger: silentLogger, settings: authority.settings });
}

function planUser(plan: Plan, server: Defined, trial: Authority, row: Row): void {
  const name = row.text("name");
  const isAdministrator = row.get("administrator");
  if (row.get("tags") === undefined && isAdministrator === undefined) throw new ImportFault("tags_not_present");
  const password = row.optionalText("password");
  const passwordHash = row.optionalText("password_hash");
  const hashingAlgorithm = row.optionalText("hashing_algorithm") ?? hashingOf(plan.version);
  const limits = row.get("limits");
  const isLimited = isObject(limits) && Object.keys(limits).length > 0;
  const oldTags = isAdministrator === true || isAdministrator === "true" ? ["administrator"] : [];
  const draft = {
    ...(password !== undefined && { password }),
    ...(passwordHash !== undefined && { passwordHash }),
    ...(passwordHash !== undefined && hashingAlgorithm !== undefined && { hashingAlgorithm }),
    tags: row.get("tags") === undefined ? oldTags : row.words("tags"),
    // Checked by who takes them.
    ...(isLimited && { limits: limits as { readonly "max-connections"?: number } }),
  };
  const fault = trial.users.put(name, draft);
  if (fault !== undefined) throw new ImportFault(fault.text);
  plan.add("users", () => void server.authority.users.put(name, draft));
}

/** Before 3.6 hashes were of MD5, and nobody said so. */
function hashingOf(version: string | undefined): string | undefined {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version ?? "") ?? [];
  const isOld = Number(major) < 3 || (Number(major) === 3 && Number(minor) < 6);
  return major !== undefined && isOld ? "rabbit_password_hashing_md5" : undefined;
}

function planVhost(plan: Plan, server: Defined, row: Row): void {
  const name = row.newName();
  const metadata = row.get("metadata");
  const inner = isObject(metadata) ? metadata : {};
  const said = (field: string): unknown => row.get(field) ?? inner[field];
  const before = server.vhosts.find(name)?.record;
  const type = said("default_queue_type");
  const isType = type === "classic" || type === "quorum" || type === "stream";
  if (!isType && type !== undefined && type !== null && type !== "undefined") {
    throw new ImportFault(
      type === "" ? "default_queue_type must not be an empty string" : `${shownText(type)} is not a valid queue type`,
    );
  }
  const description = said("description");
  const record: VhostRecord = {
    ...(before ?? plainVhost),
    ...(typeof description === "string" && { description }),
    ...(said("tags") !== undefined && { tags: tagsOf(said("tags")) }),
    ...(isType && { defaultQueueType: type }),
    ...(typeof row.get("tracing") === "boolean" && { isTracing: row.boolean("tracing") }),
    ...(typeof said("protected_from_deletion") === "boolean" && {
      isProtectedFromDeletion: said("protected_from_deletion") === true,
    }),
  };
  plan.vhostNames.add(name);
  plan.add("vhosts", () => {
    if (server.vhosts.find(name) === undefined) {
      server.vhosts.create(name, record);
      letIn(server, name);
    } else if (JSON.stringify(record) !== JSON.stringify(before)) {
      server.vhosts.update(name, record);
    }
  });
}

/** Who imports a virtual host may do everything in it, unless the definitions say otherwise. */
function letIn({ authority, events }: Defined, vhost: string): void {
  const user = events.actor;
  if (authority.users.find(user) === undefined) return;
  authority.permissions.set({ user, vhost, configure: ".*", write: ".*", read: ".*" });
}

function tagsOf(value: unknown): readonly string[] {
  const words = typeof value === "string" ? value.split(",") : Array.isArray(value) ? value : [];
  return words.map((word) => String(word).trim()).filter((word) => word !== "");
}

function whoWhere(plan: Plan, row: Row): { user: string; vhost: string } {
  const vhost = row.text("vhost");
  if (!plan.vhostNames.has(vhost)) throw noVhostYet(vhost);
  return { user: row.text("user"), vhost };
}

function planGlobalParameter(plan: Plan, { parameters }: Defined, row: Row): void {
  const name = row.text("name");
  const value = row.get("value");
  if (name.startsWith("internal")) {
    plan.withoutEffect("global_parameters", name, undefined, "it is internal to the cluster that it comes from");
  } else if (value === undefined) {
    plan.withoutEffect("global_parameters", name, undefined, "it has no value");
  } else {
    plan.add("global_parameters", () => parameters.setGlobal(name, value));
  }
}

function planPolicy(plan: Plan, { policies }: Defined, row: Row, into: string | undefined): void {
  const vhost = plan.vhostOf(row, into);
  const name = row.get("name");
  if (typeof name !== "string") throw new ImportFault(`policy in virtual host '${vhost}' has undefined name`);
  const definition = row.get("definition");
  const draft = {
    pattern: row.get("pattern"),
    definition,
    priority: row.get("priority"),
    applyTo: row.get("apply-to"),
  };
  const fault = policies.check("policy", vhost, name, draft);
  if (fault !== undefined) throw new ImportFault(`${fault} (${vhost}/${name})`);
  noteKeys(plan, "policies", vhost, name, definition);
  plan.add("policies", () => void policies.set("policy", vhost, name, draft));
}

function planParameter(plan: Plan, { parameters }: Defined, row: Row, into: string | undefined): void {
  const vhost = plan.vhostOf(row, into);
  const component = row.text("component");
  const name = row.text("name");
  const value = component === "operator_policy" ? withFields(row.get("value")) : row.get("value");
  if (component === "policy") {
    throw new ImportFault(`policies may not be set using this method (${vhost}/${component}/${name})`);
  }
  if (!parameters.isKnown(component)) {
    return plan.withoutEffect("parameters", name, vhost, `there is no component ${component} here`);
  }
  const fault = parameters.check(vhost, component, name, value);
  if (fault !== undefined) throw new ImportFault(`${fault} (${vhost}/${component}/${name})`);
  if (component === "operator_policy" && isObject(value))
    noteKeys(plan, "parameters", vhost, name, value["definition"]);
  if (component.startsWith("federation")) plan.withoutEffect("parameters", name, vhost, "there is no federation here");
  plan.add("parameters", () => void parameters.setAny(vhost, component, name, value));
}

/** 3.10's rabbitmqctl exports the definition of an operator's policy as a list of pairs. */
function withFields(value: unknown): unknown {
  const definition = isObject(value) ? value["definition"] : undefined;
  const isPairs = Array.isArray(definition) && definition.every((pair) => Array.isArray(pair) && pair.length === 2);
  return isPairs
    ? { ...(value as JsonObject), definition: Object.fromEntries(definition as [string, unknown][]) }
    : value;
}

function noteKeys(plan: Plan, category: string, vhost: string, name: string, definition: unknown): void {
  if (!isObject(definition)) return;
  const keys = keysWithoutEffect(definition);
  if (keys.length > 0) plan.withoutEffect(category, name, vhost, `${keys.join(", ")}: accepted, and without effect`);
}

function noteUnknown(plan: Plan, definitions: JsonObject, vhost: string | undefined): void {
  const known: readonly string[] = vhost === undefined ? [...globalCategories, ...vhostCategories] : vhostCategories;
  const globals: readonly string[] = globalCategories;
  for (const [category, list] of Object.entries(definitions)) {
    if (known.includes(category) || remarks.has(category) || (Array.isArray(list) && list.length === 0)) continue;
    const why = globals.includes(category) ? "not part of one virtual host's definitions" : "it is not known";
    plan.withoutEffect(category, undefined, vhost, why);
  }
}

function noVhostYet(name: string): ImportFault {
  return new ImportFault(`Please create virtual host "${name}" prior to importing definitions.`);
}
