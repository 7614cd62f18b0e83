/**
 * The parameters of federation: taken, checked as RabbitMQ checks them, kept, exported, and without effect, for there is no
 * federation here. Definitions of brokers that had it can be carried over, and back.
 */

import {
  checkFields,
  isBinary,
  isNumber,
  isTrueOrFalse,
  isWord,
  type FieldRule,
  type ParameterCheck,
} from "./parameter-checks.ts";
import { shownJson } from "./erlang-json.ts";
import type { Parameters } from "./parameters.ts";
import { unreadable } from "./shown-uri.ts";

const shared: readonly FieldRule[] = [
  ...["exchange", "queue", "consumer-tag", "ha-policy", "queue-type"].map((name) => ({ name, check: isBinary })),
  ...["prefetch-count", "reconnect-delay", "max-hops", "expires", "message-ttl"].map((name) => ({
    name,
    check: isNumber,
  })),
  ...["trust-user-id", "bind-nowait"].map((name) => ({ name, check: isTrueOrFalse })),
  { name: "ack-mode", check: isWord(["no-ack", "on-publish", "on-confirm"]) },
  { name: "resource-cleanup-mode", check: isWord(["default", "never"]) },
  { name: "channel-use-mode", check: isWord(["multiple", "single"]) },
];

/** Credentials are not quoted, as RabbitMQ quotes them: such texts are logged. */
const isUri: ParameterCheck = (name, value) => {
  if (Array.isArray(value)) return value.map((uri) => isUri(name, uri)).find((fault) => fault !== undefined);
  if (typeof value !== "string") return `${name} should be list, actually was ${shownJson(value)}`;
  return /^amqps?:\/\//.test(value)
    ? undefined
    : `"${unreadable(value)}" not a valid URI: {unable_to_parse_uri,no_scheme}`;
};

const upstream: readonly FieldRule[] = [{ name: "uri", check: isUri, isMandatory: true }, ...shared];
const inSet: readonly FieldRule[] = [{ name: "upstream", check: isBinary, isMandatory: true }, ...shared];

export function registerFederation(parameters: Parameters): void {
  parameters.register("federation-upstream", { validate: (_vhost, name, value) => checkFields(name, upstream, value) });
  parameters.register("federation-upstream-set", {
    validate: (_vhost, name, value) =>
      Array.isArray(value)
        ? value.flatMap((each) => checkFields(name, inSet, each))
        : [`${name} not a list ${shownJson(value)}`],
  });
  parameters.register("federation", { validate: (_vhost, name) => [`name not recognised: ${shownJson(name)}`] });
}
