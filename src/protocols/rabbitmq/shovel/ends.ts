/** How shovels reach brokers: one of a list of addresses, this broker or another. */

import type { Identity } from "../../../auth/identity.ts";
import type { Clock } from "../../../base/clock.ts";
import type { Random } from "../../../base/random.ts";
import type { Dial } from "../../../server/dial.ts";
import type { Peer, Protocol } from "../../../server/protocol.ts";
import { withoutCredentials } from "../model/shown-uri.ts";
import { AddressFault, parseAddress, type BrokerAddress } from "./address.ts";
import { Client, type ClientLogin } from "./client.ts";
import { openLocalLink } from "./local-link.ts";

/** A client that is logged in, and where. */
export interface ShovelEnd {
  readonly client: Client;
  /** Without credentials. */
  readonly uri: string;
}

export interface Ends {
  readonly dial: Dial;
  readonly clock: Clock;
  readonly random: Random;
  /** AMQP 0-9-1 of this broker. */
  readonly own: Protocol;
  readonly version: string;
}

/** Where to give up what is under way. */
export interface Attempt {
  readonly isOver: boolean;
  onOver(run: () => void): void;
}

/**
 * Logs in at one of the addresses, in an order of chance.
 * @param ended called when the connection is over; not for attempts that fail.
 * @param failed told of each address that cannot be reached.
 * @throws Error when none is left
 */
export async function connectToOne(
  ends: Ends,
  uris: readonly string[],
  connectionName: string,
  attempt: Attempt,
  ended: (error: Error) => void,
  failed: (uri: string, error: Error) => void,
): Promise<ShovelEnd> {
  const left = [...uris];
  while (left.length > 0 && !attempt.isOver) {
    const [text] = left.splice(Math.floor(ends.random.next() * left.length), 1) as [string];
    const uri = withoutCredentials(text);
    try {
      return { client: await connect(ends, text, connectionName, attempt, ended), uri };
    } catch (error) {
      failed(uri, error as Error);
    }
  }
  throw new Error("failed_to_connect_using_provided_uris");
}

async function connect(
  ends: Ends,
  text: string,
  connectionName: string,
  attempt: Attempt,
  ended: (error: Error) => void,
): Promise<Client> {
  const address = parseAddress(text);
  if (address instanceof AddressFault) throw new Error(address.reason);
  const login = loginOf(address, connectionName, ends.version);
  let isOpen = false;
  const open = (peer: Peer): Client =>
    new Client(peer, login, ends.clock, (error) => (isOpen ? ended(error) : undefined));
  const client =
    address.remote === undefined ? openLocal(ends, address, open) : await dialled(ends, address, attempt, open);
  attempt.onOver(() => client.abandon(new Error("given up")));
  const timer = ends.clock.setTimer(ends.clock.now() + (address.remote?.timeoutMs ?? 60_000), () =>
    client.abandon(new Error("logging in took too long")),
  );
  try {
    await client.open();
  } catch (error) {
    client.abandon(error as Error);
    throw error;
  } finally {
    ends.clock.clearTimer(timer);
  }
  isOpen = true;
  return client;
}

function openLocal(ends: Ends, address: BrokerAddress, open: (peer: Peer) => Client): Client {
  // With a name it is that user's login, by password as anywhere else.
  return openLocalLink(ends.own, address.user === undefined ? insider : undefined, ends.clock, open);
}

function dialled(ends: Ends, address: BrokerAddress, attempt: Attempt, open: (peer: Peer) => Client): Promise<Client> {
  const { remote } = address;
  return new Promise((resolve, reject) => {
    if (remote === undefined) return;
    const giveUp = ends.dial(
      remote,
      (peer) => {
        const client = open(peer);
        // Not before the peer has its connection.
        ends.clock.defer(() => resolve(client));
        return client;
      },
      reject,
    );
    attempt.onOver(giveUp);
  });
}

function loginOf(address: BrokerAddress, connectionName: string, version: string): ClientLogin {
  const isOther = address.remote !== undefined;
  return {
    mechanism: isOther ? address.mechanism : "PLAIN",
    user: address.user ?? "guest",
    password: address.password ?? (address.user === undefined ? "guest" : ""),
    vhost: address.vhost,
    // Without a socket there is nothing that could die in silence.
    heartbeatSeconds: isOther ? address.heartbeatSeconds : 0,
    channelMax: address.channelMax,
    frameMaxBytes: address.frameMaxBytes,
    connectionName,
    product: "Entrepot shovel",
    version,
  };
}

/**
 * Who a shovel is at this broker: a part of it, which may do all, as RabbitMQ's direct connections may. Who sets a shovel must
 * be allowed to enter the virtual hosts that it names.
 */
const insider: Identity = {
  name: "none",
  // What it moves may say whose it is.
  tags: ["impersonator"],
  version: 0,
  expiresAtMs: Infinity,
  connectionsMax: -1,
  channelsMax: -1,
  mayEnter: () => true,
  may: () => true,
  mayTopic: () => true,
};
