/**
 * SASL's mechanisms, server side: PLAIN (one message) and SCRAM (two). Pure: tokens in, and what to do next out.
 */

import type { Authority } from "../../../auth/authority.ts";
import type { Proof } from "../../../auth/login.ts";
import { isScramMechanism, ScramExchange, type ScramMechanism } from "../../../auth/scram.ts";
import type { Random } from "../../../base/random.ts";

export type Step =
  /** More has to come. */
  | { readonly kind: "more"; readonly reply: Buffer }
  /** To be judged; the reply goes if it is right. */
  | { readonly kind: "proof"; readonly proof: Proof; readonly reply: Buffer }
  /** It is no token of this mechanism. `told`: to the client. */
  | { readonly kind: "malformed"; readonly why: string; readonly told: string };

export interface SaslExchange {
  readonly mechanism: string;
  step(token: Buffer): Step;
}

const nothing = Buffer.alloc(0);
const nonceBytes = 18;

export function isSaslMechanism(name: string): boolean {
  return name === "PLAIN" || isScramMechanism(name);
}

/** @param mechanism one that there is. */
export function beginExchange(mechanism: string, authority: Authority, random: Random): SaslExchange {
  return isScramMechanism(mechanism) ? new Scram(mechanism, authority, random) : new Plain();
}

/** RFC 4616, and Kafka's words for what is none of it. */
class Plain implements SaslExchange {
  readonly mechanism = "PLAIN";

  step(token: Buffer): Step {
    const parts = token.toString("utf8").split("\u0000", 4);
    const [actFor, name, password] = parts;
    if (parts.length !== 3)
      return malformed(
        "malformed PLAIN response",
        `Invalid SASL/PLAIN response: expected 3 tokens, got ${parts.length}`,
      );
    if (name === "") return malformed("no name", "Authentication failed: username not specified");
    if (password === "") return malformed("no password", "Authentication failed: password not specified");
    if (actFor !== "" && actFor !== name) {
      const other = "Client requested an authorization id that is different from username";
      return malformed("acting for somebody else is not offered", `Authentication failed: ${other}`);
    }
    return { kind: "proof", proof: { kind: "password", name: name!, password: password! }, reply: nothing };
  }
}

function malformed(why: string, told: string): Step {
  return { kind: "malformed", why, told };
}

class Scram implements SaslExchange {
  readonly mechanism: ScramMechanism;
  readonly #exchange: ScramExchange;
  #fault: string | undefined;

  constructor(mechanism: ScramMechanism, authority: Authority, random: Random) {
    this.mechanism = mechanism;
    const find = (name: string) => {
      const { credential, fault } = authority.scramCredential(mechanism, name);
      this.#fault = fault;
      return credential;
    };
    this.#exchange = new ScramExchange(mechanism, find, random.bytes(nonceBytes).toString("base64url"));
  }

  step(token: Buffer): Step {
    const exchange = this.#exchange;
    if (!exchange.isBegun) {
      const reply = exchange.first(token);
      return typeof reply === "string" ? this.#malformed(reply) : { kind: "more", reply };
    }
    const reply = exchange.final(token);
    const isText = typeof reply === "string";
    const fault = this.#fault ?? (isText ? reply : undefined);
    return { kind: "proof", proof: { kind: "scram", name: exchange.name, fault }, reply: isText ? nothing : reply };
  }

  #malformed(why: string): Step {
    return malformed(why, invalidCredentials(this.mechanism, false));
  }
}

/** What a client is told whose proof is wrong, in Kafka's words. */
export function invalidCredentials(mechanism: string, isAgain: boolean): string {
  if (mechanism === "PLAIN") return "Authentication failed: Invalid username or password";
  const during = isAgain ? "re-authentication" : "authentication";
  return `Authentication failed during ${during} due to invalid credentials with SASL mechanism ${mechanism}`;
}
