/**
 * Somebody who came with a token. What it permits never changes; it ends when its time is over, and refuses from then on.
 * Answers are kept, since a token may hold two thousand scopes.
 */

import type { Clock } from "../../base/clock.ts";
import type { Access, Identity, TopicAccess } from "../identity.ts";
import type { Scopes } from "./scopes.ts";

const answersMax = 10_000;
const keptLengthMax = 255;

export interface UserLimitsSource {
  /** -1: no limit. */
  connectionsMax(name: string): number;
  channelsMax(name: string): number;
}

export class TokenIdentity implements Identity {
  readonly name: string;
  readonly expiresAtMs: number;
  readonly #scopes: Scopes;
  readonly #clock: Clock;
  readonly #limits: UserLimitsSource;
  /** By question, virtual host, topic exchange where it is about one, and name. */
  readonly #answers = new Map<string, Map<string, Map<string, Map<string, boolean>>>>();
  #answerCount = 0;

  constructor(name: string, expiresAtMs: number, scopes: Scopes, clock: Clock, limits: UserLimitsSource) {
    this.name = name;
    this.expiresAtMs = expiresAtMs;
    this.#scopes = scopes;
    this.#clock = clock;
    this.#limits = limits;
  }

  get tags(): readonly string[] {
    return this.#isOver() ? [] : this.#scopes.tags;
  }

  get version(): number {
    return this.#isOver() ? 2 : 1;
  }

  /** A token has no limits of its own; those of a user with the same name count, as in RabbitMQ. */
  get connectionsMax(): number {
    return this.#limits.connectionsMax(this.name);
  }

  get channelsMax(): number {
    return this.#limits.channelsMax(this.name);
  }

  mayEnter(vhost: string): boolean {
    return !this.#isOver() && this.#scopes.permitVhost(vhost);
  }

  may(access: Access, vhost: string, resource: string): boolean {
    if (this.#isOver()) return false;
    const answers = this.#answersFor(access, vhost);
    let answer = answers.get(resource);
    if (answer === undefined) {
      answer = this.#scopes.permit(access, vhost, resource);
      this.#keep(answers, resource, answer);
    }
    return answer;
  }

  mayTopic(access: TopicAccess, vhost: string, exchange: string, routingKey: string): boolean {
    if (this.#isOver()) return false;
    const answers = this.#answersFor(access === "write" ? "write topic" : "read topic", vhost, exchange);
    let answer = answers.get(routingKey);
    if (answer === undefined) {
      answer = this.#scopes.permitTopic(access, vhost, exchange, routingKey);
      this.#keep(answers, routingKey, answer);
    }
    return answer;
  }

  #isOver(): boolean {
    return this.#clock.now() >= this.expiresAtMs;
  }

  #answersFor(question: string, vhost: string, exchange = ""): Map<string, boolean> {
    let byVhost = this.#answers.get(question);
    if (byVhost === undefined) this.#answers.set(question, (byVhost = new Map()));
    let byExchange = byVhost.get(vhost);
    if (byExchange === undefined) byVhost.set(vhost, (byExchange = new Map()));
    let answers = byExchange.get(exchange);
    if (answers === undefined) byExchange.set(exchange, (answers = new Map()));
    return answers;
  }

  #keep(answers: Map<string, boolean>, name: string, answer: boolean): void {
    if (name.length > keptLengthMax) return;
    if (this.#answerCount >= answersMax) {
      this.#answers.clear();
      this.#answerCount = 0;
      return;
    }
    answers.set(name, answer);
    this.#answerCount++;
  }
}
