/**
 * Policies: settings for all queues and exchanges of a virtual host whose names match a pattern, and those of operators, which
 * nobody else may loosen.
 *
 * Of each sort at most one applies to an object: the one of highest priority among those that match its name, its kind and its
 * type (of equals, the one that is first by name). What the two say is merged with what the object was declared with
 * (policy-merge.ts), and the core's settings are made of that; the declaration itself stays as it was, since later declarations
 * are compared with it. Objects that another protocol family made are left alone: what was asked for them stands in settings
 * that we could not give back. Of a log that one made, policies say how it is consumed here (work-queue.ts).
 *
 * A change has effect at once on a few hundred objects, and on the rest in slices between other work: ten thousand queues must
 * not hold up their clients. Slices always apply what is set by then, so changes may overtake them. A restart in the middle ends
 * where it would have: at the start, every object gets what policies say of it now, whatever it had. That costs some microseconds
 * each, and heals whatever a crash or another version left behind; remembering what was still to be done was rejected for it.
 */

import type { Broker, Exchange, Namespace, Queue } from "../../../broker/api.ts";
import { Pattern } from "../../../base/pattern.ts";
import { exchangeDeclaration, isDeclaredHere, queueDeclaration, setEffectiveArguments } from "./declaration.ts";
import type { Events } from "./events.ts";
import {
  checkFields,
  isNumber,
  isObject,
  isPattern,
  type FieldRule,
  type JsonObject,
  type ParameterCheck,
} from "./parameter-checks.ts";
import type { Parameter, Parameters } from "./parameters.ts";
import { checkDefinition } from "./policy-keys.ts";
import {
  effectiveArguments,
  effectiveExchangeSettings,
  effectiveQueueSettings,
  mergeDefinitions,
  suitsQueueType,
} from "./policy-merge.ts";
import type { Vhosts } from "./vhosts.ts";
import { configureWorkQueue, forgetWorkQueue, isTopic, restoreWorkQueue } from "./work-queue.ts";

/** Named as the components of the parameters that they are kept in. */
export type PolicyKind = "policy" | "operator_policy";

export interface Policy {
  readonly vhost: string;
  readonly name: string;
  readonly pattern: string;
  readonly applyTo: string;
  readonly definition: JsonObject;
  readonly priority: number;
}

/** What is asked to be a policy, unchecked. */
export interface PolicyDraft {
  readonly pattern: unknown;
  readonly definition: unknown;
  /** 0 unless given. */
  readonly priority?: unknown;
  /** `all` unless given. */
  readonly applyTo?: unknown;
}

interface Compiled {
  readonly policy: Policy;
  readonly pattern: Pattern;
}

/** Highest priority first. */
type Ranked = Readonly<Record<PolicyKind, readonly Compiled[]>> & { readonly isEmpty: boolean };

interface Applied {
  readonly policy: Policy | undefined;
  readonly operators: Policy | undefined;
  readonly definition: JsonObject | undefined;
}

const policyKinds: readonly PolicyKind[] = ["policy", "operator_policy"];
const nothing: Applied = { policy: undefined, operators: undefined, definition: undefined };
const none: Ranked = { policy: [], operator_policy: [], isEmpty: true };

/** Objects in a slice: about 5 ms, when all of them change. */
const sliceObjects = 250;
const sliceMs = 10;

/** A topic of another protocol is read as the one, and consumed as the other. */
const topicTypes = ["stream", "quorum"] as const;

const typeByApplyTo: Readonly<Record<string, string>> = {
  classic_queues: "classic",
  quorum_queues: "quorum",
  streams: "stream",
};

export class Policies {
  readonly #broker: Broker;
  readonly #vhosts: Vhosts;
  readonly #parameters: Parameters;
  readonly #events: Events;
  readonly #rankedByVhost = new Map<string, Ranked>();
  readonly #applied = new WeakMap<Queue | Exchange, Applied>();
  /** What is still to be looked at, and where it is. */
  readonly #pending = new Map<Queue | Exchange, Namespace>();
  #isScheduled = false;
  #batchDepth = 0;

  constructor(broker: Broker, vhosts: Vhosts, parameters: Parameters, events: Events) {
    this.#broker = broker;
    this.#vhosts = vhosts;
    this.#parameters = parameters;
    this.#events = events;
    for (const kind of policyKinds) {
      parameters.register(kind, {
        validate: (_vhost, name, value) => checkFields(name, rulesOf(kind), value),
        changed: (vhost, name, value) => this.#changed(kind, vhost, name, value),
      });
    }
    for (const { name, namespace } of vhosts.all()) {
      this.#rank(name);
      this.#watch(namespace);
      for (const exchange of namespace.exchanges()) this.#applyToExchange(namespace, exchange, true);
      for (const queue of namespace.queues()) this.#applyToQueue(queue, true);
    }
    vhosts.observe({
      vhostCreated: ({ namespace }) => this.#watch(namespace),
      vhostDeleting: ({ name }) => void this.#rankedByVhost.delete(name),
    });
  }

  /** @returns why it is refused; undefined: it is set. The virtual host must exist. */
  set(kind: PolicyKind, vhost: string, name: string, draft: PolicyDraft): string | undefined {
    return this.#parameters.setAny(vhost, kind, name, keptForm(draft));
  }

  /** Why it could not be set; undefined: it could. */
  check(kind: PolicyKind, vhost: string, name: string, draft: PolicyDraft): string | undefined {
    return this.#parameters.check(vhost, kind, name, keptForm(draft));
  }

  /** @returns whether there was one. */
  clear(kind: PolicyKind, vhost: string, name: string): boolean {
    return this.#parameters.clear(vhost, kind, name);
  }

  find(kind: PolicyKind, vhost: string, name: string): Policy | undefined {
    const parameter = this.#parameters.find(vhost, kind, name);
    return parameter && policyOf(parameter);
  }

  /** Of one virtual host, or of all. */
  *all(kind: PolicyKind, vhost?: string): Iterable<Policy> {
    for (const parameter of this.#parameters.of(kind, vhost)) yield policyOf(parameter);
  }

  policyOf(object: Queue | Exchange): Policy | undefined {
    return this.#applied.get(object)?.policy;
  }

  operatorPolicyOf(object: Queue | Exchange): Policy | undefined {
    return this.#applied.get(object)?.operators;
  }

  /** What both together say of it; undefined: there is neither. */
  effectiveDefinition(object: Queue | Exchange): JsonObject | undefined {
    return this.#applied.get(object)?.definition;
  }

  /** Policies that `run` sets are looked at together, after it. */
  batch<T>(run: () => T): T {
    this.#batchDepth++;
    try {
      return run();
    } finally {
      this.#batchDepth--;
      if (this.#batchDepth === 0) this.#slice();
    }
  }

  /** Whether every object has what policies say of it by now. */
  get isSettled(): boolean {
    return this.#pending.size === 0;
  }

  #watch(namespace: Namespace): void {
    const ignore = (): void => undefined;
    namespace.observe({
      queueCreated: (queue) => {
        // Most virtual hosts have none, and queues of a moment are many.
        if (this.#rankedByVhost.get(namespace.name)?.isEmpty === false) this.#applyToQueue(queue, false);
      },
      exchangeCreated: (exchange) => this.#applyToExchange(namespace, exchange, false),
      queueDeleted: (queue) => {
        this.#pending.delete(queue);
        if (isTopic(queue)) forgetWorkQueue(this.#broker, queue);
      },
      exchangeDeleted: (exchange) => void this.#pending.delete(exchange),
      bindingCreated: ignore,
      bindingDeleted: ignore,
    });
  }

  #changed(kind: PolicyKind, vhost: string, name: string, value: unknown): void {
    const prefix = kind === "policy" ? "policy" : "operator.policy";
    if (value === undefined) this.#events.emit(`${prefix}.cleared`, { name, vhost });
    else this.#events.emit("policy.set", { name, vhost, ...(value as JsonObject) });
    const namespace = this.#vhosts.find(vhost)?.namespace;
    // One that is being deleted has been forgotten: nothing in it is changed any more.
    if (namespace === undefined || (value === undefined && !this.#rankedByVhost.has(vhost))) return;
    this.#rank(vhost);
    for (const exchange of namespace.exchanges()) this.#pending.set(exchange, namespace);
    for (const queue of namespace.queues()) this.#pending.set(queue, namespace);
    if (this.#batchDepth === 0 && !this.#isScheduled) this.#slice();
  }

  #rank(vhost: string): void {
    const policy = this.#compiled("policy", vhost);
    const operators = this.#compiled("operator_policy", vhost);
    const isEmpty = policy.length + operators.length === 0;
    const ranked = { policy, operator_policy: operators, isEmpty };
    this.#rankedByVhost.set(vhost, ranked);
  }

  #compiled(kind: PolicyKind, vhost: string): readonly Compiled[] {
    const compiled: Compiled[] = [];
    for (const policy of this.all(kind, vhost)) {
      const pattern = Pattern.read(policy.pattern);
      // One that was kept by a version that could read more than this one matches nothing.
      if (pattern instanceof Pattern) compiled.push({ policy, pattern });
    }
    return compiled.sort(({ policy: a }, { policy: b }) => b.priority - a.priority || (a.name < b.name ? -1 : 1));
  }

  #slice(): void {
    this.#isScheduled = false;
    const endMs = this.#broker.clock.now() + sliceMs;
    let left = sliceObjects;
    for (const [object, namespace] of this.#pending) {
      if (left-- === 0 || this.#broker.clock.now() > endMs) return this.#schedule();
      this.#pending.delete(object);
      const queue = namespace.queue(object.name);
      if (queue === object) this.#applyToQueue(queue, false);
      else this.#applyToExchange(namespace, object as Exchange, false);
    }
  }

  #schedule(): void {
    this.#isScheduled = true;
    this.#broker.clock.defer(() => this.#slice());
  }

  #applyToQueue(queue: Queue, isAtStart: boolean): void {
    if (queue.isDeleted) return;
    if (isTopic(queue)) return this.#applyToTopic(queue, isAtStart);
    if (!isDeclaredHere(queue)) return;
    const declaration = queueDeclaration(queue);
    const ranked = this.#rankedByVhost.get(queue.namespace.name) ?? none;
    const matches = ({ policy, pattern }: Compiled): boolean =>
      appliesToQueues(policy.applyTo, declaration.type) &&
      suitsQueueType(policy.definition, declaration.type) &&
      pattern.matches(queue.name);
    const applied = this.#note(queue, ranked, matches);
    if (applied === undefined && !isAtStart) return;
    const definition = applied?.definition;
    const args = effectiveArguments(declaration, definition);
    setEffectiveArguments(queue, definition && args);
    queue.configure(effectiveQueueSettings(queue.settings, declaration, args));
    if (isAtStart) return;
    const shown = { name: queue.name, vhost: queue.namespace.name, type: `rabbit_${declaration.type}_queue` };
    this.#events.emit(definition === undefined ? "queue.policy.cleared" : "queue.policy.updated", shown);
  }

  /** What another protocol made: of its work queue alone, which is one of the type quorum. */
  #applyToTopic(topic: Queue, isAtStart: boolean): void {
    if (isAtStart) restoreWorkQueue(this.#broker, topic);
    const ranked = this.#rankedByVhost.get(topic.namespace.name) ?? none;
    const matches = ({ policy, pattern }: Compiled): boolean =>
      topicTypes.some((type) => appliesToQueues(policy.applyTo, type) && suitsQueueType(policy.definition, type)) &&
      pattern.matches(topic.name);
    const applied = this.#note(topic, ranked, matches);
    if (applied === undefined && !isAtStart) return;
    const declaration = { ...queueDeclaration(topic), type: "quorum" as const };
    const args = effectiveArguments(declaration, applied?.definition);
    setEffectiveArguments(topic, applied?.definition && args);
    configureWorkQueue(topic, args);
  }

  #applyToExchange(namespace: Namespace, exchange: Exchange, isAtStart: boolean): void {
    if (namespace.exchange(exchange.name) !== exchange || !isDeclaredHere(exchange)) return;
    const ranked = this.#rankedByVhost.get(namespace.name) ?? none;
    const matches = ({ policy, pattern }: Compiled): boolean =>
      (policy.applyTo === "all" || policy.applyTo === "exchanges") && pattern.matches(exchange.name);
    const applied = this.#note(exchange, ranked, matches);
    // The default exchange routes to the queue of that name or nowhere, whatever is said of it.
    if ((applied === undefined && !isAtStart) || exchange.name === "") return;
    const declaration = exchangeDeclaration(exchange);
    const settings = effectiveExchangeSettings(exchange.settings, declaration, applied?.definition);
    namespace.configureExchange(exchange.name, settings);
  }

  /** Finds and notes what applies to the object; undefined: what did before. */
  #note(object: Queue | Exchange, ranked: Ranked, matches: (compiled: Compiled) => boolean): Applied | undefined {
    const before = this.#applied.get(object) ?? nothing;
    const policy = ranked.policy.find(matches)?.policy;
    const operators = ranked.operator_policy.find(matches)?.policy;
    if (isSame(policy, before.policy) && isSame(operators, before.operators)) return undefined;
    const definition = mergeDefinitions(policy?.definition, operators?.definition);
    const applied = { policy, operators, definition };
    this.#applied.set(object, applied);
    return applied;
  }
}

/** A policy is made anew at each change of any; what counts is what it says. */
function isSame(a: Policy | undefined, b: Policy | undefined): boolean {
  return a === b || (a?.name === b?.name && a?.definition === b?.definition && a?.priority === b?.priority);
}

function appliesToQueues(applyTo: string, type: string): boolean {
  return applyTo === "all" || applyTo === "queues" || typeByApplyTo[applyTo] === type;
}

function keptForm({ pattern, definition, priority, applyTo }: PolicyDraft): JsonObject {
  return { pattern, definition, priority: priority ?? 0, "apply-to": applyTo ?? "all" };
}

function policyOf({ vhost, name, value }: Parameter): Policy {
  const kept = isObject(value) ? value : {};
  return {
    vhost,
    name,
    pattern: kept["pattern"] as string,
    applyTo: (kept["apply-to"] ?? "all") as string,
    definition: kept["definition"] as JsonObject,
    priority: Number(kept["priority"]),
  };
}

const isApplyTo: ParameterCheck = (_name, value) => {
  const known = value === "all" || value === "queues" || value === "exchanges";
  if (known || (typeof value === "string" && Object.hasOwn(typeByApplyTo, value))) return undefined;
  return `apply-to '${String(value)}' unrecognised; should be 'queues', 'exchanges' or 'all'`;
};

function rulesOf(kind: PolicyKind): readonly FieldRule[] {
  return [
    { name: "priority", check: isNumber, isMandatory: true },
    { name: "pattern", check: isPattern, isMandatory: true },
    { name: "apply-to", check: isApplyTo },
    {
      name: "definition",
      check: (_name, value) => checkDefinition(value, kind === "operator_policy"),
      isMandatory: true,
    },
  ];
}
