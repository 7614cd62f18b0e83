/** TLS, health and the log of a broker as a process, and in this one. */

import { after, test } from "node:test";
import * as check from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import tls from "node:tls";
import { connect, credentials } from "amqplib";
import { BrokerPorts } from "../../src/broker-ports.ts";
import { settingsFor } from "../../src/config/settings.ts";
import { silentLogger, type LogFields } from "../../src/observe/log.ts";
import { startBroker } from "../../src/start-broker.ts";
import { spawnBroker } from "../interop/broker.ts";
import { makeCertificate, type Certificate } from "./make-certificate.ts";

const folder = mkdtempSync(join(tmpdir(), "entrepot-tls-broker-"));
after(() => rmSync(folder, { recursive: true }));
const root = makeCertificate({ name: { CN: "root" }, isAuthority: true });
const pem = join(folder, "broker.pem");
writeFileSync(join(folder, "ca.pem"), root.certificate);

function shows(name: string): Certificate {
  const made = makeCertificate({ name: { CN: name }, dns: ["localhost"], ip: ["127.0.0.1"] }, root);
  writeFileSync(pem, made.certificate + made.key);
  return made;
}

async function shownAt(address: string): Promise<unknown> {
  const [host, port] = address.split(":");
  const socket = tls.connect({ host, port: Number(port), ca: root.certificate, servername: "localhost" });
  await once(socket, "secureConnect");
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return subject.CN;
}

test("SIGHUP has changed files read at once; connections stay; the log says so, and that the start was complete", async () => {
  shows("first");
  const broker = await spawnBroker({
    listen: { amqps: "127.0.0.1:0", https: "127.0.0.1:0" },
    set: { "tls.certificateFile": pem, "log.format": "json" },
  });
  const { amqps = "", https = "" } = broker.addresses;
  const client = await connect(`amqps://${amqps}`, { ca: [Buffer.from(root.certificate)] });
  check.equal(await shownAt(amqps), "first");
  check.equal(await shownAt(https), "first");
  shows("second");
  process.kill(broker.pid, "SIGHUP");
  while (!broker.log().includes("TLS files were read again")) await new Promise((resolve) => setImmediate(resolve));
  check.equal(await shownAt(amqps), "second");
  check.equal(await shownAt(https), "second");
  await (await client.createChannel()).assertQueue("still here", { autoDelete: true });
  await client.close();
  check.equal(await broker.kill("SIGTERM"), 0);
  const lines = broker
    .log()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  for (const line of lines) {
    check.match(String(line["time"]), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    check.match(String(line["level"]), /^(info|warn)$/);
    check.equal(typeof line["message"], "string");
  }
  check.deepEqual(lines.find(({ message }) => message === "Server startup complete")?.["ports"], ["amqps", "https"]);
});

test("Kafka over TLS: who would be told a number that the certificate does not have is warned of at the start", async () => {
  const named = makeCertificate({ name: { CN: "named" }, dns: ["broker.example.com"] }, root);
  const numbered = makeCertificate({ name: { CN: "numbered" }, dns: ["localhost"], ip: ["127.0.0.1"] }, root);
  const file = join(folder, "kafkas.pem");
  const warnings = async (shown: Certificate, host: string, advertised = ""): Promise<number> => {
    writeFileSync(file, shown.certificate + shown.key);
    let count = 0;
    const warn = (message: string, fields: LogFields = {}): void => {
      if (!message.startsWith("Kafka's clients are told an address")) return;
      check.match(String(fields["listener"]), /^kafkas /);
      count++;
    };
    const broker = await startBroker({
      memory: true,
      listen: { kafkas: `${host}:0` },
      set: { "tls.certificateFile": file, "kafka.advertised": advertised },
      logger: { ...silentLogger, warn },
    });
    await broker.stop();
    return count;
  };
  check.equal(await warnings(named, "127.0.0.1"), 1);
  check.equal(await warnings(named, "0.0.0.0"), 1);
  check.equal(await warnings(named, "0.0.0.0", "broker.example.com:9092"), 1);
  check.equal(await warnings(named, "0.0.0.0", "kafkas://broker.example.com:9093"), 0);
  check.equal(await warnings(numbered, "127.0.0.1"), 0);
  check.equal(await warnings(numbered, "127.0.0.2"), 1);
  check.equal(await warnings(numbered, "0.0.0.0"), 0);
});

test("what is wrong with a certificate ends the start with status 2 and a sentence", () => {
  const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
  const start = (...args: string[]) =>
    spawnSync(process.execPath, [main, "start", "--memory", "--listen", "amqps=127.0.0.1:0", ...args], {
      encoding: "utf8",
    });
  const none = start();
  check.equal(none.status, 2);
  check.equal(
    none.stderr,
    "entrepot: listen.amqps, listen.kafkas and listen.https need a certificate: set tls.certificateFile\n",
  );
  const old = makeCertificate({ name: { CN: "old" }, fromDay: -2, toDay: -1 });
  const file = join(folder, "old.pem");
  writeFileSync(file, old.certificate + old.key);
  const expired = start("--set", `tls.certificateFile=${file}`);
  check.equal(expired.status, 2);
  check.match(expired.stderr, /^entrepot: tls.certificateFile .*old.pem: the certificate of CN=old has expired, on /);
});

test("the password of a key is not shown by config", () => {
  const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
  const { stdout } = spawnSync(process.execPath, [main, "config", "--set", "tls.keyPassword=hunter2"], {
    encoding: "utf8",
  });
  check.match(stdout, /^# tls.keyPassword: \(not shown\) +# --set$/m);
  check.ok(!stdout.includes("hunter2"));
});

test("health: live and ready without a login, unready with its reason, and nothing else on the port of Prometheus", async () => {
  const broker = await startBroker({
    data: join(folder, "data"),
    listen: { amqp: 0, http: 0, prometheus: 0 },
    // More than any disk has.
    set: { "disk.freeBytesMin": "1000TiB" },
  });
  const ask = async (port: string, path: string, method = "GET"): Promise<[number, unknown]> => {
    const response = await fetch(`http://127.0.0.1:${broker.ports[port]}${path}`, { method });
    const text = await response.text();
    return [response.status, text.startsWith("{") ? JSON.parse(text) : text];
  };
  check.deepEqual(await ask("http", "/health/live"), [200, { status: "ok" }]);
  let ready = await ask("http", "/health/ready");
  while (ready[0] === 200) ready = await ask("http", "/health/ready");
  check.deepEqual(ready, [503, { status: "unavailable", reasons: ["disk"] }]);
  check.deepEqual(await ask("prometheus", "/health/live"), [200, { status: "ok" }]);
  check.equal((await ask("http", "/health/ready", "POST"))[0], 405);
  check.equal((await ask("prometheus", "/api/overview"))[0], 404);
  const [status, metrics] = await ask("prometheus", "/metrics");
  check.equal(status, 200);
  check.match(String(metrics), /^rabbitmq_connections /m);
  await broker.stop();
  await check.rejects(ask("http", "/health/live"));
});

test("a client logs in by its certificate, and the management shows how it is connected", async () => {
  shows("broker");
  const broker = await startBroker({
    memory: true,
    listen: { amqps: 0, http: 0 },
    set: {
      "tls.certificateFile": pem,
      "tls.caFile": join(folder, "ca.pem"),
      "tls.verify": "peer",
      "tls.failIfNoPeerCertificate": true,
    },
  });
  const ask = async (path: string, method = "GET", body?: unknown): Promise<Response> =>
    fetch(`http://127.0.0.1:${broker.ports["http"]}/api/${path}`, {
      method,
      headers: { authorization: `Basic ${btoa("guest:guest")}`, "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  const user = encodeURIComponent("CN=orders,O=Example");
  check.equal((await ask(`users/${user}`, "PUT", { password_hash: "", tags: "" })).status, 201);
  const all = { configure: ".*", write: ".*", read: ".*" };
  check.equal((await ask(`permissions/%2F/${user}`, "PUT", all)).status, 201);

  const dial = (proof: Certificate) =>
    connect(`amqps://127.0.0.1:${broker.ports["amqps"]}`, {
      ca: [Buffer.from(root.certificate)],
      cert: Buffer.from(proof.certificate),
      key: Buffer.from(proof.key),
      credentials: credentials.external(),
    });
  const client = await dial(makeCertificate({ name: { O: "Example", CN: "orders" } }, root));
  await (await client.createChannel()).assertQueue("q");
  const [shown] = (await (await ask("connections")).json()) as Record<string, unknown>[];
  check.equal(shown!["user"], "CN=orders,O=Example");
  check.equal(shown!["auth_mechanism"], "EXTERNAL");
  check.equal(shown!["ssl"], true);
  check.equal(shown!["ssl_protocol"], "tlsv1.3");
  check.equal(shown!["peer_cert_subject"], "CN=orders,O=Example");
  check.equal(shown!["peer_cert_issuer"], "CN=root");
  check.equal((await ask("health/checks/certificate-expiration/1/months")).status, 503);
  await client.close();
  await check.rejects(dial(makeCertificate({ name: { CN: "nobody" } }, root)), /403|ACCESS_REFUSED/);
  await check.rejects(dial(makeCertificate({ name: { O: "Example", CN: "orders" } })));
  await broker.stop();
});

test("before there is a broker, HTTP says that it is starting, and to come again", async () => {
  const { values } = await settingsFor({ listen: { http: 0 } });
  const ports = new BrokerPorts(values, silentLogger);
  await ports.openHttp();
  const at = `http://127.0.0.1:${ports.open()[0]!.port}`;
  const ready = await fetch(`${at}/health/ready`);
  check.deepEqual([ready.status, await ready.json()], [503, { status: "unavailable", reasons: ["starting"] }]);
  check.equal((await fetch(`${at}/health/live`)).status, 200);
  const other = await fetch(`${at}/api/overview`);
  check.equal(other.status, 503);
  check.equal(other.headers.get("retry-after"), "1");
  check.deepEqual(await other.json(), { error: "service_unavailable", reason: "the broker is starting" });
  ports.failed();
  check.equal((await fetch(`${at}/health/live`)).status, 503);
  await ports.close();
});

test("commands show a certificate to a broker that asks for one", async () => {
  shows("strict");
  const client = makeCertificate({ name: { CN: "operator" } }, root);
  writeFileSync(join(folder, "operator.pem"), client.certificate);
  writeFileSync(join(folder, "operator.key"), client.key);
  const broker = await spawnBroker({
    listen: { https: "127.0.0.1:0" },
    set: {
      "tls.certificateFile": pem,
      "tls.caFile": join(folder, "ca.pem"),
      "tls.verify": "peer",
      "tls.failIfNoPeerCertificate": "true",
    },
  });
  const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
  const status = (...flags: string[]) =>
    spawnSync(
      process.execPath,
      [main, "status", "--url", `https://${broker.addresses["https"]}`, "--ca", join(folder, "ca.pem"), ...flags],
      { encoding: "utf8" },
    );
  check.equal(status().status, 69);
  const shown = status("--cert", join(folder, "operator.pem"), "--key", join(folder, "operator.key"));
  check.deepEqual([shown.status, shown.stderr], [0, ""]);
  check.match(shown.stdout, /^https +127/m);
  check.match(status("--cert", join(folder, "nobody.pem")).stderr, /^entrepot: --cert .*nobody.pem: cannot be read/);
  check.equal(await broker.kill("SIGTERM"), 0);
});
