/**
 * SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802 and 7677), the server's part, as a pure exchange: two messages in, two out.
 *
 *     client  n,,n=user,r=nonce                      server  r=nonce+ours,s=salt,i=iterations
 *     client  c=biws,r=nonce+ours,p=proof            server  v=signature
 *
 * What is kept of a password is enough to judge a proof and not enough to make one. It is derived when a password is set, since
 * a hash that comes from elsewhere cannot be turned into it. Who has none, or does not exist, gets a salt all the same, always
 * the same one for a name, and is refused at the end like somebody with a wrong password: the answers do not tell who exists.
 *
 * The client's last message has to name the whole nonce, but may say something before it: librdkafka up to 2.6.0, with which kcat
 * and many an older driver come, puts its own part there twice, and Kafka takes that since it looks at the nonce at all (3.8.1).
 * What is signed is what was said, and ours is in it: nothing can be said again in another exchange.
 *
 * There is no channel binding (`-PLUS`): no client of Kafka's offers it.
 */

import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from "node:crypto";

const digests = { "SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512" } as const;

export type ScramMechanism = keyof typeof digests;

export function isScramMechanism(name: string): name is ScramMechanism {
  return Object.hasOwn(digests, name);
}

/** What is kept for one mechanism. All but the iterations in base64. */
export interface ScramCredential {
  readonly salt: string;
  readonly iterations: number;
  readonly storedKey: string;
  readonly serverKey: string;
}

export type ScramCredentials = Readonly<Record<ScramMechanism, ScramCredential>>;

/** As many as Kafka's tools use, which is as few as it takes. More would be more for every login, by its client. */
export const scramIterations = 4096;
export const scramSaltBytes = 16;

/** Takes some milliseconds. `salt`: bytes of chance. */
export function deriveScram(password: string, salt: Buffer): ScramCredentials {
  const of = (mechanism: ScramMechanism): ScramCredential => {
    const digest = digests[mechanism];
    const bytes = createHash(digest).digest().length;
    const salted = pbkdf2Sync(password, salt, scramIterations, bytes, digest);
    const clientKey = createHmac(digest, salted).update("Client Key").digest();
    return {
      salt: salt.toString("base64"),
      iterations: scramIterations,
      storedKey: createHash(digest).update(clientKey).digest("base64"),
      serverKey: createHmac(digest, salted).update("Server Key").digest("base64"),
    };
  };
  return { "SCRAM-SHA-256": of("SCRAM-SHA-256"), "SCRAM-SHA-512": of("SCRAM-SHA-512") };
}

/** Of nobody: no proof is right for it, and its salt is `secret`'s and the name's. */
export function decoyCredential(mechanism: ScramMechanism, secret: Buffer, name: string): ScramCredential {
  const digest = digests[mechanism];
  const salt = createHmac("sha256", secret).update(name).digest().subarray(0, scramSaltBytes);
  const nothing = Buffer.alloc(createHash(digest).digest().length).toString("base64");
  return { salt: salt.toString("base64"), iterations: scramIterations, storedKey: nothing, serverKey: nothing };
}

const saslName = "(?:[^=,\\u0000]|=2C|=3D)+";
const printable = "[\\x21-\\x2b\\x2d-\\x7e]+";
const extensions = "((?:,[A-Za-z]+=[^,\\u0000]+)*)";
const firstMessage = new RegExp(`^([ny],(?:a=(${saslName}))?,)(n=(${saslName}),r=(${printable})${extensions})$`);
const finalMessage = new RegExp(`^(c=([A-Za-z0-9+/]+=*),r=(${printable})${extensions}),p=([A-Za-z0-9+/]+=*)$`);

/** Messages are some hundred bytes. */
const messageBytesMax = 4096;

export class ScramExchange {
  readonly mechanism: ScramMechanism;
  readonly #find: (name: string) => ScramCredential;
  readonly #ownNonce: string;
  /** Who it claims to be; empty until the first message was read. */
  name = "";
  #credential: ScramCredential | undefined;
  #header = "";
  #nonce = "";
  #said = "";

  /**
   * @param find what is kept of a user, or a decoy.
   * @param ownNonce chance, in printable characters without a comma.
   */
  constructor(mechanism: ScramMechanism, find: (name: string) => ScramCredential, ownNonce: string) {
    this.mechanism = mechanism;
    this.#find = find;
    this.#ownNonce = ownNonce;
  }

  get isBegun(): boolean {
    return this.#credential !== undefined;
  }

  /** The answer to the first message. A text says why there is none. */
  first(message: Buffer): Buffer | string {
    const match = message.length > messageBytesMax ? null : firstMessage.exec(message.toString("utf8"));
    if (match === null) return "malformed first message";
    const [, header, actFor, bare, user, nonce, extended] = match;
    const name = plainName(user!);
    if (actFor !== undefined && plainName(actFor) !== name) return "acting for somebody else is not offered";
    // Delegation tokens, which Kafka marks so, are nobody's password here.
    if (/(?:^|,)tokenauth=true(?:,|$)/i.test(extended!)) return "delegation tokens are not offered";
    this.name = name;
    this.#header = header!;
    this.#nonce = nonce! + this.#ownNonce;
    this.#credential = this.#find(name);
    const { salt, iterations } = this.#credential;
    const reply = `r=${this.#nonce},s=${salt},i=${iterations}`;
    this.#said = `${bare},${reply}`;
    return Buffer.from(reply);
  }

  /** The answer to the last message, which proved that the client knows the password. A text says why it did not. */
  final(message: Buffer): Buffer | string {
    const match = message.length > messageBytesMax ? null : finalMessage.exec(message.toString("utf8"));
    if (match === null) return "malformed final message";
    const [, withoutProof, binding, nonce, , proof] = match;
    if (!nonce!.endsWith(this.#nonce)) return "the nonce is another one";
    if (Buffer.from(binding!, "base64").toString("utf8") !== this.#header) return "the channel binding is another one";
    const digest = digests[this.mechanism];
    const { storedKey, serverKey } = this.#credential!;
    const signed = `${this.#said},${withoutProof}`;
    const stored = Buffer.from(storedKey, "base64");
    const signature = createHmac(digest, stored).update(signed).digest();
    const given = Buffer.from(proof!, "base64");
    if (given.length !== signature.length) return "the proof is too short or too long";
    const clientKey = signature.map((byte, at) => byte ^ given[at]!);
    if (!timingSafeEqual(createHash(digest).update(clientKey).digest(), stored)) return "invalid credentials";
    const own = createHmac(digest, Buffer.from(serverKey, "base64")).update(signed).digest("base64");
    return Buffer.from(`v=${own}`);
  }
}

function plainName(escaped: string): string {
  return escaped.replaceAll("=2C", ",").replaceAll("=3D", "=");
}
