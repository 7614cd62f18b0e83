import { test } from "node:test";
import * as check from "node:assert/strict";
import { withoutCredentials } from "../model/shown-uri.ts";
import { AddressFault, parseAddress } from "./address.ts";
import { planShovel, shovelFaults } from "./definition.ts";

const least = { "src-uri": "amqp://", "src-queue": "a", "dest-uri": "amqp://", "dest-queue": "b" };
const anywhere = (): undefined => undefined;

function faults(definition: unknown): readonly string[] {
  return shovelFaults("s", definition, anywhere);
}

test("the least that a shovel needs, and RabbitMQ's defaults", () => {
  check.deepEqual(faults(least), []);
  const plan = planShovel(least);
  check.equal(plan.ackMode, "on-confirm");
  check.equal(plan.reconnectMs, 5000);
  check.equal(plan.source.prefetchCount, 1000);
  check.equal(plan.source.deleteAfter, "never");
});

test("what is wrong is said in RabbitMQ's words", () => {
  const { "src-queue": _, ...noSource } = least;
  check.deepEqual(faults(noSource), ["Must specify 'src-exchange' or 'src-queue'"]);
  check.deepEqual(faults({ ...least, "src-exchange": "x" }), ["Cannot specify 'src-exchange' and 'src-queue'"]);
  check.deepEqual(faults({ ...least, "dest-exchange": "x" }), ["Cannot specify 'dest-exchange' and 'dest-queue'"]);
  check.deepEqual(faults({ ...least, "ack-mode": "no-ack", "src-delete-after": 3 }), [
    "Cannot specify 'no-ack' and numerical 'delete-after'",
  ]);
  check.deepEqual(faults({ "src-queue": "a" }), ['Key "dest-uri" not found in s', 'Key "src-uri" not found in s']);
  check.deepEqual(faults({ ...least, colour: "red" }), ['Unrecognised terms [{<<"colour">>,<<"red">>}] in s']);
  check.deepEqual(faults({ ...least, "ack-mode": "maybe" }), [
    'ack-mode should be one of [<<"no-ack">>,<<"on-publish">>,<<"on-confirm">>], actually was <<"maybe">>',
  ]);
  check.deepEqual(faults({ ...least, "src-protocol": "amqp10" }), [
    'src-protocol should be one of [<<"amqp091">>], actually was <<"amqp10">>',
  ]);
  check.deepEqual(faults({ ...least, "src-delete-after": "soon" }), [
    'src-delete-after should be a number greater than or equal to 0, "never" or "queue-length", actually was <<"soon">>',
  ]);
  check.deepEqual(faults({ ...least, "reconnect-delay": "1" }), [
    'reconnect-delay should be a number, actually was <<"1">>',
  ]);
  check.deepEqual(faults({ ...least, "dest-publish-properties": { colour: 1 } }), [
    'Unrecognised terms [{<<"colour">>,1}] in dest-publish-properties',
  ]);
  check.deepEqual(faults("text"), ['s not a list <<"text">>']);
});

test("an address that cannot be read is refused without its password", () => {
  const [fault] = faults({ ...least, "src-uri": "http://user:secret@host/" });
  check.equal(fault, '"http://host/" not a valid URI: {{unexpected_uri_scheme,"http"},"http://host/"}');
  for (const uri of [
    "amqp://u:secret%@h",
    "amqp://secret:secret%ss@h/%zz?password=s%ecret",
    "amqp://u:secret/1%@h",
    "amqp://u:secret?1@h",
    "amqp://h:x?password=a@secret",
    "amqp:secret%@h",
    "secret%:@h",
  ]) {
    for (const side of ["src-uri", "dest-uri"]) {
      const [wrong = ""] = faults({ ...least, [side]: uri });
      check.match(wrong, /not a valid URI/, uri);
      check.doesNotMatch(wrong, /secret/, uri);
    }
  }
});

test("a virtual host whose name is longer than any is refused", () => {
  for (const side of ["src-uri", "dest-uri"]) {
    check.deepEqual(faults({ ...least, [side]: `amqp://h/${"%C3%A9".repeat(127)}` }), []);
    const [wrong = ""] = faults({ ...least, [side]: `amqp://h/${"%C3%A9".repeat(128)}` });
    check.match(wrong, /vhost_too_long/);
  }
});

test("who may not enter a virtual host of this broker may not set a shovel there", () => {
  const mayEnter = (vhost: string) => (vhost === "mine" ? undefined : `user "u" may not connect to vhost "${vhost}"`);
  const uris = { "src-uri": "amqp:///mine", "dest-uri": ["amqp://far/other", "amqp:///other"] };
  check.deepEqual(shovelFaults("s", { ...least, ...uris }, mayEnter), ['user "u" may not connect to vhost "other"']);
});

test("addresses are read as RabbitMQ's client reads them", () => {
  const read = (text: string) => {
    const address = parseAddress(text);
    if (address instanceof AddressFault) return address.reason;
    const { remote, vhost, user, password } = address;
    return [remote?.host, remote?.port, vhost, user, password];
  };
  check.deepEqual(read("amqp://"), [undefined, undefined, "/", undefined, undefined]);
  check.deepEqual(read("amqp:///v%2Fw"), [undefined, undefined, "v/w", undefined, undefined]);
  check.deepEqual(read("amqp://host"), ["host", 5672, "/", undefined, undefined]);
  check.deepEqual(read("amqp://u:p%40@[::1]:9/%2F"), ["::1", 9, "/", "u", "p@"]);
  check.deepEqual(read("amqps://host/"), ["host", 5671, "", undefined, undefined]);
  check.equal(read("amqp://host:0"), "{port_out_of_range,0}");
  check.equal(read("amqp://:5672"), "port_requires_host");
  check.equal(read("amqp://host/a/b"), '{invalid_vhost,"a/b"}');
  check.equal(read("nothing"), "{unable_to_parse_uri,no_scheme}");
  check.match(String(read("amqp://host?heartbeat=soon")), /not_an_integer/);
  check.match(String(read("amqp://host/%zz")), /unterminated_entity/);
});

test("TLS verifies the server unless it is told not to", () => {
  const tls = (query: string) => {
    const address = parseAddress(`amqps://host?${query}`);
    return address instanceof AddressFault ? undefined : address.remote?.tls;
  };
  check.equal(tls("")?.verify, true);
  check.equal(tls("verify=verify_none")?.verify, false);
  check.deepEqual(tls("cacertfile=/a&certfile=/b&keyfile=/c&server_name_indication=n&verify=verify_peer"), {
    caFile: "/a",
    certificateFile: "/b",
    keyFile: "/c",
    keyPassword: undefined,
    verify: true,
    serverName: "n",
  });
});

test("an address is shown without user, password and query", () => {
  check.equal(withoutCredentials("amqp://u:p@h:1/v?heartbeat=5"), "amqp://h:1/v");
  check.equal(withoutCredentials("amqp://u:p@ss@h/"), "amqp://h/");
  check.equal(withoutCredentials("amqp://"), "amqp://");
});
