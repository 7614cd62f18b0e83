/** Exchanges: declaring, deleting, and everything that is refused. */
import { family } from "../scenario.ts";
import { as } from "../values.ts";

const scenario = family("exchange");

scenario("each core type is declared, and declared again", async (t) => {
  const ch = await t.channel();
  for (const type of ["direct", "fanout", "topic", "headers"]) {
    const exchange = t.name(type);
    await ch.call("exchange.declare", { exchange, type });
    await ch.call("exchange.declare", { exchange, type });
    await ch.call("exchange.delete", { exchange });
  }
});

scenario("a declare that differs from what exists is refused with the argument named", async (t) => {
  const ch = await t.channel();
  const exchange = t.name("x");
  await ch.call("exchange.declare", { exchange, type: "direct" });
  await ch.call("exchange.declare", { exchange, type: "fanout" });
  await ch.call("exchange.declare", { exchange, type: "direct", durable: true });
  await ch.call("exchange.declare", { exchange, type: "direct", "auto-delete": true });
  await ch.call("exchange.declare", { exchange, type: "direct", internal: true });
  await ch.call("exchange.declare", { exchange, type: "topic", durable: true, "auto-delete": true, internal: true });
});

scenario("a durable exchange declared as transient is refused", async (t) => {
  const ch = await t.channel();
  const exchange = t.name("x");
  await ch.call("exchange.declare", { exchange, type: "topic", durable: true });
  await ch.call("exchange.declare", { exchange, type: "topic" });
});

scenario("another alternate exchange than the declared one is refused", async (t) => {
  const ch = await t.channel();
  const exchange = t.name("x");
  await ch.call("exchange.declare", { exchange, arguments: { "alternate-exchange": t.name("a") } });
  await ch.call("exchange.declare", { exchange, arguments: { "alternate-exchange": t.name("a") } });
  await ch.call("exchange.declare", { exchange, arguments: { "alternate-exchange": t.name("b") } });
  await ch.call("exchange.declare", { exchange });
});

scenario("an alternate exchange that is no string is refused", async (t) => {
  const ch = await t.channel();
  const exchange = t.name("x");
  await ch.call("exchange.declare", { exchange, arguments: { "alternate-exchange": 5 } });
  await ch.call("exchange.declare", { exchange, arguments: { "alternate-exchange": true } });
  await ch.call("exchange.declare", { exchange, arguments: { "alternate-exchange": "" } });
});

scenario("unknown arguments of an exchange are accepted and not compared", async (t) => {
  const ch = await t.channel();
  const exchange = t.name("x");
  await ch.call("exchange.declare", { exchange, arguments: { "x-mine": 5 } });
  await ch.call("exchange.declare", { exchange, arguments: { "x-mine": "other" } });
  await ch.call("exchange.declare", { exchange });
});

scenario("an unknown exchange type closes the connection", async (t) => {
  for (const type of ["nosuchtype", "", "Direct", "amq.direct"]) {
    const ch = await t.channel();
    await ch.call("exchange.declare", { exchange: t.name("x"), type });
  }
});

scenario("a passive declare of an exchange finds it whatever else it says", async (t) => {
  const ch = await t.channel();
  const exchange = t.name("x");
  await ch.call("exchange.declare", { exchange, type: "topic" });
  await ch.call("exchange.declare", { exchange, type: "topic", passive: true });
  await ch.call("exchange.declare", { exchange, type: "fanout", passive: true, durable: true });
  await ch.call("exchange.declare", { exchange, type: "nosuchtype", passive: true });
  await ch.call("exchange.declare", { exchange, type: "", passive: true });
});

scenario("a passive declare of an exchange that does not exist is refused", async (t) => {
  const ch = await t.channel();
  await ch.call("exchange.declare", { exchange: t.name("nowhere"), type: "direct", passive: true });
  await ch.call("exchange.declare", { exchange: "amq.nowhere", type: "direct", passive: true });
  await ch.call("exchange.declare", { exchange: "", type: "direct", passive: true });
});

scenario("the pre-declared exchanges exist and can be declared as they are", async (t) => {
  const ch = await t.channel();
  for (const [exchange, type] of [
    ["amq.direct", "direct"],
    ["amq.fanout", "fanout"],
    ["amq.topic", "topic"],
    ["amq.headers", "headers"],
    ["amq.match", "headers"],
  ]) {
    await ch.call("exchange.declare", { exchange, type, passive: true });
    await ch.call("exchange.declare", { exchange, type, durable: true });
    await ch.call("exchange.declare", { exchange, type });
  }
  await ch.call("exchange.declare", { exchange: "amq.rabbitmq.trace", type: "topic", durable: true, internal: true });
  await ch.call("exchange.declare", { exchange: "amq.rabbitmq.trace", type: "topic", passive: true });
});

scenario("a new exchange with a reserved name is refused", async (t) => {
  const ch = await t.channel();
  await ch.call("exchange.declare", { exchange: "amq.mine", type: "direct" });
  await ch.call("exchange.declare", { exchange: "amq.", type: "direct" });
  await ch.call("exchange.declare", { exchange: "amq.rabbitmq.mine", type: "direct" });
});

scenario("the default exchange can not be declared, deleted, bound or unbound", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  const exchange = await t.exchange(ch, "x");
  await ch.call("exchange.declare", { exchange: "", type: "direct", durable: true });
  await ch.call("exchange.delete", { exchange: "" });
  await ch.call("queue.bind", { queue, exchange: "", "routing-key": "k" });
  await ch.call("queue.unbind", { queue, exchange: "", "routing-key": queue });
  await ch.call("exchange.bind", { destination: exchange, source: "", "routing-key": "k" });
  await ch.call("exchange.bind", { destination: "", source: exchange, "routing-key": "k" });
  await ch.call("exchange.unbind", { destination: exchange, source: "", "routing-key": "k" });
});

scenario("a reserved exchange can not be deleted", async (t) => {
  const ch = await t.channel();
  await ch.call("exchange.delete", { exchange: "amq.direct" });
  await ch.call("exchange.delete", { exchange: "amq.nowhere" });
  await ch.call("exchange.delete", { exchange: "amq.rabbitmq.trace" });
});

scenario("line breaks are taken out of an exchange name", async (t) => {
  const ch = await t.channel();
  const exchange = t.name("with\r\nbreaks\n");
  t.name("withbreaks");
  await ch.call("exchange.declare", { exchange });
  await ch.call("exchange.declare", { exchange: t.name("withbreaks"), passive: true });
  await ch.call("exchange.declare", { exchange, passive: true });
});

scenario("an exchange can have any name up to 255 bytes", async (t) => {
  const ch = await t.channel();
  for (const text of ["with space", "ünïcödé", "a/b#*", '"quoted"', "it's"]) {
    const exchange = t.name(text);
    await ch.call("exchange.declare", { exchange });
    await ch.call("exchange.declare", { exchange, durable: true });
  }
  const long = t.name("y").padEnd(255, "y");
  const declared = await ch.quiet("exchange.declare", { exchange: long });
  const deleted = await ch.quiet("exchange.delete", { exchange: long });
  t.note(`255 bytes: ${declared.name}, ${deleted.name}`);
});

scenario("deleting an exchange that does not exist is no error", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x");
  await ch.call("exchange.delete", { exchange });
  await ch.call("exchange.delete", { exchange });
  await ch.call("exchange.delete", { exchange, "if-unused": true });
});

scenario("an exchange with bindings is not deleted if it must be unused", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x");
  const queue = await t.queue(ch, "q");
  await t.bind(ch, queue, exchange, "k");
  await ch.call("exchange.delete", { exchange, "if-unused": true });
  await ch.call("queue.unbind", { queue, exchange, "routing-key": "k" });
  await ch.call("exchange.delete", { exchange, "if-unused": true });
  await ch.call("exchange.declare", { exchange, passive: true });
});

scenario("an exchange that is only a destination counts as unused", async (t) => {
  const ch = await t.channel();
  const source = await t.exchange(ch, "source");
  const destination = await t.exchange(ch, "destination");
  await ch.call("exchange.bind", { source, destination, "routing-key": "k" });
  await ch.call("exchange.delete", { exchange: source, "if-unused": true });
  await ch.call("exchange.delete", { exchange: destination, "if-unused": true });
  await ch.call("exchange.delete", { exchange: source, "if-unused": true });
});

scenario("an auto-delete exchange goes with its last binding", async (t) => {
  const ch = await t.channel();
  const exchange = t.name("x");
  const queue = await t.queue(ch, "q");
  await ch.call("exchange.declare", { exchange, "auto-delete": true });
  await ch.call("exchange.declare", { exchange, passive: true });
  await ch.call("queue.bind", { queue, exchange, "routing-key": "a" });
  await ch.call("queue.bind", { queue, exchange, "routing-key": "b" });
  await ch.call("queue.unbind", { queue, exchange, "routing-key": "a" });
  await ch.call("exchange.declare", { exchange, passive: true });
  await ch.call("queue.unbind", { queue, exchange, "routing-key": "b" });
  await ch.call("exchange.declare", { exchange, passive: true });
});

scenario("an auto-delete exchange goes when its last queue is deleted", async (t) => {
  const ch = await t.channel();
  const exchange = t.name("x");
  const queue = await t.queue(ch, "q");
  await ch.call("exchange.declare", { exchange, "auto-delete": true });
  await ch.call("queue.bind", { queue, exchange, "routing-key": "a" });
  await ch.call("queue.delete", { queue });
  await ch.call("exchange.declare", { exchange, passive: true });
});

scenario("auto-delete passes along a chain of exchanges", async (t) => {
  const ch = await t.channel();
  const [first, second] = [t.name("first"), t.name("second")];
  const queue = await t.queue(ch, "q");
  await ch.call("exchange.declare", { exchange: first, type: "fanout", "auto-delete": true });
  await ch.call("exchange.declare", { exchange: second, type: "fanout", "auto-delete": true });
  await ch.call("exchange.bind", { source: first, destination: second });
  await ch.call("queue.bind", { queue, exchange: second });
  await ch.call("queue.unbind", { queue, exchange: second });
  await ch.call("exchange.declare", { exchange: second, passive: true });
  await ch.call("exchange.declare", { exchange: first, passive: true });
});

scenario("an internal exchange takes no publishes of clients but passes on those of exchanges", async (t) => {
  const ch = await t.channel();
  const [inside, outside] = [t.name("inside"), t.name("outside")];
  const queue = await t.queue(ch, "q");
  await ch.call("exchange.declare", { exchange: inside, type: "fanout", internal: true });
  await ch.call("exchange.declare", { exchange: outside, type: "fanout" });
  await ch.call("exchange.bind", { source: outside, destination: inside });
  await ch.call("queue.bind", { queue, exchange: inside });
  ch.publish(outside, "k", "through");
  await ch.barrier(queue);
  ch.publish(inside, "k", "direct");
  await ch.recv(1);
  await ch.call("basic.get", { queue, "no-ack": true });
});

scenario("publishing to an exchange that does not exist closes the channel", async (t) => {
  const ch = await t.channel();
  ch.publish(t.name("nowhere"), "k", "lost");
  await ch.recv(1);
  await ch.open();
  ch.publish(t.name("nowhere"), "k", "lost", {}, { mandatory: true });
  await ch.recv(1);
});

scenario("no reply is sent to exchange methods that want none", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  const [one, two] = [t.name("one"), t.name("two")];
  ch.send("exchange.declare", { exchange: one, type: "fanout", nowait: true });
  ch.send("exchange.declare", { exchange: two, type: "fanout", nowait: true });
  ch.send("exchange.bind", { source: one, destination: two, nowait: true });
  await t.bind(ch, queue, two);
  ch.publish(one, "", "passed on");
  await ch.barrier(queue);
  ch.send("exchange.unbind", { source: one, destination: two, nowait: true });
  ch.publish(one, "", "not passed on");
  await ch.barrier(queue);
  ch.send("exchange.delete", { exchange: one, nowait: true });
  await ch.call("exchange.declare", { exchange: one, passive: true });
});

scenario("errors come also to exchange methods that want no reply", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x");
  ch.send("exchange.declare", { exchange, type: "fanout", nowait: true });
  await ch.recv(1);
  await ch.open();
  ch.send("exchange.bind", { source: exchange, destination: t.name("nowhere"), nowait: true });
  await ch.recv(1);
});

scenario("messages that no binding takes go to the alternate exchange", async (t) => {
  const ch = await t.channel();
  const alternate = await t.exchange(ch, "alternate", "fanout");
  const exchange = await t.exchange(ch, "x", "direct", { "alternate-exchange": alternate });
  const [bound, rest] = [await t.queue(ch, "bound"), await t.queue(ch, "rest")];
  await t.bind(ch, bound, exchange, "k");
  await t.bind(ch, rest, alternate);
  ch.publish(exchange, "k", "bound");
  ch.publish(exchange, "other", "for the rest", {}, { mandatory: true });
  await ch.barrier(bound);
  await ch.barrier(rest);
  await ch.call("basic.get", { queue: rest, "no-ack": true });
});

scenario("alternate exchanges form a chain, and the last one returns what is mandatory", async (t) => {
  const ch = await t.channel();
  const last = await t.exchange(ch, "last", "direct");
  const middle = await t.exchange(ch, "middle", "direct", { "alternate-exchange": last });
  const first = await t.exchange(ch, "first", "direct", { "alternate-exchange": middle });
  const queue = await t.queue(ch, "q");
  await t.bind(ch, queue, last, "k");
  ch.publish(first, "k", "to the last", {}, { mandatory: true });
  await ch.barrier(queue);
  ch.publish(first, "other", "to nobody", {}, { mandatory: true });
  await ch.recv(1);
});

scenario("an alternate exchange that does not exist is the same as none", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x", "direct", { "alternate-exchange": t.name("nowhere") });
  ch.publish(exchange, "k", "to nobody", {}, { mandatory: true });
  await ch.recv(1);
  ch.publish(exchange, "k", "to nobody");
  await ch.call("confirm.select");
});

scenario("exchanges that are each other's alternate do not loop", async (t) => {
  const ch = await t.channel();
  const one = await t.exchange(ch, "one", "direct", { "alternate-exchange": t.name("two") });
  await t.exchange(ch, "two", "direct", { "alternate-exchange": one });
  ch.publish(one, "k", "to nobody", {}, { mandatory: true });
  await ch.recv(1);
});

scenario("the routing key and exchange seen behind an alternate exchange are the original ones", async (t) => {
  const ch = await t.channel();
  const alternate = await t.exchange(ch, "alternate", "topic");
  const exchange = await t.exchange(ch, "x", "direct", { "alternate-exchange": alternate });
  const queue = await t.queue(ch, "q");
  await t.bind(ch, queue, alternate, "a.#");
  ch.publish(exchange, "a.b", "first");
  await ch.barrier(queue);
  await ch.call("basic.get", { queue });
});

scenario("exchange to exchange bindings pass messages on, once a queue", async (t) => {
  const ch = await t.channel();
  const [source, destination] = [
    await t.exchange(ch, "source", "topic"),
    await t.exchange(ch, "destination", "fanout"),
  ];
  const queue = await t.queue(ch, "q");
  await t.bind(ch, queue, destination, "ignored");
  await t.bind(ch, queue, source, "#");
  await ch.call("exchange.bind", { source, destination, "routing-key": "a.*" });
  await ch.call("exchange.bind", { source, destination, "routing-key": "*.b" });
  ch.publish(source, "a.b", "once");
  await ch.barrier(queue);
  await ch.call("exchange.unbind", { source, destination, "routing-key": "a.*" });
  await ch.call("exchange.unbind", { source, destination, "routing-key": "never.bound" });
  await ch.call("basic.get", { queue, "no-ack": true });
});

scenario("exchange bindings form a circle without harm", async (t) => {
  const ch = await t.channel();
  const [one, two] = [await t.exchange(ch, "one", "fanout"), await t.exchange(ch, "two", "fanout")];
  const queue = await t.queue(ch, "q");
  await ch.call("exchange.bind", { source: one, destination: two });
  await ch.call("exchange.bind", { source: two, destination: one });
  await ch.call("exchange.bind", { source: one, destination: one });
  await t.bind(ch, queue, two);
  ch.publish(one, "", "round");
  await ch.barrier(queue);
});

scenario("exchange bindings to what does not exist are refused", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x");
  const nowhere = t.name("nowhere");
  await ch.call("exchange.bind", { source: exchange, destination: nowhere, "routing-key": "k" });
  await ch.call("exchange.bind", { source: nowhere, destination: exchange, "routing-key": "k" });
  await ch.call("exchange.bind", { source: nowhere, destination: t.name("elsewhere"), "routing-key": "k" });
  await ch.call("exchange.unbind", { source: exchange, destination: nowhere, "routing-key": "k" });
  await ch.call("exchange.unbind", { source: nowhere, destination: exchange, "routing-key": "k" });
});

scenario("deleting an exchange removes its bindings in both directions", async (t) => {
  const ch = await t.channel();
  const [one, two] = [await t.exchange(ch, "one", "fanout"), await t.exchange(ch, "two", "fanout")];
  const queue = await t.queue(ch, "q");
  await t.bind(ch, queue, two);
  await ch.call("exchange.bind", { source: one, destination: two });
  await ch.call("exchange.delete", { exchange: two });
  await t.exchange(ch, "two", "fanout");
  ch.publish(one, "", "to nobody", {}, { mandatory: true });
  await ch.recv(1);
  ch.publish(two, "", "to nobody", {}, { mandatory: true });
  await ch.recv(1);
});

scenario("equality of exchange arguments looks at values, not at integer types", async (t) => {
  const ch = await t.channel();
  const exchange = t.name("x");
  await ch.call("exchange.declare", { exchange, arguments: { "alternate-exchange": as("x", "a") } });
  await ch.call("exchange.declare", { exchange, arguments: { "alternate-exchange": "a" } });
});
