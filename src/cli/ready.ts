/**
 * `entrepot ready`: whether a broker takes messages, without a login. It is what a container's health check and a script that
 * has just started a broker ask; `status` says more, to those who may know it.
 */

import { parseDuration, type Clock } from "../base/clock.ts";
import { ApiError, type Api } from "./api-client.ts";
import { done, type ApiCall, type ApiCommand, type Shown } from "./api-command.ts";
import { UsageError } from "./usage-error.ts";

export interface Readiness {
  readonly status: string;
  readonly reasons?: readonly string[];
}

const lookEveryMs = 100;

/** @throws ApiError if nothing answers, or something that is no broker. */
export async function readiness(api: Api): Promise<Readiness> {
  const response = await api.open("/health/ready");
  let text = "";
  for await (const chunk of response) text += String(chunk);
  try {
    return JSON.parse(text) as Readiness;
  } catch {
    throw new ApiError(`${api.url} answers, and is no Entrepot: /health/ready says ${text.slice(0, 80)}`, 1);
  }
}

export function readinessText({ status, reasons = [] }: Readiness): string {
  return status === "ok" ? "ready" : `not ready: ${reasons.join(", ")}`;
}

async function ready({ api, clock, flags }: ApiCall): Promise<Shown> {
  const untilMs = clock.elapsedMs() + waitMs(flags["wait"]);
  for (;;) {
    const isLastLook = clock.elapsedMs() >= untilMs;
    try {
      const found = await readiness(api);
      if (found.status === "ok") return done("ready", found);
      if (isLastLook) return { json: found, text: `${readinessText(found)}\n`, isFailure: true };
    } catch (error) {
      // Nobody there yet is what is waited for; whoever else answers will not become a broker.
      if (isLastLook || !(error instanceof ApiError && error.status === 0)) throw error;
    }
    await pause(clock);
  }
}

function waitMs(flag: string | boolean | undefined): number {
  if (typeof flag !== "string") return 0;
  const ms = parseDuration(flag);
  if (ms === undefined) throw new UsageError(`--wait is ${flag}, which is no time such as 30s or 2m`);
  return ms;
}

function pause(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.setDelay(lookEveryMs, resolve));
}

export const readyCommands: readonly ApiCommand[] = [
  {
    name: "ready",
    about: "Whether a broker takes messages: status 0 if so, 1 if not, 69 if none answers. Needs no login.",
    flags: { "--wait <TIME>": "look again for so long, such as 30s, until it does" },
    run: ready,
  },
];
