/**
 * Whether a broker lives and whether it can be used, for those who start brokers and send them traffic.
 *
 *     GET /health/live    200 as long as the process does its work; 503 when it cannot go on and should be replaced
 *     GET /health/ready   200 when it takes messages; 503 with the reasons when it does not
 *
 * The body is `{"status":"ok"}` or `{"status":"unavailable","reasons":["memory"]}`. Nobody has to log in: it tells nothing
 * that a connection would not.
 */

import type { IncomingMessage, ServerResponse } from "node:http";

/** `memory` and `disk`: producers are blocked, consumers go on. `failed`: the broker cannot go on. */
export type UnreadyReason = "starting" | "stopping" | "memory" | "disk" | "failed";

export interface HealthState {
  /** Empty when the broker is ready. */
  reasons(): readonly UnreadyReason[];
}

/** Answers a request for health; false if it asks for something else, and is not touched then. */
export function answerHealth(request: IncomingMessage, response: ServerResponse, state: HealthState): boolean {
  const path = /^[^?]*/.exec(request.url ?? "")![0];
  if (path !== "/health/live" && path !== "/health/ready") return false;
  if (request.method !== "GET" && request.method !== "HEAD") {
    answerJson(request, response, 405, { error: "method_not_allowed", reason: "use GET" }, { allow: "GET, HEAD" });
    return true;
  }
  const all = state.reasons();
  const reasons = path === "/health/live" ? all.filter((each) => each === "failed") : all;
  if (reasons.length === 0) answerJson(request, response, 200, { status: "ok" });
  else answerJson(request, response, 503, { status: "unavailable", reasons });
  return true;
}

/** Whoever asks for anything else while there is nothing behind the port. */
export function answerUnavailable(request: IncomingMessage, response: ServerResponse, state: HealthState): void {
  const reason = `the broker is ${state.reasons().join(", ") || "not there"}`;
  answerJson(request, response, 503, { error: "service_unavailable", reason }, { "retry-after": "1" });
}

export function answerJson(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  const body = JSON.stringify(value);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    ...headers,
  });
  response.end(request.method === "HEAD" ? undefined : body);
}
