/**
 * The brokers that clients are told of. There is one, under one address or several: each address is a node to them, the first
 * is node 1, and every one of them answers for everything. Unless it is said what to tell them, a client is told the address
 * at which it came in, which is right but where a network in between changes addresses. What is said holds for one kind of
 * listener: `kafkas://host:port` for those with TLS, `host:port` for the others.
 */

import type { PeerAddress } from "../../server/protocol.ts";
import type { KafkaSettings } from "./settings.ts";

export interface Node {
  readonly id: number;
  readonly host: string;
  readonly port: number;
}

const secure = "kafkas://";
const plain = "kafka://";

/** At least one; to a client at `address`. */
export function nodesFor(settings: KafkaSettings, address: PeerAddress): readonly Node[] {
  const told = settings.advertised.filter((each) => each.startsWith(secure) === address.isTls);
  // A socket for both families of addresses shows those of the older one in the newer one's form.
  if (told.length === 0)
    return [{ id: 1, host: address.localAddress.replace(/^::ffff:/, ""), port: address.localPort }];
  return told.map((each, index) => {
    const colon = each.lastIndexOf(":");
    const host = each.slice(each.startsWith(secure) ? secure.length : each.startsWith(plain) ? plain.length : 0, colon);
    return { id: index + 1, host: host.replace(/^\[|\]$/g, ""), port: Number(each.slice(colon + 1)) };
  });
}

/** The one of a partition, a group or a transaction, by any number that stays the same. */
export function nodeOf(nodes: readonly Node[], index: number): Node {
  return nodes[index % nodes.length]!;
}
