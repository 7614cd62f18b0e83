/**
 * Where a token says what its bearer may do. Identity providers disagree, so scopes are gathered from: the claim `scope`
 * (a list, or a text with spaces), the claims that the settings add, the permissions of a requesting party's token
 * (`authorization.permissions.scopes`, as Keycloak's), and, for roles that a provider names its own way, aliases.
 * Of all of them only those with our prefix are for us; it is taken off.
 */

export type Claims = Readonly<Record<string, unknown>>;

export interface ScopeSettings {
  readonly resourceServerId: string;
  /** `rabbitmq.`; may be empty. */
  readonly scopePrefix: string;
  /** Claims that hold scopes as well; a dot leads into an object. */
  readonly additionalScopesKeys: readonly string[];
  /** Scopes by the name that stands for them. */
  readonly scopeAliases: ReadonlyMap<string, readonly string[]>;
}

const requestingPartyPath = "authorization.permissions.scopes";

/** The scopes that are for this broker, without their prefix, each once. */
export function scopesOf(claims: Claims, settings: ScopeSettings): string[] {
  const { resourceServerId, scopePrefix, additionalScopesKeys, scopeAliases } = settings;
  const found = listOf(claims["scope"], resourceServerId);
  for (const path of [requestingPartyPath, ...additionalScopesKeys])
    for (const value of valuesAt(claims, path.split("."))) found.push(...listOf(value, resourceServerId));
  const expanded = [...found, ...found.flatMap((scope) => scopeAliases.get(scope) ?? [])];
  const ours = expanded.filter((scope) => scope.startsWith(scopePrefix));
  return [...new Set(ours.map((scope) => scope.slice(scopePrefix.length)))];
}

/** All values that a path leads to; lists on the way are looked into. */
function valuesAt(value: unknown, path: readonly string[]): unknown[] {
  if (path.length === 0) return [value];
  if (Array.isArray(value)) return value.flatMap((each) => valuesAt(each, path));
  const [key, ...rest] = path;
  if (value === null || typeof value !== "object" || !Object.hasOwn(value, key!)) return [];
  return valuesAt((value as Record<string, unknown>)[key!], rest);
}

/** A list, a text with spaces, or an object that holds either under our id, where scopes need no prefix. */
function listOf(value: unknown, resourceServerId: string): string[] {
  if (typeof value === "string") return value.split(" ").filter((each) => each !== "");
  if (Array.isArray(value)) return value.filter((each) => typeof each === "string");
  if (value === null || typeof value !== "object" || !Object.hasOwn(value, resourceServerId)) return [];
  const own = (value as Record<string, unknown>)[resourceServerId];
  if (typeof own === "object" && !Array.isArray(own)) return [];
  return listOf(own, resourceServerId).map((scope) => `${resourceServerId}.${scope}`);
}
