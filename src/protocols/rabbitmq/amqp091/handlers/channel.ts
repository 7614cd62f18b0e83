/**
 * The channel class, and access.request.
 *
 * channel.open, close and close-ok; flow (only `active`, which changes nothing; stopping deliveries is refused, as
 * RabbitMQ refuses it); access.request answers that everything is allowed, for clients of AMQP 0-8's time. A close is
 * answered when what the channel has published is durable.
 */

import type { Channel } from "../channel.ts";
import { Fault } from "../../model/errors.ts";
import type { MethodArguments } from "../frames.ts";

export function channelOpen(channel: Channel): Fault | undefined {
  if (channel.state !== "starting") {
    return channel.state === "closing" ? undefined : new Fault("channelError", "second 'channel.open' seen");
  }
  channel.opened();
  channel.connection.send(channel.number, "channel.open-ok", { channelId: "" });
  return undefined;
}

export function channelClose(channel: Channel): undefined {
  const { connection } = channel;
  connection.commitWait.answer();
  connection.send(channel.number, "channel.close-ok", {});
  // After the broker's own close, the client's close-ok is still to come.
  if (channel.state === "closing") return undefined;
  channel.release();
  connection.forget(channel);
  return undefined;
}

export function channelCloseOk(channel: Channel): Fault | undefined {
  if (channel.state !== "closing") return new Fault("commandInvalid", "unimplemented method");
  channel.connection.forget(channel);
  return undefined;
}

export function channelFlow(channel: Channel, args: MethodArguments<"channel.flow">): Fault | undefined {
  if (!args.active) return new Fault("notImplemented", "active=false");
  channel.connection.send(channel.number, "channel.flow-ok", { active: true });
  return undefined;
}

export function channelFlowOk(): Fault {
  return new Fault("commandInvalid", "unimplemented method");
}

export function accessRequest(channel: Channel): undefined {
  channel.connection.send(channel.number, "access.request-ok", { ticket: 1 });
  return undefined;
}
