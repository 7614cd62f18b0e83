/**
 * Who may log in and what they may do: the one door to users, permissions and tokens.
 *
 * A login is tried with each back end in the configured order, and the first that accepts decides: `internal` (users of
 * this broker, by password or certificate), `oauth2` (tokens). Passwords are judged at once; a token may need a key that
 * is fetched first, so then the answer is a promise, which never rejects and always comes.
 *
 * Everything that an `Identity` answers is read from the live state, so nothing has to be told of a change for it to
 * count. Who keeps answers watches `Identity.version`; who must act (end the connections of a deleted user) observes.
 */

import type { Clock } from "../base/clock.ts";
import type { Logger } from "../observe/log.ts";
import type { Account, Accounts } from "./account.ts";
import { LoginAttempts } from "./attempts.ts";
import type { AuthChange, ChangeListener, UserStore } from "./changes.ts";
import { InternalIdentity, limitOf } from "./internal-identity.ts";
import type { Identity } from "./identity.ts";
import type { Login, LoginOutcome, Proof } from "./login.ts";
import { fetchText } from "./oauth2/fetch-text.ts";
import type { FetchText } from "./oauth2/remote-keys.ts";
import { TokenIdentity } from "./oauth2/token-identity.ts";
import { Tokens, type TokenSettings } from "./oauth2/tokens.ts";
import { hashPassword, verifyPassword } from "./password.ts";
import { Permissions } from "./permissions.ts";
import { Refusal } from "./refusal.ts";
import { decoyCredential, type ScramCredential, type ScramCredentials, type ScramMechanism } from "./scram.ts";
import { TopicPermissions } from "./topic-permissions.ts";
import { Users } from "./users.ts";

export type AuthBackend = "internal" | "oauth2";

export interface AuthSettings {
  /** In the order in which they are asked. */
  readonly backends: readonly AuthBackend[];
  /** May log in from this machine only. */
  readonly loopbackUsers: readonly string[];
  /** Made at the first start, an administrator. */
  readonly defaultUser: string;
  /** Undefined: none, so no login by password. */
  readonly defaultPassword: string | undefined;
  /** As whom somebody without a name is logged in, by this password; undefined: not at all. */
  readonly anonymous: { readonly name: string; readonly password: string } | undefined;
  /** For the back end `oauth2`. */
  readonly tokens: TokenSettings | undefined;
}

/** What the first user is called, and what its password is, where nothing else was said: as RabbitMQ's. */
const knownUser = "guest";
const knownPassword = "guest";

export const plainAuthSettings: AuthSettings = {
  backends: ["internal"],
  loopbackUsers: ["guest"],
  defaultUser: knownUser,
  defaultPassword: knownPassword,
  anonymous: { name: "guest", password: "guest" },
  tokens: undefined,
};

export interface AuthorityOptions {
  readonly store: UserStore;
  /** Of the network: tokens end by it. */
  readonly clock: Clock;
  /** A source of chance, for salts. */
  readonly bytes: (count: number) => Buffer;
  readonly logger: Logger;
  readonly settings: AuthSettings;
  /** How keys for tokens are fetched; the default is over HTTP. */
  readonly fetchText?: FetchText;
}

/** Compared with when the user does not exist, so that the time taken does not tell. */
const nobody = hashPassword("", Buffer.alloc(4));
const firstVhost = "/";

export class Authority {
  readonly users: Users;
  readonly permissions: Permissions;
  readonly topicPermissions: TopicPermissions;
  readonly attempts = new LoginAttempts();
  readonly settings: AuthSettings;
  readonly #store: UserStore;
  readonly #bytes: (count: number) => Buffer;
  readonly #tokens: Tokens | undefined;
  readonly #accounts: Accounts = new Map<string, Account>();
  readonly #listeners = new Set<ChangeListener>();

  constructor(options: AuthorityOptions) {
    const { store } = options;
    this.#store = store;
    this.#bytes = options.bytes;
    this.settings = options.settings;
    this.#tokens = this.#openTokens(options);
    const changed = (change: AuthChange): void => {
      for (const listener of this.#listeners) listener(change);
    };
    this.users = new Users(store, this.#accounts, options.bytes, changed, (account) => {
      this.permissions.clearUser(account);
      this.topicPermissions.clearUser(account);
    });
    this.permissions = new Permissions(store, this.#accounts, changed);
    this.topicPermissions = new TopicPermissions(store, this.#accounts, changed);
  }

  /**
   * At the first start of all, creates the default user, an administrator who may do everything in the first virtual host. Answers
   * why not: one with a password that is known to everybody must not be let in from everywhere because a setting was forgotten.
   */
  createFirst(): string | undefined {
    if (this.#store.get("auth", "first") !== undefined) return undefined;
    const { defaultUser, defaultPassword, loopbackUsers } = this.settings;
    // Who lets guest itself in from everywhere has said so.
    const isForAll = defaultUser !== knownUser && !loopbackUsers.includes(defaultUser);
    if (isForAll && defaultPassword === knownPassword && this.users.count === 0)
      return `auth.defaultPassword is ${knownPassword}, as everybody knows, and ${defaultUser} may log in from anywhere: set it, or add ${defaultUser} to auth.loopbackUsers`;
    const secret = defaultPassword === undefined ? {} : { password: defaultPassword, derivesLater: true };
    // Records from before there were permissions name no algorithm: their users keep what they had. All others, imported
    // ones say, have what they were given.
    const entitled = [...this.#accounts.values()].filter(({ record }) => record.hashingAlgorithm === undefined);
    const names = entitled.map(({ name }) => name);
    if (this.users.count === 0) {
      this.users.put(defaultUser, { ...secret, tags: ["administrator"] });
      names.push(defaultUser);
    }
    for (const user of names)
      this.permissions.set({ user, vhost: firstVhost, configure: ".*", write: ".*", read: ".*" });
    this.#store.put("auth", "first", true);
    return undefined;
  }

  /** Calls `listener` at each change; answers how to end that. */
  observe(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Deletes all permissions in a virtual host: it is deleted. */
  deleteVhost(vhost: string): void {
    this.permissions.clearVhost(vhost);
    this.topicPermissions.clearVhost(vhost);
  }

  /** Judges a login, and counts it. A promise is for tokens only, and never rejects. */
  login(login: Login): LoginOutcome | Promise<LoginOutcome> {
    const outcome = this.#judge(login);
    return outcome instanceof Promise ? outcome.then((late) => this.#close(login, late)) : this.#close(login, outcome);
  }

  /**
   * What to begin SCRAM with, whoever it is: who cannot log in by it is refused at its end.
   * @returns and in words for the log why nobody can, if so.
   */
  scramCredential(mechanism: ScramMechanism, name: string): { credential: ScramCredential; fault: string | undefined } {
    const account = this.#accounts.get(name);
    const kept = account?.record.scram ?? (account && this.#deriveDefault(account));
    if (kept !== undefined) return { credential: kept[mechanism], fault: undefined };
    const fault =
      account === undefined
        ? "invalid credentials"
        : "there is only a hash of the password, by which nobody can log in with SCRAM: set the password again";
    return { credential: decoyCredential(mechanism, this.#decoySecret(), name), fault };
  }

  /** The default user was made without, to start quickly. */
  #deriveDefault({ name, record }: Account): ScramCredentials | undefined {
    const { defaultUser, defaultPassword } = this.settings;
    if (name !== defaultUser || defaultPassword === undefined || defaultPassword === "") return undefined;
    if (!verifyPassword(record.passwordHash, defaultPassword, record.hashingAlgorithm)) return undefined;
    return this.users.deriveScram(name, defaultPassword);
  }

  /** Kept, so that the salts of those who are not there do not change with a start either. */
  #decoySecret(): Buffer {
    const kept = this.#store.get("auth", "decoy") as string | undefined;
    if (kept !== undefined) return Buffer.from(kept, "base64");
    const secret = this.#bytes(32);
    this.#store.put("auth", "decoy", secret.toString("base64"));
    return secret;
  }

  /**
   * Takes another token for one that ends: the identity to go on with, of the same user. Who did not come by a token
   * stays who they are, as in RabbitMQ. Never rejects.
   */
  refresh(identity: Identity, token: string): LoginOutcome | Promise<LoginOutcome> {
    if (!(identity instanceof TokenIdentity) || this.#tokens === undefined) return identity;
    return this.#tokens.judge(token).then((outcome) => {
      if (outcome instanceof Refusal || outcome.name === identity.name) return outcome;
      return new Refusal("Not allowed to change username on refreshed token", identity.name);
    });
  }

  #judge(login: Login): LoginOutcome | Promise<LoginOutcome> {
    const proof = this.#named(login.proof);
    if (proof instanceof Refusal) return proof;
    let refusal = new Refusal(`no back end takes a ${proof.kind} from '${nameOf(proof) ?? ""}'`, nameOf(proof));
    const { backends } = this.settings;
    for (const [index, backend] of backends.entries()) {
      const outcome =
        backend === "internal"
          ? this.#loginInternal(proof, login.clientId)
          : this.#loginByToken(proof, login.clientId, backends.slice(index + 1));
      if (outcome === undefined) continue;
      if (outcome instanceof Promise || !(outcome instanceof Refusal)) return outcome;
      refusal = outcome;
    }
    return refusal;
  }

  /** Undefined: this back end has nothing to say to it. `next`: those that are asked when it refuses. */
  #loginByToken(
    proof: NamedProof,
    clientId: string | undefined,
    next: readonly AuthBackend[],
  ): Promise<LoginOutcome> | undefined {
    const token = proof.kind === "token" ? proof.token : proof.kind === "password" ? proof.password : undefined;
    if (token === undefined || this.#tokens === undefined) return undefined;
    // A plain password is none, and is refused as a password.
    if (proof.kind === "password" && token.split(".", 4).length !== 3) return undefined;
    return this.#tokens.judge(token).then((outcome) => {
      if (!(outcome instanceof Refusal)) return outcome;
      const other = next.includes("internal") ? this.#loginInternal(proof, clientId) : undefined;
      return (
        other ?? (outcome.name === undefined ? new Refusal(outcome.reason, nameOf(proof), outcome.cause) : outcome)
      );
    });
  }

  #openTokens({ settings, clock, logger, fetchText: fetched = fetchText }: AuthorityOptions): Tokens | undefined {
    if (settings.tokens === undefined) return undefined;
    const limits = {
      connectionsMax: (name: string) => limitOf(this.#accounts.get(name), "max-connections"),
      channelsMax: (name: string) => limitOf(this.#accounts.get(name), "max-channels"),
    };
    return new Tokens({ settings: settings.tokens, clock, logger, limits, fetchText: fetched });
  }

  /** Somebody without a name is who the settings say. */
  #named(proof: Proof): NamedProof | Refusal {
    if (proof.kind !== "anonymous") return proof;
    const { anonymous } = this.settings;
    if (anonymous === undefined) return new Refusal("anonymous logins are switched off", undefined);
    return { kind: "password", ...anonymous };
  }

  #loginInternal(proof: NamedProof, clientId: string | undefined): LoginOutcome | undefined {
    if (proof.kind === "token") return undefined;
    const { name } = proof;
    const account = this.#accounts.get(name);
    if (proof.kind === "password") {
      if (proof.password === "")
        return new Refusal(`user '${name}' attempted to log in with a blank password, which is prohibited`, name);
      const { passwordHash, hashingAlgorithm } = account?.record ?? { passwordHash: nobody };
      const isRight = verifyPassword(passwordHash, proof.password, hashingAlgorithm);
      if (!isRight || account === undefined) return new Refusal(`user '${name}' - invalid credentials`, name);
    }
    if (proof.kind === "scram" && proof.fault !== undefined)
      return new Refusal(`user '${name}' - ${proof.fault}`, name);
    if (account === undefined) return new Refusal(`user '${name}' - invalid credentials`, name);
    return new InternalIdentity(account, clientId);
  }

  /** What holds whoever accepted; counts the attempt. */
  #close(login: Login, outcome: LoginOutcome): LoginOutcome {
    let closed = outcome;
    if (!(outcome instanceof Refusal) && !login.isLoopback && this.settings.loopbackUsers.includes(outcome.name))
      closed = new Refusal(`user '${outcome.name}' can only connect via localhost`, outcome.name, "loopback");
    this.attempts.note(login.protocol, login.remoteAddress, closed.name ?? "", !(closed instanceof Refusal));
    return closed;
  }
}

type NamedProof = Exclude<Proof, { kind: "anonymous" }>;

function nameOf(proof: Proof): string | undefined {
  return "name" in proof ? proof.name : undefined;
}
