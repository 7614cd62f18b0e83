// What the command lines of the benchmarks have in common.

/** @param otherwise where nothing was given. Errors: it is no number, or below zero. */
export function numberOf(option: string, value: string | undefined, otherwise: number): number {
  const number = value === undefined ? otherwise : Number(value);
  if (!(number >= 0) || value === "") throw new Error(`--${option} ${value}: a number is needed`);
  return number;
}

/** Names with commas between them; undefined: nothing was given. Errors: one of them is not known. */
export function listOf<Known extends string>(
  option: string,
  value: string | undefined,
  known: readonly Known[],
): Known[] | undefined {
  return value?.split(",").map((each) => {
    const found = known.find((one) => one === each);
    if (found === undefined) throw new Error(`--${option} ${each}: known are ${known.join(", ")}`);
    return found;
  });
}

/** What to print of an error; with the usage where it is about an option that there is not. */
export function messageOf(error: unknown, usage: string): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code?.startsWith("ERR_PARSE_ARGS") === true ? `${message}\n\n${usage}` : message;
}
