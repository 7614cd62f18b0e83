/**
 * Answers why a test is skipped for something that can be installed. Where all of it has to be there, with `CI=true`, it throws
 * instead, but for what ENTREPOT_INTEROP_WITHOUT names (names with commas between). What a user may not do, and what a kernel has
 * not, is a reason to skip anywhere.
 */
export function mayBeMissing(name: string, why: string): string {
  const optional = (process.env["ENTREPOT_INTEROP_WITHOUT"] ?? "").split(",");
  if (process.env["CI"] === "true" && !optional.includes(name)) throw new Error(`${name}: ${why}`);
  return why;
}
