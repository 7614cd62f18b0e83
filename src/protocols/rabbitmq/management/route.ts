/**
 * A line of the API: method, path, who may ask, and what answers. The tables of lines in `routes.ts` are the API's
 * description: the dispatcher finds its way by them, `GET /api/entrepot/routes` shows them, and the fuzz test reads them.
 *
 * A handler gets plain data and answers plain data. It never sees a socket, a header line or a half-read body; by the time it
 * runs, the caller is known and allowed, names are decoded, and the body is a JSON object. What it changes is durable before
 * its answer goes out.
 */

import type { Identity } from "../../../auth/identity.ts";
import type { HttpPeer } from "../../../server/http/http-handler.ts";
import type { RabbitServer } from "../model/server.ts";
import type { Vhost } from "../model/vhosts.ts";
import type { Reply } from "./reply.ts";

/**
 * Who may ask. `anyone` needs no login; all else needs a user with a tag that lets into the management at all, and:
 * - `management`: no more than that; the answer holds only what the user may see
 * - `monitoring`, `administrator`: that tag
 * - `vhost`: permissions in the virtual host that is named, or the administrator's tag
 * - `vhost-visible`: as `vhost`, or the tag `monitoring`
 * - `policies`: as `vhost`, and the tag `policymaker`
 * - `policymaker`: that tag, or the administrator's
 */
export type Access =
  | "anyone"
  | "management"
  | "monitoring"
  | "administrator"
  | "vhost"
  | "vhost-visible"
  | "policies"
  | "policymaker";

export type JsonObject = Readonly<Record<string, unknown>>;

/** One request. */
export interface Call {
  readonly server: RabbitServer;
  readonly identity: Identity;
  readonly peer: HttpPeer;
  /** That of the route, or HEAD for GET. */
  readonly method: string;
  readonly path: string;
  /** Names of the path, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Empty where there is none. */
  readonly body: JsonObject;
  /** The body of routes that take other things than a JSON object; empty otherwise. */
  readonly raw: Buffer;
  /** That the path names, or the header X-Vhost where the path has none. Missing: it names one that does not exist. */
  readonly vhost: Vhost | "missing" | undefined;
  header(name: string): string | undefined;
}

export interface Route {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** Below /api. */
  readonly path: string;
  readonly access: Access;
  /** A sentence for who reads the table. */
  readonly about: string;
  /** Of a request's body; the default is a megabyte. */
  readonly bodyBytesMax?: number;
  /** The body is handed over as bytes. */
  readonly takesRaw?: boolean;
  handle(call: Call): Reply | Promise<Reply>;
}

/** A call whose path names a virtual host that exists. */
export type VhostCall = Call & { readonly vhost: Vhost };
