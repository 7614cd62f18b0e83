/** Addresses of other brokers as they may be shown and logged: a password stands in them, or in their query. */

/** Without user, password and query. */
export function withoutCredentials(text: string): string {
  const match = /^([a-z][a-z0-9+.-]*:\/\/)(?:[^/?#]*@)?([^?#]*)/is.exec(text);
  return match === null ? text.replace(/:\/\/[^@/]*@/g, "://") : `${match[1]}${match[2]}`;
}

/** The same of what is perhaps no address: a password may hold whatever makes it none. */
export function unreadable(text: string): string {
  const [, scheme = "", rest = ""] = /^([a-z][a-z0-9+.-]*:(?:\/\/)?)?([^?#]*)/is.exec(text) ?? [];
  if (rest.includes("@")) return scheme + rest.slice(rest.lastIndexOf("@") + 1);
  return text.includes("@") ? scheme : scheme + rest;
}
