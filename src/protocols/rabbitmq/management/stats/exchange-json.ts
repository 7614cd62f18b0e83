/** Exchanges as `/api/exchanges` shows them. */

import type { Exchange } from "../../../../broker/api.ts";
import { exchangeDeclaration } from "../../model/declaration.ts";
import { firstExchanges } from "../../model/declare-exchange.ts";
import { jsonOfTable } from "../../model/json-table.ts";
import { exchangeMeasures, readExchange } from "./measures.ts";
import type { PolicyView } from "./policy-view.ts";
import type { Fields, Measure, SampleRanges } from "./rates.ts";
import type { Stats } from "./stats.ts";

const firstNames = new Set(firstExchanges.map(({ name }) => name));

/** What there is without statistics. Who declared it is not kept; RabbitMQ's own exchanges are its own. */
export function plainExchangeJson(exchange: Exchange, vhost: string, policies: PolicyView): Fields {
  const declaration = exchangeDeclaration(exchange);
  return {
    arguments: jsonOfTable(declaration.arguments),
    auto_delete: exchange.settings.autoDelete,
    durable: exchange.settings.durable,
    internal: declaration.internal,
    name: exchange.name,
    type: declaration.type,
    user_who_performed_action: firstNames.has(exchange.name) ? "rmq-internal" : "none",
    vhost,
    ...policies.ofExchange(exchange),
  };
}

export function exchangeJson(
  exchange: Exchange,
  vhost: string,
  stats: Stats,
  policies: PolicyView,
  ranges: SampleRanges,
): Fields {
  const fields = plainExchangeJson(exchange, vhost, policies);
  const values = new Float64Array(exchangeMeasures.columns);
  readExchange(exchange, values);
  if (values[0] === 0 && values[1] === 0) return fields;
  const now = ({ columns }: Measure): number => columns.reduce((sum, column) => sum + values[column]!, 0);
  const view = stats.sampler.viewOf(exchange);
  const messageStats: Fields = {};
  view.add(messageStats, exchangeMeasures.publishIn, now, ranges.messageRates);
  view.add(messageStats, exchangeMeasures.publishOut, now, ranges.messageRates);
  fields["message_stats"] = messageStats;
  return fields;
}
