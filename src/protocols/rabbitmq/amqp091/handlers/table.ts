/**
 * All methods that a client may send on a channel, each with its handler; the type checker complains when one is
 * missing. basic.publish, ack, nack and reject go by per message and have a way of their own (connection.ts).
 */

import type { Channel } from "../channel.ts";
import { Fault } from "../../model/errors.ts";
import type { Method, MethodArguments, MethodName } from "../frames.ts";
import { cancel, consume } from "./basic-consume.ts";
import { get } from "./basic-get.ts";
import { qos, recover, recoverAsync } from "./basic-settle.ts";
import { accessRequest, channelClose, channelCloseOk, channelFlow, channelFlowOk, channelOpen } from "./channel.ts";
import { confirmSelect } from "./confirm.ts";
import { exchangeBind, exchangeDeclare, exchangeDelete, exchangeUnbind } from "./exchange.ts";
import { queueBind, queueDeclare, queueDelete, queuePurge, queueUnbind } from "./queue.ts";
import { txCommit, txRollback, txSelect } from "./tx.ts";

/** Does what the method asks and sends its reply, or answers why not. */
export type Handler<N extends MethodName> = (channel: Channel, args: MethodArguments<N>) => Fault | undefined;

/** Sent by the broker only, on channel 0 only, or handled apart. */
type Elsewhere =
  | Extract<MethodName, `connection.${string}`>
  | Exclude<Extract<MethodName, `${string}-ok`>, "channel.close-ok" | "channel.flow-ok">
  | "basic.get-empty"
  | "basic.return"
  | "basic.deliver"
  | "basic.publish"
  | "basic.ack"
  | "basic.nack"
  | "basic.reject";

type HandledName = Exclude<MethodName, Elsewhere>;

const handlers: { readonly [N in HandledName]: Handler<N> } = {
  "channel.open": channelOpen,
  "channel.flow": channelFlow,
  "channel.flow-ok": channelFlowOk,
  "channel.close": channelClose,
  "channel.close-ok": channelCloseOk,
  "access.request": accessRequest,
  "exchange.declare": exchangeDeclare,
  "exchange.delete": exchangeDelete,
  "exchange.bind": exchangeBind,
  "exchange.unbind": exchangeUnbind,
  "queue.declare": queueDeclare,
  "queue.bind": queueBind,
  "queue.purge": queuePurge,
  "queue.delete": queueDelete,
  "queue.unbind": queueUnbind,
  "basic.qos": qos,
  "basic.consume": consume,
  "basic.cancel": cancel,
  "basic.get": get,
  "basic.recover-async": recoverAsync,
  "basic.recover": recover,
  "confirm.select": confirmSelect,
  "tx.select": txSelect,
  "tx.commit": txCommit,
  "tx.rollback": txRollback,
};

const waiting: ReadonlySet<MethodName> = new Set([
  "channel.close",
  "queue.declare",
  "queue.purge",
  "queue.delete",
  "basic.get",
]);

/** Whether what the connection has published must be durable, and so visible, before the method is handled. */
export function waitsForPublished(name: MethodName): boolean {
  return waiting.has(name);
}

export function handleOnChannel(channel: Channel, method: Method): Fault | undefined {
  const { name } = method;
  if (channel.state === "starting" && name !== "channel.open") {
    return new Fault("channelError", "expected 'channel.open'");
  }
  if (channel.state === "closing" && name !== "channel.close" && name !== "channel.close-ok") return undefined;
  const handler = Object.hasOwn(handlers, name) ? handlers[name as HandledName] : undefined;
  if (handler === undefined) return new Fault("commandInvalid", "unimplemented method");
  return (handler as Handler<MethodName>)(channel, method.args);
}
