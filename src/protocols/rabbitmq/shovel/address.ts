/**
 * Addresses of brokers as RabbitMQ's client reads them: `amqp://user:password@host:port/vhost?heartbeat=5`, `amqps://...`
 * with certificates in the query. Without a host it is this broker itself: `amqp://` and `amqp:///vhost`.
 */

import type { DialTls } from "../../../server/dial.ts";
import { shortStringBytesMax } from "../model/errors.ts";
import { unreadable } from "../model/shown-uri.ts";
import type { ClientLogin } from "./client.ts";

export interface RemoteBroker {
  readonly host: string;
  readonly port: number;
  readonly tls: DialTls | undefined;
  readonly timeoutMs: number;
}

export interface BrokerAddress {
  /** Undefined: this broker. */
  readonly remote: RemoteBroker | undefined;
  readonly vhost: string;
  readonly mechanism: ClientLogin["mechanism"];
  /** Undefined: guest at another broker; at this one, nobody in particular. */
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly heartbeatSeconds: number;
  readonly channelMax: number;
  readonly frameMaxBytes: number;
}

const connectionTimeoutMs = 60_000;
const numbers = new Set(["channel_max", "frame_max", "heartbeat", "connection_timeout", "depth"]);
const tlsKeys = new Set([
  "cacertfile",
  "certfile",
  "keyfile",
  "password",
  "verify",
  "fail_if_no_peer_cert",
  "server_name_indication",
]);

/** Why a text is no address, in the words of RabbitMQ's parser. */
export class AddressFault extends Error {
  readonly reason: string;

  constructor(reason: string) {
    super(reason);
    this.reason = reason;
  }
}

export function parseAddress(text: string): BrokerAddress | AddressFault {
  const match = /^([a-z][a-z0-9+.-]*):(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?$/is.exec(text);
  if (match === null) return new AddressFault("{unable_to_parse_uri,no_scheme}");
  const [, scheme = "", authority = "", path = "", query = ""] = match;
  const isTls = scheme.toLowerCase() === "amqps";
  if (!isTls && scheme.toLowerCase() !== "amqp") {
    return new AddressFault(`{unexpected_uri_scheme,"${scheme.toLowerCase()}"}`);
  }
  const login = authority.slice(0, Math.max(0, authority.lastIndexOf("@")));
  const place = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(authority.slice(authority.lastIndexOf("@") + 1));
  if (place === null) return new AddressFault("{unable_to_parse_uri,invalid_host}");
  try {
    return parts(isTls, login, place[1]!.replace(/^\[|\]$/g, ""), place[2] ?? "", path, readQuery(query));
  } catch (error) {
    if (error instanceof AddressFault) return error;
    if (error instanceof URIError) return new AddressFault(`{unterminated_entity,"${unreadable(text)}"}`);
    throw error;
  }
}

function parts(
  isTls: boolean,
  login: string,
  host: string,
  port: string,
  path: string,
  query: ReadonlyMap<string, string>,
): BrokerAddress | AddressFault {
  if (port !== "" && host === "") return new AddressFault("port_requires_host");
  if (port !== "" && (Number(port) === 0 || Number(port) > 65_535)) {
    return new AddressFault(`{port_out_of_range,${Number(port)}}`);
  }
  if (isTls && host === "") return new AddressFault("amqps_requires_host");
  if (path.slice(1).includes("/")) return new AddressFault(`{invalid_vhost,"${path.slice(1)}"}`);
  const vhost = path === "" ? "/" : decodeURIComponent(path.slice(1));
  if (Buffer.byteLength(vhost) > shortStringBytesMax) return new AddressFault("vhost_too_long");
  for (const [key, value] of query) checkParameter(key, value, isTls);
  const colon = login.indexOf(":");
  const [user, password] = colon < 0 ? [login, undefined] : [login.slice(0, colon), login.slice(colon + 1)];
  const mechanism = (query.get("auth_mechanism") ?? "plain").toLowerCase();
  if (mechanism !== "plain" && mechanism !== "amqplain" && mechanism !== "external") {
    return new AddressFault(`{unknown_mechanism,"${mechanism}"}`);
  }
  const number = (key: string, standard: number): number => Number(query.get(key) ?? standard);
  return {
    remote:
      host === ""
        ? undefined
        : {
            host: decodeURIComponent(host),
            port: port === "" ? (isTls ? 5671 : 5672) : Number(port),
            tls: isTls ? tlsOf(query) : undefined,
            timeoutMs: number("connection_timeout", connectionTimeoutMs),
          },
    vhost,
    mechanism: mechanism.toUpperCase() as ClientLogin["mechanism"],
    user: login === "" ? undefined : decodeURIComponent(user),
    password: password === undefined ? undefined : decodeURIComponent(password),
    heartbeatSeconds: number("heartbeat", 10),
    channelMax: number("channel_max", 2047),
    frameMaxBytes: number("frame_max", 131_072),
  };
}

function readQuery(query: string): Map<string, string> {
  const byKey = new Map<string, string>();
  for (const pair of query.split("&")) {
    const at = pair.indexOf("=");
    // As in RabbitMQ, a key without a value says nothing.
    if (at > 0) byKey.set(pair.slice(0, at), decodeURIComponent(pair.slice(at + 1)));
  }
  return byKey;
}

function checkParameter(key: string, value: string, isTls: boolean): void {
  if (numbers.has(key) && !/^\d{1,9}$/.test(value)) {
    throw new AddressFault(`{invalid_amqp_params_parameter,${key},"${value}",{not_an_integer,"${value}"}}`);
  }
  if (!isTls || !tlsKeys.has(key)) return;
  if (key === "verify" && value !== "verify_peer" && value !== "verify_none") {
    throw new AddressFault(`{invalid_ssl_parameter,verify,"${value}",{invalid_atom_parameter,"${value}"}}`);
  }
  if (key === "fail_if_no_peer_cert" && value !== "true" && value !== "false") {
    throw new AddressFault(`{invalid_ssl_parameter,fail_if_no_peer_cert,"${value}",{require_boolean,"${value}"}}`);
  }
}

function tlsOf(query: ReadonlyMap<string, string>): DialTls {
  const serverName = query.get("server_name_indication");
  return {
    caFile: query.get("cacertfile"),
    certificateFile: query.get("certfile"),
    keyFile: query.get("keyfile"),
    keyPassword: query.get("password"),
    verify: query.get("verify") !== "verify_none",
    serverName: serverName === "disable" ? undefined : serverName,
  };
}
