/** From options to what decides over logins: reads the files with keys, and refuses what cannot work together. */

import { readFileSync } from "node:fs";
import type { AuthSettings } from "../auth/authority.ts";
import type { CertificateLoginFrom } from "../auth/certificate-name.ts";
import { isKeyUrl } from "../auth/oauth2/key-url.ts";
import { allAlgorithms, readKeySet, readPemKey, type SigningKey } from "../auth/oauth2/signing-keys.ts";
import type { TokenSettings } from "../auth/oauth2/tokens.ts";
import { ConfigurationError } from "./configuration-error.ts";
import type { Settings } from "./options.ts";

/** @throws ConfigurationError with all that is wrong. */
export function authSettings(settings: Settings): AuthSettings {
  const problems: string[] = [];
  const backends = settings["auth.backends"];
  if (backends.length === 0) problems.push("auth.backends: is empty, so nobody could log in");
  const tokens = backends.includes("oauth2") ? tokenSettings(settings, problems) : undefined;
  if (problems.length > 0) throw new ConfigurationError(problems);
  const anonymousUser = settings["auth.anonymousUser"];
  return {
    backends,
    loopbackUsers: settings["auth.loopbackUsers"],
    defaultUser: settings["auth.defaultUser"],
    defaultPassword: settings["auth.defaultPassword"] ?? undefined,
    anonymous:
      anonymousUser === null ? undefined : { name: anonymousUser, password: settings["auth.anonymousPassword"] ?? "" },
    tokens,
  };
}

/** Where the name in a client's certificate is. */
export function certificateLogin(settings: Settings): CertificateLoginFrom {
  const from = settings["auth.certificateLoginFrom"];
  if (from !== "subject_alternative_name") return { from };
  return { from, type: settings["auth.certificateSanType"], index: settings["auth.certificateSanIndex"] };
}

function tokenSettings(settings: Settings, problems: string[]): TokenSettings {
  const resourceServerId = settings["auth.oauth2.resourceServerId"] ?? "";
  if (resourceServerId === "") problems.push("auth.oauth2.resourceServerId: is needed for auth.backends oauth2");
  const jwksUrl = readUrl(settings, "auth.oauth2.jwksUrl", problems);
  const issuer = readUrl(settings, "auth.oauth2.issuer", problems);
  const keys = readKeys(settings, problems);
  if (keys.size === 0 && jwksUrl === undefined && issuer === undefined && problems.length === 0) {
    problems.push(
      "auth.backends oauth2 needs keys: give auth.oauth2.issuer, auth.oauth2.jwksUrl, auth.oauth2.jwksFile or auth.oauth2.signingKeys",
    );
  }
  const algorithms = settings["auth.oauth2.algorithms"];
  const unknown = algorithms.filter((each) => !allAlgorithms.includes(each));
  if (unknown.length > 0) problems.push(`auth.oauth2.algorithms: ${unknown.join(", ")}: no such algorithm`);
  return {
    resourceServerId,
    scopePrefix: (settings["auth.oauth2.scopePrefix"] ?? "").replace("{resourceServerId}", () => resourceServerId),
    additionalScopesKeys: settings["auth.oauth2.additionalScopesKeys"],
    scopeAliases: readAliases(settings["auth.oauth2.scopeAliases"], problems),
    verifyAudience: settings["auth.oauth2.verifyAudience"],
    requireExpiry: settings["auth.oauth2.requireExpiry"],
    issuer,
    verifyIssuer: settings["auth.oauth2.verifyIssuer"],
    jwksUrl,
    keys,
    defaultKey: settings["auth.oauth2.defaultKey"] ?? undefined,
    algorithms,
    usernameClaims: settings["auth.oauth2.usernameClaims"],
  };
}

function readUrl(
  settings: Settings,
  key: "auth.oauth2.jwksUrl" | "auth.oauth2.issuer",
  problems: string[],
): string | undefined {
  const text = settings[key];
  if (text === null) return undefined;
  if (!isKeyUrl(text))
    problems.push(`${key} is ${JSON.stringify(text)}, which is no https:// URL (http:// is for this machine only)`);
  return text;
}

function readKeys(settings: Settings, problems: string[]): ReadonlyMap<string, SigningKey> {
  const keys = new Map<string, SigningKey>();
  const read = (key: string, path: string, add: (text: string) => void): void => {
    try {
      add(readFileSync(path, "utf8"));
    } catch (error) {
      problems.push(`${key}: ${path}: ${(error as Error).message}`);
    }
  };
  const file = settings["auth.oauth2.jwksFile"];
  if (file !== null)
    read("auth.oauth2.jwksFile", file, (text) => {
      for (const [id, key] of readKeySet(text, true)) keys.set(id, key);
    });
  for (const [id, path] of Object.entries(settings["auth.oauth2.signingKeys"] as object) as [string, unknown][]) {
    const key = `auth.oauth2.signingKeys.${id}`;
    if (typeof path === "string") read(key, path, (text) => keys.set(id, readPemKey(text)));
    else problems.push(`${key}: is not the path of a PEM file`);
  }
  return keys;
}

function readAliases(given: unknown, problems: string[]): ReadonlyMap<string, readonly string[]> {
  const aliases = new Map<string, readonly string[]>();
  for (const [name, value] of Object.entries(given as object) as [string, unknown][]) {
    const scopes: unknown = typeof value === "string" ? value.split(" ") : value;
    if (Array.isArray(scopes) && scopes.every((each) => typeof each === "string")) aliases.set(name, scopes);
    else problems.push(`auth.oauth2.scopeAliases.${name}: is no list of scopes`);
  }
  return aliases;
}
