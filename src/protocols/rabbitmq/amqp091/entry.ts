/** Whom a virtual host lets in: what connection.open checks, in RabbitMQ's order and words. */

import type { Identity } from "../../../auth/identity.ts";
import type { AmqpConnection } from "./connection.ts";
import { Fault } from "../model/errors.ts";
import type { RabbitServer } from "../model/server.ts";
import type { Vhost } from "../model/vhosts.ts";

export function enter(server: RabbitServer, user: Identity, name: string): Vhost | Fault {
  const vhost = server.vhosts.find(name);
  if (vhost === undefined) return new Fault("notAllowed", `vhost ${name} not found`);
  const refused = `access to vhost '${name}' refused for user '${user.name}'`;
  const vhostMax = server.vhostLimits.connectionsMax(name);
  if (isReached(vhostMax, server.live.countInVhost(name))) {
    return new Fault("notAllowed", `${refused}: connection limit (${vhostMax}) is reached`);
  }
  if (isReached(user.connectionsMax, server.live.countOfUser(user.name))) {
    const limit = `user connection limit (${user.connectionsMax}) is reached`;
    return new Fault("notAllowed", `connection refused for user '${user.name}': ${limit}`);
  }
  return user.mayEnter(name) ? vhost : new Fault("notAllowed", refused);
}

/** Whether the connection, or the user over all connections, has as many channels as allowed. */
export function checkChannels({ channelMax, channels, user, hub }: AmqpConnection): Fault | undefined {
  const { server } = hub;
  if (channelMax !== 0 && channels.size >= channelMax) {
    const text = `number of channels opened (${channels.size}) has reached the negotiated channel_max (${channelMax})`;
    return new Fault("notAllowed", text);
  }
  if (!isReached(user.channelsMax, server.live.channelCountOfUser(user.name))) return undefined;
  const limit = `the maximum allowed user limit of (${user.channelsMax})`;
  return new Fault("notAllowed", `number of channels opened for user '${user.name}' has reached ${limit}`);
}

/** @param most -1: no limit; 0: nobody at all. */
function isReached(most: number, count: number): boolean {
  return most >= 0 && count >= most;
}
