/**
 * What scopes permit:
 *
 *     (configure|write|read):<virtual host>/<name>[/<routing key>]
 *     tag:<tag>
 *
 * Each part is a wildcard pattern. `{vhost}` stands for the virtual host that is asked about, `{claim}` for a text of the token; what is
 * put there counts letter by letter, so that nobody named `*` is everybody. Where a topic exchange is asked about with a
 * routing key, only scopes with a routing key count.
 *
 * Scopes that do not read as one of these mean something to somebody else, and are passed over.
 */

import type { Access, TopicAccess } from "../identity.ts";
import { encodeLiteral, Wildcard } from "./wildcard.ts";

/** Of one token; more than that is refused, as by RabbitMQ. */
export const scopesMax = 2048;

interface Grant {
  readonly access: string;
  readonly parts: readonly Part[];
}

/** A pattern, compiled unless it speaks of the virtual host. */
type Part = Wildcard | string;

export class Scopes {
  readonly tags: readonly string[];
  readonly #grants: readonly Grant[];

  /**
   * @param scopes without their prefix.
   * @param claims the texts of the token.
   */
  constructor(scopes: readonly string[], claims: Readonly<Record<string, unknown>>) {
    const tags = scopes.filter((scope) => scope.startsWith("tag:")).map((scope) => scope.slice("tag:".length));
    this.tags = [...new Set(tags)].toSorted();
    this.#grants = scopes.map((scope) => readGrant(scope, claims)).filter((grant) => grant !== undefined);
  }

  permitVhost(vhost: string): boolean {
    return this.#grants.some(({ parts }) => matches(parts[0]!, vhost, vhost));
  }

  permit(access: Access, vhost: string, resource: string): boolean {
    return this.#grants.some(
      ({ access: granted, parts }) =>
        granted === access && matches(parts[0]!, vhost, vhost) && matches(parts[1]!, vhost, resource),
    );
  }

  permitTopic(access: TopicAccess, vhost: string, exchange: string, routingKey: string): boolean {
    return this.#grants.some(
      ({ access: granted, parts }) =>
        granted === access &&
        parts[2] !== undefined &&
        matches(parts[0]!, vhost, vhost) &&
        matches(parts[1]!, vhost, exchange) &&
        matches(parts[2], vhost, routingKey),
    );
  }
}

function readGrant(scope: string, claims: Readonly<Record<string, unknown>>): Grant | undefined {
  const [, access, rest] = /^(configure|write|read):(.*)$/s.exec(scope) ?? [];
  if (access === undefined) return undefined;
  const texts = rest!.split("/");
  if (texts.length < 2 || texts.length > 3) return undefined;
  const parts = texts.map((text) => readPart(text, claims));
  return parts.includes(undefined) ? undefined : { access, parts: parts as Part[] };
}

function readPart(text: string, claims: Readonly<Record<string, unknown>>): Part | undefined {
  const filled = text.replace(/\{([^{}]*)\}/g, (place, name: string) => {
    if (name === "vhost") return place;
    const claim = Object.hasOwn(claims, name) ? claims[name] : undefined;
    return encodeLiteral(typeof claim === "string" ? claim : name);
  });
  const pattern = Wildcard.read(filled.replaceAll("{vhost}", ""));
  return pattern === undefined || !filled.includes("{vhost}") ? pattern : filled;
}

function matches(part: Part, vhost: string, subject: string): boolean {
  if (typeof part !== "string") return part.matches(subject);
  // An escape may be broken by what is put behind its percent sign.
  return Wildcard.read(part.replaceAll("{vhost}", encodeLiteral(vhost)))?.matches(subject) ?? false;
}
