/** What changes of users and permissions look like to those who are told of them. */

/** Where users are kept: what the broker's definitions look like from here. */
export interface UserStore {
  get(kind: string, name: string): unknown;
  entries(kind: string): Iterable<[string, unknown]>;
  put(kind: string, name: string, value: unknown): void;
  remove(kind: string, name: string): void;
}

/** One change, with the names under which RabbitMQ announces it. */
export type AuthChange =
  | { readonly event: "user.created" | "user.deleted"; readonly name: string }
  | { readonly event: "user.password.changed" | "user.password.cleared"; readonly name: string }
  | { readonly event: "user.tags.set"; readonly name: string; readonly tags: readonly string[] }
  | { readonly event: "user.limits.set" | "user.limits.cleared"; readonly name: string }
  | { readonly event: "permission.created"; readonly permission: Permission }
  | { readonly event: "permission.deleted"; readonly name: string; readonly vhost: string }
  | { readonly event: "topic.permission.created"; readonly permission: TopicPermission }
  | {
      readonly event: "topic.permission.deleted";
      readonly name: string;
      readonly vhost: string;
      /** Undefined: all of the virtual host's. */
      readonly exchange: string | undefined;
    };

/** Called after the change counts. Must not change users itself. */
export type ChangeListener = (change: AuthChange) => void;

/** What a user may do in a virtual host: patterns of the names of queues and exchanges. */
export interface Permission {
  readonly user: string;
  readonly vhost: string;
  readonly configure: string;
  readonly write: string;
  readonly read: string;
}

/** Which routing keys a user may publish to a topic exchange with, and bind with. */
export interface TopicPermission {
  readonly user: string;
  readonly vhost: string;
  readonly exchange: string;
  readonly write: string;
  readonly read: string;
}
