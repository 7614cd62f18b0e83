/**
 * Each scenario's transcript, compared with the one that RabbitMQ 3.10 gave.
 *
 *   npm test                            against an Entrepot that is started for it
 *   ENTREPOT_AMQP=host:port             against one that runs; `none` for not at all
 *   RABBITMQ_AMQP=host:port             against RabbitMQ as well: are the golden transcripts still true?
 *   ENTREPOT_HTTP, RABBITMQ_HTTP        their management APIs, for the scenarios of virtual hosts and permissions
 *   ... UPDATE_GOLDEN=1                 writes them anew from RabbitMQ
 *   SCENARIO=text                       only scenarios whose file name contains the text
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { differences, rewrites } from "./differences.ts";
import { goldenPath, scenarios, transcriptOf, type Scenario, type Target } from "./scenario.ts";
import { prepareTenants } from "./tenants.ts";
import { canStartEntrepot, startEntrepot, targetFrom } from "./targets.ts";
import "./scenarios/all.ts";

const GOLDEN = fileURLToPath(new URL("golden/", import.meta.url));
const { ENTREPOT_AMQP, ENTREPOT_HTTP, RABBITMQ_AMQP, RABBITMQ_HTTP, UPDATE_GOLDEN, SCENARIO } = process.env;
const AT_ONCE = 8;

const chosen = scenarios.filter((s) => SCENARIO === undefined || goldenPath(s).includes(SCENARIO));
const serial = chosen.filter((s) => s.alone !== undefined);
const parallel = chosen.filter((s) => s.alone === undefined);

function golden(scenario: Scenario): string {
  const file = GOLDEN + goldenPath(scenario);
  return existsSync(file) ? readFileSync(file, "utf8") : "(no golden transcript: record one with UPDATE_GOLDEN=1)\n";
}

/** The golden transcript with the documented differences put in. */
function expectedOfEntrepot(scenario: Scenario): string {
  let text = golden(scenario);
  for (const { lines } of differences.filter((d) => d.golden === goldenPath(scenario))) {
    let from = 0;
    for (const [rabbitmq, entrepot] of lines) {
      const at = text.indexOf(`${rabbitmq}\n`, from);
      assert.ok(at >= 0, `differences.ts is out of date: ${rabbitmq}`);
      text = text.slice(0, at) + entrepot + text.slice(at + rabbitmq.length);
      from = at + entrepot.length;
    }
  }
  for (const { pattern, replacement } of rewrites) text = text.replaceAll(pattern, replacement);
  return text;
}

const tenancies = chosen.filter((s) => s.family === "tenants");

/** Makes what the scenarios of that family live in. */
async function prepare(target: Target): Promise<void> {
  if (tenancies.length > 0 && target.management !== undefined) await prepareTenants(target);
}

function compareAll(target: () => Target, expected: (scenario: Scenario) => string): void {
  const one = (scenario: Scenario): void => {
    it(`${scenario.family}: ${scenario.name}`, async (test) => {
      if (tenancies.includes(scenario) && target().management === undefined) {
        test.skip("the management API's address was not given");
        return;
      }
      const transcript = await transcriptOf(scenario, target());
      assert.equal(transcript, expected(scenario));
    });
  };
  describe("side by side", { concurrency: AT_ONCE }, () => parallel.forEach(one));
  describe("one at a time", () => serial.forEach(one));
}

function record(scenario: Scenario, transcript: string): void {
  const file = GOLDEN + goldenPath(scenario);
  mkdirSync(dirname(file), { recursive: true });
  if (!existsSync(file) || readFileSync(file, "utf8") !== transcript) writeFileSync(file, transcript);
}

if (RABBITMQ_AMQP !== undefined && UPDATE_GOLDEN !== undefined) {
  const rabbitmq = targetFrom(RABBITMQ_AMQP, RABBITMQ_HTTP);
  describe("recording RabbitMQ", () => {
    before(() => prepare(rabbitmq));
    describe("side by side", { concurrency: AT_ONCE }, () => {
      for (const scenario of chosen) {
        it(`${scenario.family}: ${scenario.name}`, async () => {
          record(scenario, await transcriptOf(scenario, rabbitmq));
        });
      }
    });
  });
} else if (RABBITMQ_AMQP !== undefined) {
  const rabbitmq = targetFrom(RABBITMQ_AMQP, RABBITMQ_HTTP);
  describe("RabbitMQ against its transcripts", () => {
    before(() => prepare(rabbitmq));
    compareAll(() => rabbitmq, golden);
  });
}

describe("AMQP 0-9-1 as RabbitMQ 3.10 speaks it", { skip: skipEntrepot() }, () => {
  let target: Target;
  let stop = async (): Promise<void> => {};
  before(async () => {
    if (ENTREPOT_AMQP !== undefined) {
      target = targetFrom(ENTREPOT_AMQP, ENTREPOT_HTTP);
    } else {
      ({ target, stop } = await startEntrepot());
    }
    await prepare(target);
  });
  after(() => stop());
  compareAll(() => target, expectedOfEntrepot);
});

describe("the golden transcripts", () => {
  it("belong to a scenario each", () => {
    const known = new Set(scenarios.map(goldenPath));
    const files = readdirSync(GOLDEN, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".txt"));
    assert.deepEqual(
      files.filter((file) => !known.has(file)),
      [],
    );
  });

  it("contain no frame that never came and no failed conversation", () => {
    const isBroken = (line: string): boolean => /^\w+ ! |^!!|^\(no golden/.test(line);
    const broken = scenarios.filter((s) => golden(s).split("\n").some(isBroken));
    assert.deepEqual(broken.map(goldenPath), []);
  });

  it("are replaced only where the list of differences names one of them", () => {
    const known = new Set(scenarios.map(goldenPath));
    assert.deepEqual(
      differences.filter((d) => !known.has(d.golden)),
      [],
    );
  });
});

function skipEntrepot(): string | false {
  if (UPDATE_GOLDEN !== undefined) return "recording";
  if (ENTREPOT_AMQP === "none") return "ENTREPOT_AMQP=none";
  if (ENTREPOT_AMQP === undefined && !canStartEntrepot) return "src/main.ts does not exist yet";
  return false;
}
