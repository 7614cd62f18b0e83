/** One POST of JSON to somebody else, with a deadline. No redirect is followed: what is sent is for that address only. */

export interface PostTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

/** The answer's status. @throws when there was none in time */
export async function postJson({ url, headers, timeoutMs }: PostTarget, body: string): Promise<number> {
  const response = await fetch(url, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body,
    redirect: "manual",
    signal: AbortSignal.timeout(timeoutMs),
  });
  // What it says does not matter; left unread it would hold its connection.
  await response.body?.cancel();
  return response.status;
}
