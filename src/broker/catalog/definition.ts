/**
 * Definitions as the journal and checkpoints hold them: JSON, one change each. Only what is durable is ever written.
 * Header values that JSON lacks are tagged objects: {"$n": "bigint"}, {"$t": ms}, {"$b": "base64"}, {"$o": {...}}.
 */
import type { ExchangeSettings, QueueSettings, SubscriptionSettings } from "../api.ts";
import type { Headers, HeaderValue } from "../router/values.ts";

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

export interface BindingDefinition {
  readonly ns: string;
  readonly source: string;
  readonly queue?: string;
  readonly exchange?: string;
  readonly key: string;
  readonly args: Json;
}

export type Definition =
  | { readonly op: "namespace"; readonly name: string }
  | { readonly op: "namespace-deleted"; readonly name: string }
  | {
      readonly op: "queue";
      readonly ns: string;
      readonly name: string;
      readonly id: number;
      readonly settings: QueueSettings;
      readonly declaration: unknown;
      readonly hidden?: boolean;
      /** Of a further partition: the queue that it belongs to, and its place. */
      readonly topic?: number;
      readonly index?: number;
    }
  | { readonly op: "queue-deleted"; readonly id: number }
  | {
      readonly op: "subscription";
      readonly queue: number;
      readonly id: number;
      readonly name: string;
      readonly settings: SubscriptionSettings;
      readonly start: number;
    }
  | {
      readonly op: "subscription-settings";
      readonly queue: number;
      readonly name: string;
      readonly settings: SubscriptionSettings;
    }
  | { readonly op: "subscription-deleted"; readonly queue: number; readonly name: string }
  | { readonly op: "settings"; readonly id: number; readonly settings: QueueSettings }
  | {
      readonly op: "exchange";
      readonly ns: string;
      readonly name: string;
      readonly id: number;
      readonly settings: ExchangeSettings;
      readonly declaration: unknown;
    }
  | {
      readonly op: "exchange-settings";
      readonly ns: string;
      readonly name: string;
      readonly settings: ExchangeSettings;
    }
  | { readonly op: "exchange-deleted"; readonly ns: string; readonly name: string }
  | ({ readonly op: "bind" } & BindingDefinition)
  | ({ readonly op: "unbind" } & BindingDefinition)
  | { readonly op: "put"; readonly kind: string; readonly name: string; readonly value: unknown }
  | { readonly op: "remove"; readonly kind: string; readonly name: string };

export function headersToJson(headers: Headers): Json {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, toJson(value)]));
}

export function headersFromJson(json: Json): Headers {
  return Object.fromEntries(
    Object.entries(json as { [key: string]: Json }).map(([name, value]) => [name, fromJson(value)]),
  );
}

function toJson(value: HeaderValue): Json {
  if (typeof value === "bigint") return { $n: value.toString() };
  if (typeof value === "number" && !Number.isFinite(value)) return { $f: String(value) };
  if (value === null || typeof value !== "object") return value;
  if (value instanceof Date) return { $t: value.getTime() };
  if (value instanceof Uint8Array) return { $b: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(toJson);
  return { $o: headersToJson(value) };
}

function fromJson(json: Json): HeaderValue {
  if (json === null || typeof json !== "object") return json;
  if (Array.isArray(json)) return json.map(fromJson);
  if ("$n" in json) return BigInt(json["$n"] as string);
  if ("$f" in json) return Number(json["$f"]);
  if ("$t" in json) return new Date(json["$t"] as number);
  if ("$b" in json) return new Uint8Array(Buffer.from(json["$b"] as string, "base64"));
  return headersFromJson(json["$o"]!);
}
