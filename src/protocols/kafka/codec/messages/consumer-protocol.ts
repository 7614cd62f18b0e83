/** What consumers say of themselves in the opaque bytes of JoinGroup. The broker looks for their topics in it. */

import { array, bytes, int32, string } from "../fields.ts";
import { messageSchema } from "../schema.ts";

export const consumerProtocolSubscription = messageSchema("ConsumerProtocolSubscription", -1, "0-3", "none", {
  topics: array("0+", "string"),
  userData: bytes("0+", { nullable: "0+", default: null }),
  ownedPartitions: array("1+", { topic: string("1+"), partitions: array("1+", "int32") }),
  generationId: int32("2+", { default: -1 }),
  rackId: string("3+", { nullable: "3+", default: null }),
});
