/**
 * AMQP 0-9-1 with RabbitMQ's extensions as two tables, written from the specification for the tests alone. The broker
 * has its own tables; that these are other ones is the point: a wrong id or a field in the wrong place on one side shows.
 *
 * A method reads `class.method id: field:type ...`. Types: o octet, s short, l long, L longlong, b bit (neighbouring
 * bits share an octet), S short string, X long string, T table. A field whose name starts with `_` is reserved: sent as
 * zero unless given, never shown.
 */
const METHODS = `
connection.start 10,10 version-major:o version-minor:o server-properties:T mechanisms:X locales:X
connection.start-ok 10,11 client-properties:T mechanism:S response:X locale:S
connection.secure 10,20 challenge:X
connection.secure-ok 10,21 response:X
connection.tune 10,30 channel-max:s frame-max:l heartbeat:s
connection.tune-ok 10,31 channel-max:s frame-max:l heartbeat:s
connection.open 10,40 virtual-host:S _capabilities:S _insist:b
connection.open-ok 10,41 _known-hosts:S
connection.close 10,50 reply-code:s reply-text:S class-id:s method-id:s
connection.close-ok 10,51
connection.blocked 10,60 reason:S
connection.unblocked 10,61
connection.update-secret 10,70 new-secret:X reason:S
connection.update-secret-ok 10,71
channel.open 20,10 _out-of-band:S
channel.open-ok 20,11 _channel-id:X
channel.flow 20,20 active:b
channel.flow-ok 20,21 active:b
channel.close 20,40 reply-code:s reply-text:S class-id:s method-id:s
channel.close-ok 20,41
access.request 30,10 realm:S exclusive:b passive:b active:b write:b read:b
access.request-ok 30,11 ticket:s
exchange.declare 40,10 _ticket:s exchange:S type:S passive:b durable:b auto-delete:b internal:b nowait:b arguments:T
exchange.declare-ok 40,11
exchange.delete 40,20 _ticket:s exchange:S if-unused:b nowait:b
exchange.delete-ok 40,21
exchange.bind 40,30 _ticket:s destination:S source:S routing-key:S nowait:b arguments:T
exchange.bind-ok 40,31
exchange.unbind 40,40 _ticket:s destination:S source:S routing-key:S nowait:b arguments:T
exchange.unbind-ok 40,51
queue.declare 50,10 _ticket:s queue:S passive:b durable:b exclusive:b auto-delete:b nowait:b arguments:T
queue.declare-ok 50,11 queue:S message-count:l consumer-count:l
queue.bind 50,20 _ticket:s queue:S exchange:S routing-key:S nowait:b arguments:T
queue.bind-ok 50,21
queue.purge 50,30 _ticket:s queue:S nowait:b
queue.purge-ok 50,31 message-count:l
queue.delete 50,40 _ticket:s queue:S if-unused:b if-empty:b nowait:b
queue.delete-ok 50,41 message-count:l
queue.unbind 50,50 _ticket:s queue:S exchange:S routing-key:S arguments:T
queue.unbind-ok 50,51
basic.qos 60,10 prefetch-size:l prefetch-count:s global:b
basic.qos-ok 60,11
basic.consume 60,20 _ticket:s queue:S consumer-tag:S no-local:b no-ack:b exclusive:b nowait:b arguments:T
basic.consume-ok 60,21 consumer-tag:S
basic.cancel 60,30 consumer-tag:S nowait:b
basic.cancel-ok 60,31 consumer-tag:S
basic.publish 60,40 _ticket:s exchange:S routing-key:S mandatory:b immediate:b
basic.return 60,50 reply-code:s reply-text:S exchange:S routing-key:S
basic.deliver 60,60 consumer-tag:S delivery-tag:L redelivered:b exchange:S routing-key:S
basic.get 60,70 _ticket:s queue:S no-ack:b
basic.get-ok 60,71 delivery-tag:L redelivered:b exchange:S routing-key:S message-count:l
basic.get-empty 60,72 _cluster-id:S
basic.ack 60,80 delivery-tag:L multiple:b
basic.reject 60,90 delivery-tag:L requeue:b
basic.recover-async 60,100 requeue:b
basic.recover 60,110 requeue:b
basic.recover-ok 60,111
basic.nack 60,120 delivery-tag:L multiple:b requeue:b
tx.select 90,10
tx.select-ok 90,11
tx.commit 90,20
tx.commit-ok 90,21
tx.rollback 90,30
tx.rollback-ok 90,31
confirm.select 85,10 nowait:b
confirm.select-ok 85,11
`;

export type FieldType = "o" | "s" | "l" | "L" | "b" | "S" | "X" | "T";
export interface Field {
  readonly name: string;
  readonly type: FieldType;
  readonly isReserved: boolean;
}
export interface Method {
  readonly name: string;
  readonly classId: number;
  readonly methodId: number;
  readonly fields: readonly Field[];
}

export const methodByName = new Map<string, Method>();
export const methodById = new Map<number, Method>();

for (const line of METHODS.trim().split("\n")) {
  const [name = "", ids = "", ...fields] = line.split(" ");
  const [classId = 0, methodId = 0] = ids.split(",").map(Number);
  const method: Method = {
    name,
    classId,
    methodId,
    fields: fields.map((text) => {
      const [field = "", type = ""] = text.split(":");
      return { name: field, type: type as FieldType, isReserved: field.startsWith("_") };
    }),
  };
  methodByName.set(name, method);
  methodById.set((classId << 16) | methodId, method);
}

/** Methods that a content header and body follow. */
export const CONTENT_METHODS = new Set(["basic.publish", "basic.return", "basic.deliver", "basic.get-ok"]);

/** The properties of class basic, from flag bit 15 downwards; D is a 64-bit timestamp. */
export const PROPERTIES: readonly (readonly [name: string, type: FieldType | "D"])[] = [
  ["content-type", "S"],
  ["content-encoding", "S"],
  ["headers", "T"],
  ["delivery-mode", "o"],
  ["priority", "o"],
  ["correlation-id", "S"],
  ["reply-to", "S"],
  ["expiration", "S"],
  ["message-id", "S"],
  ["timestamp", "D"],
  ["type", "S"],
  ["user-id", "S"],
  ["app-id", "S"],
  ["cluster-id", "S"],
];
