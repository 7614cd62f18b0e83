import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import tls, { type ConnectionOptions, type TLSSocket } from "node:tls";
import { makeCertificate, type Certificate } from "../../tests/tls/make-certificate.ts";
import { systemClock, VirtualClock, type Clock } from "../base/clock.ts";
import { silentLogger, type LogFields, type Logger } from "../observe/log.ts";
import { HttpListener } from "./http-listener.ts";
import { Listener } from "./listener.ts";
import type { Connection, Peer, Protocol } from "./protocol.ts";
import { TlsIdentity } from "./tls-identity.ts";
import type { TlsSettings } from "./tls-credentials.ts";
import { SocketRoom } from "./socket-room.ts";

const root = makeCertificate({ name: { CN: "root" }, isAuthority: true });
const first = makeCertificate({ name: { CN: "first" }, dns: ["localhost"] }, root);
const second = makeCertificate({ name: { CN: "second" }, dns: ["localhost"] }, root);
const client = makeCertificate({ name: { O: "Example", CN: "orders" }, dns: ["orders.example"] }, root);
const stranger = makeCertificate({ name: { CN: "orders" } });

interface House {
  readonly listener: Listener;
  readonly identity: TlsIdentity;
  readonly peers: Peer[];
  readonly warned: { message: string; fields: LogFields }[];
  readonly failed: LogFields[];
  write(certificate: Certificate, key?: string): void;
  dial(options?: ConnectionOptions): Promise<TLSSocket>;
}

async function house(
  context: TestContext,
  settings: Partial<TlsSettings> = {},
  more: { clock?: Clock; connectionsMax?: number } = {},
): Promise<House> {
  const directory = mkdtempSync(join(tmpdir(), "entrepot-tls-"));
  const path = (name: string): string => join(directory, name);
  let writtenAtSeconds = 1e9;
  const write = ({ certificate, key }: Certificate, otherKey = key): void => {
    writeFileSync(path("cert.pem"), certificate);
    writeFileSync(path("key.pem"), otherKey);
    // Two writes within one tick of the file system's clock would have the same time.
    writtenAtSeconds++;
    for (const name of ["cert.pem", "key.pem"]) utimesSync(path(name), writtenAtSeconds, writtenAtSeconds);
  };
  write(first);
  writeFileSync(path("ca.pem"), root.certificate);
  const warned: House["warned"] = [];
  const failed: LogFields[] = [];
  const logger: Logger = {
    ...silentLogger,
    warn: (message, fields = {}) => warned.push({ message, fields }),
    error: (_, fields = {}) => failed.push(fields),
  };
  const identity = await TlsIdentity.open(
    {
      certificateFile: path("cert.pem"),
      keyFile: path("key.pem"),
      keyPassword: undefined,
      caFile: path("ca.pem"),
      verify: "none",
      failIfNoPeerCertificate: false,
      versionMin: "TLSv1.2",
      versionMax: "TLSv1.3",
      ciphers: undefined,
      honorCipherOrder: true,
      handshakeTimeoutMs: 5000,
      ...settings,
    },
    more.clock ?? systemClock(),
    logger,
  );
  const peers: Peer[] = [];
  const clock = systemClock();
  const room = new SocketRoom(0);
  const at = { host: "127.0.0.1", port: 0, connectionsMax: more.connectionsMax ?? 100, room, clock, logger };
  const listener = await Listener.open({ name: "echos", protocol: echo(peers), tls: identity, ...at });
  context.after(async () => {
    await listener.stop(100);
    identity.close();
    rmSync(directory, { recursive: true });
  });
  const dial = async (options: ConnectionOptions = {}): Promise<TLSSocket> => {
    const { port } = listener.address;
    const socket = tls.connect({ host: "127.0.0.1", port, servername: "localhost", ca: root.certificate, ...options });
    await once(socket, "secureConnect");
    return socket;
  };
  return { listener, identity, peers, warned, failed, write, dial };
}

function echo(peers: Peer[]): Protocol {
  return {
    name: "echo",
    open(peer): Connection {
      peers.push(peer);
      return {
        receive(chunk) {
          peer.output.copy(chunk, 0, chunk.length);
          peer.flush();
        },
        drained: () => undefined,
        tick: () => undefined,
        closed: () => undefined,
        shutdown: () => peer.end(),
      };
    },
  };
}

async function says(socket: net.Socket, text: string): Promise<string> {
  socket.write(text);
  return String((await once(socket, "data"))[0]);
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}

/** Answers how to let time pass until the identity has looked at its files again. To be asked before there is one. */
function looking(clock: VirtualClock): (ms?: number) => Promise<void> {
  const setTimer = clock.setTimer.bind(clock);
  let armed = 0;
  clock.setTimer = (atMs, run) => {
    // The next look; refused handshakes have a timer here, too.
    if (atMs === clock.now() + 2000) armed++;
    return setTimer(atMs, run);
  };
  return async (ms = 2000) => {
    const before = armed;
    clock.advance(ms);
    await until(() => armed > before);
  };
}

/** Resolves when the broker has let go of it. */
async function refused(socket: net.Socket): Promise<void> {
  socket.on("error", () => undefined);
  socket.resume();
  if (!socket.closed) await once(socket, "close");
}

test("megabytes come back whole over TLS", async (t) => {
  const { dial } = await house(t);
  const socket = await dial();
  const sent = Buffer.alloc(5_000_000);
  for (let i = 0; i < sent.length; i++) sent[i] = (i * 7919) >>> 5;
  socket.write(sent);
  let received = 0;
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    assert.ok(chunk.equals(sent.subarray(received, received + chunk.length)));
    received += chunk.length;
    if (received === sent.length) break;
  }
  assert.equal(received, sent.length);
});

test("a peer that reads nothing over TLS holds back only what is written for it", async (t) => {
  const { dial, peers } = await house(t);
  const slow = await dial();
  slow.pause();
  await until(() => peers.length === 1);
  const bytes = Buffer.alloc(1_000_000);
  for (let i = 0; i < 20; i++) {
    peers[0]!.output.copy(bytes, 0, bytes.length);
    peers[0]!.flush();
  }
  const quick = await dial();
  assert.equal(await says(quick, "quick"), "quick");
  assert.ok(peers[0]!.unsentBytes > 1_000_000);
  slow.destroy();
  quick.destroy();
});

test("a protocol learns how a peer is encrypted, and who it is if it proved it", async (t) => {
  const { dial, peers } = await house(t, { verify: "peer" });
  const named = await dial({ cert: client.certificate, key: client.key });
  assert.equal(await says(named, "a"), "a");
  const nameless = await dial({ maxVersion: "TLSv1.2" });
  assert.equal(await says(nameless, "b"), "b");
  const [one, two] = peers.map(({ address }) => address);
  assert.equal(one!.isTls, true);
  assert.equal(one!.certificateName, "CN=orders,O=Example");
  assert.equal(one!.tls!.certificate!.commonName, "orders");
  assert.equal(one!.tls!.version, "TLSv1.3");
  assert.equal(one!.tls!.certificate!.subject, "CN=orders,O=Example");
  assert.equal(one!.tls!.certificate!.issuer, "CN=root");
  assert.deepEqual(one!.tls!.certificate!.alternativeNames, [{ type: "dns", value: "orders.example" }]);
  assert.equal(two!.tls!.version, "TLSv1.2");
  assert.equal(two!.tls!.keyExchange, "ecdhe_ecdsa");
  assert.equal(two!.tls!.certificate, undefined);
  assert.equal(two!.certificateName, undefined);
  named.destroy();
  nameless.destroy();
});

test("a certificate that nobody asked for proves nothing", async (t) => {
  const { dial, peers } = await house(t);
  const socket = await dial({ cert: client.certificate, key: client.key });
  assert.equal(await says(socket, "a"), "a");
  assert.equal(peers[0]!.address.certificateName, undefined);
  socket.destroy();
});

test("clients without a certificate that is wanted, or with a stranger's, are refused, with the reason in the log", async (t) => {
  const { dial, peers, warned } = await house(t, { verify: "peer", failIfNoPeerCertificate: true });
  await refused(await dial());
  await until(() => warned.length > 0);
  assert.equal(warned[0]!.message, "TLS handshakes failed");
  assert.equal(warned[0]!.fields["reason"], "the client has no certificate");
  assert.equal(warned[0]!.fields["listener"], "echos");
  await refused(await dial({ cert: stranger.certificate, key: stranger.key }));
  assert.equal(peers.length, 0);
  const other = await house(t, { verify: "peer" });
  await refused(await other.dial({ cert: stranger.certificate, key: stranger.key }));
  await until(() => other.warned.length > 0);
  assert.match(String(other.warned[0]!.fields["reason"]), /certificate does not hold: DEPTH_ZERO_SELF_SIGNED_CERT/);
  assert.equal(other.peers.length, 0);
});

test("who resumes a session is still who it was", async (t) => {
  const { dial, peers } = await house(t, { verify: "peer", failIfNoPeerCertificate: true });
  const proof = { cert: client.certificate, key: client.key };
  const before = await dial({ ...proof, maxVersion: "TLSv1.2" });
  const session = before.getSession()!;
  assert.equal(await says(before, "a"), "a");
  const after = await dial({ ...proof, maxVersion: "TLSv1.2", session });
  assert.equal(await says(after, "b"), "b");
  assert.ok(after.isSessionReused());
  assert.equal(peers[1]!.address.tls!.certificate!.commonName, "orders");
  before.destroy();
  after.destroy();
});

test("what does not become TLS is closed, and said in one line a second", async (t) => {
  const { listener, warned } = await house(t, { handshakeTimeoutMs: 100 });
  const dial = (): net.Socket => net.connect(listener.address.port, "127.0.0.1");
  const silent = dial();
  await refused(silent);
  await until(() => warned.length > 0);
  assert.match(String(warned[0]!.fields["reason"]), /longer than tls.handshakeTimeoutMs/);
  for (let i = 0; i < 20; i++) {
    const plain = dial();
    plain.write("AMQP\0\0\u0009\u0001");
    await refused(plain);
  }
  await listener.stop(100);
  assert.ok(warned.length <= 3, JSON.stringify(warned));
  assert.equal(
    warned.reduce((sum, { fields }) => sum + Number(fields["count"]), 0),
    21,
  );
});

test("handshakes that are under way count as connections", async (t) => {
  const { listener, warned, dial } = await house(t, {}, { connectionsMax: 2 });
  const open = await dial();
  const silent = net.connect(listener.address.port, "127.0.0.1");
  await once(silent, "connect");
  await refused(net.connect(listener.address.port, "127.0.0.1"));
  assert.match(warned[0]!.message, /as many as allowed/);
  open.destroy();
  silent.destroy();
});

test("a stop does not wait for a handshake", async (t) => {
  const { listener } = await house(t);
  const silent = net.connect(listener.address.port, "127.0.0.1");
  await once(silent, "connect");
  await Promise.all([listener.stop(60_000), refused(silent)]);
});

test("changed files serve those who come, and those who are there stay", async (t) => {
  const { dial, write, identity } = await house(t);
  const before = await dial();
  assert.equal(before.getPeerCertificate().subject.CN, "first");
  write(second);
  assert.equal(await identity.reload(), true);
  const after = await dial();
  assert.equal(after.getPeerCertificate().subject.CN, "second");
  assert.equal(await says(before, "still here"), "still here");
  before.destroy();
  after.destroy();
});

test("changed files that cannot be used change nothing, and are named in an error", async (t) => {
  const { dial, write, identity, failed } = await house(t);
  write(second, first.key);
  assert.equal(await identity.reload(), false);
  assert.match(String(failed[0]!["reason"]), /key.pem: is not the key of the certificate in .*cert.pem \(CN=second\)/);
  const socket = await dial();
  assert.equal(socket.getPeerCertificate().subject.CN, "first");
  socket.destroy();
});

test("files are looked at every two seconds, and read when a change has stood for one look", async (t) => {
  const clock = new VirtualClock(Date.now());
  const look = looking(clock);
  const { dial, write, failed } = await house(t, {}, { clock });
  const shown = async (): Promise<unknown> => {
    const socket = await dial();
    const { subject } = socket.getPeerCertificate();
    socket.destroy();
    return subject.CN;
  };
  write(second, first.key);
  await look();
  assert.equal(await shown(), "first");
  write(second);
  await look();
  assert.equal(await shown(), "first");
  await look();
  assert.equal(await shown(), "second");
  assert.equal(failed.length, 0);
});

test("files that cannot be used yet are tried again each minute, and told of once", async (t) => {
  const clock = new VirtualClock(Date.now());
  const look = looking(clock);
  const { write, failed, identity } = await house(t, {}, { clock });
  write(makeCertificate({ name: { CN: "soon" }, dns: ["localhost"], fromDay: 1 / 24, toDay: 2 }, root));
  for (let looks = 0; looks < 3; looks++) await look();
  assert.equal(failed.length, 1);
  assert.match(String(failed[0]!["reason"]), /is not valid yet/);
  await look(60_000);
  assert.deepEqual([failed.length, identity.subject], [1, "CN=first"]);
  // Who asks is told.
  assert.equal(await identity.reload(), false);
  assert.equal(failed.length, 2);
  await look(3_600_000);
  assert.deepEqual([failed.length, identity.subject], [2, "CN=soon"]);
});

test("versions and ciphers are those of the configuration", async (t) => {
  const { dial, warned } = await house(t, { versionMax: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256" });
  const socket = await dial();
  assert.equal(socket.getProtocol(), "TLSv1.2");
  assert.equal(socket.getCipher().name, "ECDHE-ECDSA-AES128-GCM-SHA256");
  socket.destroy();
  await assert.rejects(dial({ minVersion: "TLSv1.3" }));
  await until(() => warned.length > 0);
  assert.match(String(warned[0]!.fields["reason"]), /no version of TLS that is allowed here/);
});

test("HTTP is served over TLS, to those who may come in", async (t) => {
  const { identity } = await house(t, { verify: "peer", failIfNoPeerCertificate: true });
  const listener = await HttpListener.open({
    name: "https",
    host: "127.0.0.1",
    port: 0,
    handler: (_, response) => response.end("hello"),
    connectionsMax: 10,
    room: new SocketRoom(0),
    tls: identity,
    clock: systemClock(),
    logger: silentLogger,
  });
  const options = { ca: root.certificate, servername: "localhost", agent: false };
  const url = `https://127.0.0.1:${listener.address.port}/`;
  const proof = { cert: client.certificate, key: client.key };
  const [response] = (await once(get(url, { ...options, ...proof }), "response")) as [net.Socket];
  assert.equal(String((await once(response, "data"))[0]), "hello");
  await assert.rejects(once(get(url, options), "response"), /ECONNRESET|socket hang up/);
  await listener.stop(1000);
});
