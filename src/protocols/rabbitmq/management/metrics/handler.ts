/** Answers scrapers. Nobody has to log in, as with RabbitMQ's plug-in: put the port where only scrapers reach it. */

import { serveHttp, type HttpAnswer, type HttpRequest } from "../../../../server/http/http-handler.ts";
import type { HttpHandler } from "../../../../server/http-listener.ts";
import type { Pace } from "../../../../server/http/pace.ts";
import type { Stats } from "../stats/stats.ts";
import { detailedPage, memoryPage, perObjectPage, totalsPage } from "./pages.ts";

const textHeaders = { "content-type": "text/plain; version=0.0.4; charset=utf-8", "cache-control": "no-store" };

export function createMetrics(stats: Stats, pace: Pace): HttpHandler {
  const { clock, logger } = stats.server;
  return serveHttp((request) => answerMetrics(request, stats), { clock, logger, pace });
}

export function answerMetrics({ method, path, query }: HttpRequest, stats: Stats): HttpAnswer {
  if (method !== "GET" && method !== "HEAD") {
    return { status: 405, headers: { allow: "GET, HEAD", "content-type": "text/plain" }, body: "Use GET.\n" };
  }
  const body = pageOf(path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path, query, stats);
  if (body === undefined) {
    return { status: 404, headers: { "content-type": "text/plain" }, body: "Unknown Registry" };
  }
  return { status: 200, headers: textHeaders, body };
}

function pageOf(path: string, query: URLSearchParams, stats: Stats): Iterable<string> | undefined {
  switch (path) {
    case "/metrics":
    case "/metrics/default":
      return totalsPage(stats);
    case "/metrics/per-object":
      return perObjectPage(stats);
    case "/metrics/detailed": {
      const vhosts = query.getAll("vhost").filter((name) => stats.server.vhosts.find(name) !== undefined);
      return detailedPage(stats, new Set(query.getAll("family")), query.has("vhost") ? new Set(vhosts) : undefined);
    }
    case "/metrics/memory-breakdown":
      return memoryPage(stats);
    default:
      return undefined;
  }
}
