import { must, unreachable } from "../../base/assert.ts";
import { ConsistentHashMatcher } from "./consistent-hash-matcher.ts";
import { DirectMatcher } from "./direct-matcher.ts";
import { FanoutMatcher } from "./fanout-matcher.ts";
import { HeadersMatcher } from "./headers-matcher.ts";
import type { Matcher, MatcherKind, MatcherOptions } from "./matcher.ts";
import { ModulusHashMatcher } from "./modulus-hash-matcher.ts";
import { RandomMatcher } from "./random-matcher.ts";
import { TopicMatcher } from "./topic-matcher.ts";

/** An empty matcher. */
export function createMatcher<D>(kind: MatcherKind, options: MatcherOptions): Matcher<D> {
  switch (kind) {
    case "direct":
      return new DirectMatcher();
    case "fanout":
      return new FanoutMatcher();
    case "topic":
      return new TopicMatcher();
    case "headers":
      return new HeadersMatcher();
    case "consistent-hash":
      return new ConsistentHashMatcher(options);
    case "modulus-hash":
      return new ModulusHashMatcher();
    case "random":
      return new RandomMatcher(must(options.random, "the kind random needs a source of chance"));
    default:
      return unreachable(kind);
  }
}
