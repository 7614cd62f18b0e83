/** Why something was not done, as a value: what a caller can be told, and what goes to the log. */

/** A login that was refused. Clients are told less than this: whether a user exists is nobody's business. */
export class Refusal {
  /** For the log, in RabbitMQ's words: `user 'x' - invalid credentials`. Holds no secret. */
  readonly reason: string;
  /** Who it claimed to be, as far as that is known. */
  readonly name: string | undefined;
  /** `loopback`: the credentials were right, and the user may come from this machine only. */
  readonly cause: "credentials" | "loopback" | "unavailable";

  constructor(reason: string, name: string | undefined, cause: Refusal["cause"] = "credentials") {
    this.reason = reason;
    this.name = name;
    this.cause = cause;
  }
}

/** A change of users or permissions that was refused: the request was wrong, and `text` says how. */
export class AuthFault {
  readonly kind: "noSuchUser" | "badPattern" | "badHash" | "badTags" | "badLimit" | "badName" | "contradiction";
  readonly text: string;

  constructor(kind: AuthFault["kind"], text: string) {
    this.kind = kind;
    this.text = text;
  }
}
