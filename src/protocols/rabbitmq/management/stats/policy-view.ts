/** Which policies hold for a queue or an exchange, in the fields in which lists show them. */

import type { Exchange, Queue } from "../../../../broker/api.ts";
import type { RabbitServer } from "../../model/server.ts";
import type { Fields } from "./rates.ts";

export interface PolicyView {
  ofQueue(queue: Queue): Fields;
  ofExchange(exchange: Exchange, vhost: string): Fields;
}

export function policyView(_server: RabbitServer): PolicyView {
  return {
    ofQueue: () => ({ policy: null, operator_policy: null, effective_policy_definition: {} }),
    ofExchange: () => ({}),
  };
}
