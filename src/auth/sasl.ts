/**
 * SASL mechanisms that several protocols share, as pure functions of the client's response.
 *
 *     PLAIN      RFC 4616: authorization identity NUL user NUL password
 *     EXTERNAL   RFC 4422 appendix A: who the client is, is known from its certificate
 *     ANONYMOUS  RFC 4505: the response is a trace and decides nothing
 */

/** What a client says that it is. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** Reads a PLAIN response; undefined when it is malformed. */
export function readPlain(response: Buffer): Credentials | undefined {
  // Acting for somebody else, the first part, is not offered.
  if (response[0] !== 0) return undefined;
  const second = response.indexOf(0, 1);
  if (second < 0 || response.indexOf(0, second + 1) >= 0) return undefined;
  return { user: response.toString("utf8", 1, second), password: response.toString("utf8", second + 1) };
}
