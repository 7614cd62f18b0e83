/** What this broker calls itself as a cluster of one. */

import type { Parameters } from "./parameters.ts";

const parameterName = "cluster_name";

/** As it was set; the node's name until then. */
export function clusterName(parameters: Parameters, nodeName: string): string {
  const set = parameters.global(parameterName);
  return typeof set === "string" ? set : nodeName;
}

/** @returns why it is refused; undefined: it is set. */
export function setClusterName(parameters: Parameters, name: unknown): string | undefined {
  if (typeof name !== "string") return "name must be a string";
  parameters.setGlobal(parameterName, name);
  return undefined;
}
