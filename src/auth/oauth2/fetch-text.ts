/** Over HTTP(S), with Node's own client. The whole answer is bounded, and redirects are not followed: who could bend one would hand us keys. */
export async function fetchText(url: string, bytesMax: number, signal: AbortSignal): Promise<string> {
  const response = await fetch(url, { signal, redirect: "error", headers: { accept: "application/json" } });
  if (response.status !== 200 || response.body === null) throw new Error(`the answer was ${response.status}`);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new Error(`the answer is longer than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
