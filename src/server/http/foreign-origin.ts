/**
 * Keeps pages of other sites from acting through a browser that is logged in here. A browser says with each request that
 * changes something where the page came from that made it; programs say nothing. So a request with an Origin that is not ours,
 * or that the browser calls cross-site, is refused, and everything else passes: no token, and no rule about content types,
 * which tools would break.
 *
 * Sites that are allowed by name (CORS) pass, and are told so in the answer's headers.
 */

import type { HttpRequest } from "./http-handler.ts";

const safeMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

export class ForeignOrigins {
  readonly #allowed: ReadonlySet<string>;

  /** @param allowed as browsers write them, `https://ops.example.com`; `*` for all. */
  constructor(allowed: readonly string[]) {
    this.#allowed = new Set(allowed);
  }

  /** Whether the request would change something and comes from a page that may not. */
  refuses(request: HttpRequest): boolean {
    if (safeMethods.has(request.method)) return false;
    const origin = request.header("origin");
    if (origin !== undefined && this.#isAllowed(origin)) return false;
    const site = request.header("sec-fetch-site");
    if (site !== undefined && site !== "same-origin" && site !== "none") return true;
    return origin !== undefined && !isOwn(origin, request);
  }

  /** What lets the page of an allowed site read the answer. */
  headers(request: HttpRequest, methods: string): Readonly<Record<string, string>> {
    const origin = request.header("origin");
    if (origin === undefined || !this.#isAllowed(origin)) return {};
    const headers: Record<string, string> = {
      "access-control-allow-origin": origin,
      "access-control-allow-credentials": "true",
      "access-control-expose-headers": "location",
      vary: "origin",
    };
    if (request.method === "OPTIONS") {
      headers["access-control-allow-methods"] = methods;
      headers["access-control-allow-headers"] = request.header("access-control-request-headers") ?? "";
      headers["access-control-max-age"] = "1800";
    }
    return headers;
  }

  #isAllowed(origin: string): boolean {
    return this.#allowed.has(origin) || this.#allowed.has("*");
  }
}

/** Host and port are those that the request was sent to. The scheme may differ: a proxy may speak TLS for us. */
function isOwn(origin: string, request: HttpRequest): boolean {
  const at = origin.indexOf("://");
  return at > 0 && origin.slice(at + 3).toLowerCase() === request.header("host")?.toLowerCase();
}
