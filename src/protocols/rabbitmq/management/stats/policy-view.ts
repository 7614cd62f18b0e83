/** Which policies hold for a queue or an exchange, in the fields in which lists show them. */

import type { Exchange, Queue } from "../../../../broker/api.ts";
import type { RabbitServer } from "../../model/server.ts";
import type { Fields } from "./rates.ts";

export interface PolicyView {
  ofQueue(queue: Queue): Fields;
  ofExchange(exchange: Exchange): Fields;
}

export function policyView({ policies }: RabbitServer): PolicyView {
  return {
    ofQueue: (queue) => ({
      policy: policies.policyOf(queue)?.name ?? null,
      operator_policy: policies.operatorPolicyOf(queue)?.name ?? null,
      effective_policy_definition: policies.effectiveDefinition(queue) ?? {},
    }),
    ofExchange: (exchange) => {
      const name = policies.policyOf(exchange)?.name;
      return name === undefined ? {} : { policy: name };
    },
  };
}
