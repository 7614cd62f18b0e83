import assert from "node:assert/strict";
import { test } from "node:test";
import type { OpenPort, PeerAddress } from "../../server/protocol.ts";
import { isElsewhere, nodeOf, nodesFor } from "./nodes.ts";
import { plainKafkaSettings } from "./settings.ts";

function at(localAddress: string, localPort: number, isTls = false): PeerAddress {
  const remote = { remoteAddress: "10.0.0.9", remotePort: 40_000, isLoopback: false };
  return { ...remote, localAddress, localPort, isTls, certificateName: undefined };
}

function port(name: string, host: string, number: number): OpenPort {
  const isTls = name === "kafkas";
  return { name, host, port: number, isTls, certificateEndsAtMs: undefined, connectionCount: 0 };
}

function told(
  ports: readonly OpenPort[],
  address: PeerAddress,
  advertised: readonly string[] = [],
  nodeId = plainKafkaSettings.nodeId,
): string[] {
  const server = { settings: { ...plainKafkaSettings, advertised, nodeId }, ports: () => ports };
  return nodesFor(server, address).map(({ id, host, port: number }) => `${id} ${host} ${number}`);
}

test("a client is told the address at which it came in", () => {
  assert.deepEqual(told([port("kafka", "0.0.0.0", 9092)], at("10.0.0.1", 9092)), ["1 10.0.0.1 9092"]);
  assert.deepEqual(told([], at("::ffff:10.0.0.1", 9092)), ["1 10.0.0.1 9092"]);
});

test("several ports of a kind are several nodes, wherever the client came in", () => {
  const ports = [
    port("kafka", "0.0.0.0", 9092),
    port("kafkas", "127.0.0.1", 9093),
    port("kafka", "127.0.0.1", 9095),
    port("amqp", "127.0.0.1", 5672),
  ];
  assert.deepEqual(told(ports, at("10.0.0.1", 9095)), ["1 10.0.0.1 9092", "2 127.0.0.1 9095"]);
  assert.deepEqual(told(ports, at("127.0.0.1", 9093, true)), ["1 127.0.0.1 9093"]);
});

test("what is said to be told is told, by the kind of listener", () => {
  const advertised = ["a.example:9092", "kafkas://[::1]:9093", "kafka://b.example:9094"];
  assert.deepEqual(told([], at("10.0.0.1", 9092), advertised), ["1 a.example 9092", "2 b.example 9094"]);
  assert.deepEqual(told([], at("10.0.0.1", 9092, true), advertised), ["1 ::1 9093"]);
});

test("the first node has the id that is set, and the others count on", () => {
  const ports = [port("kafka", "127.0.0.1", 9092), port("kafka", "127.0.0.1", 9095)];
  assert.deepEqual(told(ports, at("127.0.0.1", 9092), [], 0), ["0 127.0.0.1 9092", "1 127.0.0.1 9095"]);
  assert.deepEqual(told([], at("127.0.0.1", 9092), ["a:1", "b:2"], 7), ["7 a 1", "8 b 2"]);
  assert.deepEqual(told([], at("127.0.0.1", 9092), [], 7), ["7 127.0.0.1 9092"]);
});

test("partitions are spread over the nodes", () => {
  const nodes = [1, 2, 3].map((id) => ({ id, host: "h", port: id }));
  assert.deepEqual(
    [0, 1, 2, 3].map((index) => nodeOf(nodes, index).id),
    [1, 2, 3, 1],
  );
});

test("it can be told at which node a client is, where nodes are ports of ours", () => {
  const ports = [port("kafka", "127.0.0.1", 9092), port("kafka", "127.0.0.1", 9095), port("kafkas", "127.0.0.1", 9096)];
  const isAt = (localPort: number, index: number, advertised: readonly string[] = []): boolean => {
    const address = at("127.0.0.1", localPort);
    const server = { settings: { ...plainKafkaSettings, advertised }, ports: () => ports };
    return !isElsewhere(server, nodesFor(server, address), address, index);
  };
  assert.deepEqual([isAt(9092, 0), isAt(9092, 1), isAt(9095, 0), isAt(9095, 1)], [true, false, false, true]);
  const told = ["localhost:9092", "localhost:9095"];
  assert.deepEqual([isAt(9092, 0, told), isAt(9092, 1, told)], [true, false]);
  for (const unknown of [
    ["a:9092", "b:9092"],
    ["a:9092", "b:9097"],
    ["a:9092", "b:9096"],
    ["a:19092", "a:19095"],
  ])
    assert.deepEqual([isAt(9092, 0, unknown), isAt(9092, 1, unknown)], [true, true], unknown.join());
});
