/** Queues, exchanges and bindings of definitions, planned: checked as a client's declarations are, with the same texts. */

import { checkBinding } from "./binding.ts";
import { keptForm, type QueueDeclaration } from "./declaration.ts";
import { checkExchangeType, checkNewExchange, exchangeSettings, routedType } from "./declare-exchange.ts";
import { checkNewQueue, checkSameTopic, queueSettings, queueType } from "./declare-queue.ts";
import type { Plan } from "./definitions-plan.ts";
import { ImportFault, type Row } from "./definitions-reader.ts";
import type { Defined } from "./definitions-export.ts";
import type { Fault } from "./errors.ts";
import type { FieldTable } from "./field-table.ts";
import { headersOf } from "./mapping.ts";
import { declareWorkQueue } from "./work-queue.ts";

const reserved = "its name begins with 'amq.', which is reserved";

export function planExchange(plan: Plan, row: Row, into: string | undefined): void {
  const vhost = plan.vhostOf(row, into);
  const name = row.text("name");
  if (name === "") return plan.withoutEffect("exchanges", name, vhost, "the default exchange is always there");
  if (name.startsWith("amq.")) return plan.withoutEffect("exchanges", name, vhost, reserved);
  if (plan.source(vhost, name) !== undefined) return;
  row.newName();
  const type = row.optionalText("type") ?? "undefined";
  const args = row.arguments();
  refuse(checkExchangeType(type) ?? checkNewExchange(type, args, name, vhost));
  const internal = row.optionalBoolean("internal");
  const flags = { type, durable: row.boolean("durable"), autoDelete: row.boolean("auto_delete"), internal };
  const settings = exchangeSettings(flags, args);
  plan.addExchange(vhost, name, { kind: settings.kind, type: routedType(type, args) });
  plan.add("exchanges", () => {
    plan.vhost(vhost).namespace.createExchange(name, settings, keptForm({ type, internal, arguments: args }));
  });
}

export function planQueue(plan: Plan, row: Row, into: string | undefined): void {
  const vhost = plan.vhostOf(row, into);
  const name = row.text("name");
  if (name.startsWith("amq.")) return plan.withoutEffect("queues", name, vhost, reserved);
  if (plan.hasQueue(vhost, name)) return;
  row.newName();
  const args = row.arguments();
  const declaration: QueueDeclaration = {
    type: queueType(args),
    durable: row.boolean("durable"),
    autoDelete: row.boolean("auto_delete"),
    exclusive: false,
    arguments: args,
  };
  refuse(checkNewQueue(declaration, name, vhost));
  plan.addQueue(vhost, name, declaration.type);
  plan.add("queues", () => {
    plan.vhost(vhost).namespace.createQueue(name, queueSettings(declaration), keptForm(declaration));
  });
}

export function planTopic(plan: Plan, row: Row, into: string | undefined): void {
  const vhost = plan.vhostOf(row, into);
  const name = row.text("name");
  if (plan.hasQueue(vhost, name)) return;
  const { foreignTopics, broker } = plan.server;
  if (foreignTopics?.vhost !== vhost)
    return plan.withoutEffect("topics", name, vhost, "topics are in another virtual host (kafka.namespace)");
  row.newName();
  const fault = foreignTopics.faultOf(name, row.fields);
  if (fault !== undefined) throw new ImportFault(`topics: ${name}: ${fault}`);
  const args = row.get("arguments") === undefined ? [] : row.arguments();
  refuse(checkNewTopic(args, name, vhost));
  plan.addQueue(vhost, name, "stream");
  plan.add("topics", () => {
    foreignTopics.create(name, row.fields);
    if (args.length > 0) declareWorkQueue(broker, plan.vhost(vhost).namespace.queue(name)!, args);
  });
}

export function planBinding(plan: Plan, row: Row, into: string | undefined): void {
  const vhost = plan.vhostOf(row, into);
  const source = row.text("source");
  const destination = row.text("destination");
  const type = row.text("destination_type");
  if (type !== "queue" && type !== "exchange") row.wrong("destination_type", "must be queue or exchange");
  const key = row.shortText("routing_key");
  const args = row.arguments();
  const shown = `${source} -> ${destination} (${key})`;
  if (source === "" || (type === "exchange" && destination === "")) {
    return plan.withoutEffect("bindings", shown, vhost, "the default exchange is not bound");
  }
  const from = plan.source(vhost, source);
  if (from === undefined) return plan.withoutEffect("bindings", shown, vhost, `there is no exchange '${source}'`);
  const what = plan.destination(vhost, type, destination);
  if (what === undefined) return plan.withoutEffect("bindings", shown, vhost, `there is no ${type} '${destination}'`);
  refuse(checkBinding(from, what, key, args));
  const headers = headersOf(args);
  plan.add("bindings", () => {
    const { namespace } = plan.vhost(vhost);
    const end = type === "queue" ? { queue: namespace.queue(destination)! } : { exchange: destination };
    namespace.bind(source, end, key, headers);
  });
}

/** Of a topic's work queue: what a client's declaration could have said. */
function checkNewTopic(args: FieldTable, name: string, vhost: string): Fault | undefined {
  const plain = { type: "quorum", durable: true, autoDelete: false, exclusive: false, arguments: [] } as const;
  const declaration = { ...plain, arguments: args };
  return checkSameTopic(plain, declaration, name, vhost, false) ?? checkNewQueue(declaration, name, vhost);
}

/** No more queues than the virtual hosts' limits allow, as they are now. */
export function planQueueLimits(plan: Plan, server: Defined, rows: readonly Row[], into: string | undefined): void {
  const addedByVhost = new Map<string, Set<string>>();
  for (const row of rows) {
    const vhost = plan.vhostOf(row, into);
    const name = row.text("name");
    if (plan.hasQueue(vhost, name)) continue;
    const added = addedByVhost.get(vhost) ?? new Set();
    addedByVhost.set(vhost, added.add(name));
  }
  for (const [vhost, { size }] of addedByVhost) {
    if (!server.vhostLimits.wouldExceedQueues(vhost, size)) continue;
    const most = server.vhostLimits.queuesMax(vhost);
    const now = server.vhostLimits.queueCount(vhost);
    throw new ImportFault(
      `Adding ${size} queue(s) to virtual host "${vhost}" would exceed the limit of ${most} queue(s).\n\n` +
        `This virtual host currently has ${now} queue(s) defined.\n\nImport aborted!`,
    );
  }
}

/** `precondition_failed: invalid arg ...`, as RabbitMQ writes it where it writes it for people. */
function refuse(fault: Fault | undefined): void {
  if (fault === undefined) return;
  const kind = fault.kind.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  throw new ImportFault(`${kind}: ${fault.explanation}`);
}
