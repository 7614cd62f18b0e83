/** The words between a protocol and the authority when somebody logs in. */

import type { Identity } from "./identity.ts";
import type { Refusal } from "./refusal.ts";

/** How somebody shows who they are, whatever mechanism of which protocol it came by. */
export type Proof =
  /** Where tokens are taken, the password may be one, and says who it is; then the name does not count. */
  | { readonly kind: "password"; readonly name: string; readonly password: string }
  /** A JSON Web Token, as in HTTP's `Authorization: Bearer`. */
  | { readonly kind: "token"; readonly token: string }
  /** SCRAM came to its end, see scram.ts. `fault`: what was wrong; undefined: the client knows the password. */
  | { readonly kind: "scram"; readonly name: string; readonly fault: string | undefined }
  /** The name in a client certificate that was verified, see certificate-name.ts. */
  | { readonly kind: "certificate"; readonly name: string }
  | { readonly kind: "anonymous" };

export interface Login {
  readonly proof: Proof;
  readonly remoteAddress: string;
  /** The peer is on this machine. */
  readonly isLoopback: boolean;
  /** For the counts of attempts: `amqp091`, `http`. */
  readonly protocol: string;
  /** For topic permissions, where the protocol's clients have an id. */
  readonly clientId?: string | undefined;
}

export type LoginOutcome = Identity | Refusal;
