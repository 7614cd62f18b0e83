/**
 * Changes of the broker's configs, for one node or, where no node is named, for all. They are judged as Kafka judges them and
 * count at once, for topics that are there, too. Which of them there are is told in dynamic-configs.ts.
 */

import type { Call } from "../command.ts";
import { nodesFor } from "../nodes.ts";
import { mayAlterCluster } from "../security/access.ts";
import { checkDynamicConfigs, dynamicConfigByName, hasEffect } from "./dynamic-configs.ts";
import { done, TopicRefusal, type Outcome } from "./refusal.ts";
import { lengthOf, textLengthMax, type ConfigTexts } from "./topic-configs.ts";

/** Configs to which something can be appended. */
export interface Lists {
  /** Undefined: it is no list. */
  readonly defaultOf: (name: string) => string | undefined;
  /** What is said of one that is none. */
  readonly refusal: (name: string, operation: "append" | "subtract") => string;
}

/** What is asked for, made of what is there. */
export type Apply = (before: ConfigTexts, lists: Lists) => ConfigTexts | TopicRefusal;

const brokerLists: Lists = {
  defaultOf: (name) => {
    const config = dynamicConfigByName.get(name);
    return config?.type === "LIST" ? (config.default ?? "") : undefined;
  },
  refusal: (name, operation) => `Config value ${operation} is not allowed for config key: ${name}`,
};

export function changeBrokerConfigs(call: Call, name: string, validateOnly: boolean, apply: Apply): Outcome {
  const refusal = judgeName(call, name);
  if (refusal !== undefined) return refusal.outcome;
  const { brokerDefaults, topics } = call.server;
  const level = name === "" ? "cluster" : "node";
  const before = brokerDefaults.at(level);
  const after = apply(before, brokerLists);
  if (after instanceof TopicRefusal) return after.outcome;
  const fault = checkDynamicConfigs(after, level === "node");
  if (fault !== undefined) return new TopicRefusal("INVALID_REQUEST", fault.text).outcome;
  const changed = [...after].filter(([each, text]) => before.get(each) !== text).map(([each]) => each);
  if (level === "node" && changed.includes("min.insync.replicas")) {
    // Kafka counts eligible leaders since 4.1, and asks for one number everywhere.
    const why = "Broker-level min.insync.replicas cannot be altered while ELR is enabled.";
    return new TopicRefusal("INVALID_CONFIG", why).outcome;
  }
  if (lengthOf(after) > textLengthMax)
    return new TopicRefusal("INVALID_REQUEST", `Configs of the broker have ${textLengthMax} characters at most.`)
      .outcome;
  if (validateOnly) return done;
  topics.setDefaults(level, after);
  logIdle(call, level, changed);
  return done;
}

function judgeName(call: Call, name: string): TopicRefusal | undefined {
  if (!mayAlterCluster(call)) return new TopicRefusal("CLUSTER_AUTHORIZATION_FAILED");
  if (name === "") return undefined;
  if (!/^[+-]?\d+$/.test(name))
    return new TopicRefusal("INVALID_REQUEST", `Node id must be an integer, but it is: ${name}`);
  const nodes = nodesFor(call.server, call.connection.address);
  if (nodes.some(({ id }) => id === Number(name))) return undefined;
  const why = `Unexpected broker id, expected ${nodes[0]!.id}, but received ${name}`;
  return new TopicRefusal("INVALID_REQUEST", why);
}

/** Nobody is to believe that what was taken does something. */
function logIdle(call: Call, level: string, names: readonly string[]): void {
  const idle = names.filter((name) => {
    const config = dynamicConfigByName.get(name);
    return config === undefined || !hasEffect(config);
  });
  if (idle.length === 0) return;
  call.server.log.warn("broker configs were set that have no effect here", {
    configs: idle.join(", "),
    of: level,
    user: call.identity.name,
  });
}
