/** The command line says something that cannot be meant: exit status 2, one sentence. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
