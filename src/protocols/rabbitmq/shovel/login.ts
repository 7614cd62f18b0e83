/** What a client says of itself by AMQPLAIN: a table of LOGIN and PASSWORD, without its length. */

import { tableBytes, tableOf, writeTable } from "../model/field-table.ts";

export function encodeAmqpPlain(user: string, password: string): Buffer {
  const table = tableOf({ LOGIN: user, PASSWORD: password });
  const bytes = Buffer.alloc(tableBytes(table));
  writeTable(bytes, 0, table);
  return bytes.subarray(4);
}
