/** confirm.select: publishes are answered with ack or nack from now on. Refused on a channel in tx mode. */

import type { Channel } from "../channel.ts";
import { Fault } from "../../model/errors.ts";
import type { MethodArguments } from "../frames.ts";

export function confirmSelect(channel: Channel, args: MethodArguments<"confirm.select">): Fault | undefined {
  if (channel.transaction !== undefined) {
    return new Fault("preconditionFailed", "cannot switch from tx to confirm mode");
  }
  channel.enableConfirms();
  if (!args.noWait) channel.connection.send(channel.number, "confirm.select-ok", {});
  return undefined;
}
