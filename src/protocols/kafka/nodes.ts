/**
 * The brokers that clients are told of. There is one, under one address or several: each address is a node to them, the first
 * is node `kafka.nodeId`, and every one of them answers for everything. Unless it is said what to tell them, a client is told the ports of
 * the kind at which it came in, which is right but where a network in between changes addresses. What is said holds for one kind of
 * listener: `kafkas://host:port` for those with TLS, `host:port` for the others.
 */

import type { OpenPort, PeerAddress } from "../../server/protocol.ts";
import type { KafkaServer } from "./server.ts";

export interface Node {
  readonly id: number;
  readonly host: string;
  readonly port: number;
}

const secure = "kafkas://";
const plain = "kafka://";

/** At least one; to a client at `address`. */
export function nodesFor(
  { settings, ports }: Pick<KafkaServer, "settings" | "ports">,
  address: PeerAddress,
): readonly Node[] {
  const told = settings.advertised.filter((each) => each.startsWith(secure) === address.isTls);
  // A socket for both families of addresses shows those of the older one in the newer one's form.
  const host = address.localAddress.replace(/^::ffff:/, "");
  const firstId = settings.nodeId;
  if (told.length === 0) return ownNodes(ports(), host, address, firstId);
  return told.map((each, index) => {
    const colon = each.lastIndexOf(":");
    const name = each.slice(each.startsWith(secure) ? secure.length : each.startsWith(plain) ? plain.length : 0, colon);
    return { id: firstId + index, host: name.replace(/^\[|\]$/g, ""), port: Number(each.slice(colon + 1)) };
  });
}

/** The ports of the kind at which the client came in, in the order of the settings; that one alone, if there is no other. */
function ownNodes(
  ports: readonly OpenPort[],
  host: string,
  { localPort, isTls }: PeerAddress,
  firstId: number,
): readonly Node[] {
  const alike = ports.filter(({ name }) => name === (isTls ? "kafkas" : "kafka"));
  if (!alike.some(({ port }) => port === localPort)) return [{ id: firstId, host, port: localPort }];
  return alike.map(({ port, host: bound }, index) => ({
    id: firstId + index,
    host: isEverywhere(bound) ? host : bound,
    port,
  }));
}

function isEverywhere(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/** The one of a partition, a group or a transaction, by any number that stays the same. */
export function nodeOf(nodes: readonly Node[], index: number): Node {
  return nodes[index % nodes.length]!;
}

/**
 * Whether the client is at another node than the one at `index`. False where that cannot be told: with one node alone, or if
 * clients are told of ports that are not ours, which somebody in between has led here.
 */
export function isElsewhere(
  { ports }: Pick<KafkaServer, "ports">,
  nodes: readonly Node[],
  { localPort, isTls }: PeerAddress,
  index: number,
): boolean {
  const own = ports().filter((port) => port.isTls === isTls);
  const isOurs = nodes.every(({ port }) => own.some((each) => each.port === port));
  const here = nodes.filter(({ port }) => port === localPort);
  return isOurs && here.length === 1 && here[0] !== nodeOf(nodes, index);
}
