import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { Chance } from "../sim/chance.ts";
import { flipInSegment } from "./flip.ts";
import type { Telling } from "./history.ts";

function directoryOf(t: TestContext, files: Readonly<Record<string, Buffer>>): string {
  const directory = mkdtempSync(join(tmpdir(), "entrepot-flip-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(directory, name), bytes);
  return directory;
}

/** Name and position of each octet that is another one, with the bits that are. */
function changesIn(directory: string, files: Readonly<Record<string, Buffer>>): string[] {
  assert.deepEqual(readdirSync(directory).sort(), Object.keys(files).sort());
  return Object.entries(files).flatMap(([name, before]) => {
    const now = readFileSync(join(directory, name));
    assert.equal(now.length, before.length, name);
    return [...now].flatMap((octet, at) =>
      octet === before[at] ? [] : [`${name} ${at} ${(octet ^ before[at]!).toString(2)}`],
    );
  });
}

test("one bit of one segment turns, of any of them, anywhere in it, and it is told where", (t) => {
  const bytes = new Chance(3).bytes(2000);
  const files = {
    "segment-0000000001.seg": bytes.subarray(0, 900),
    "segment-0000000012.seg": bytes.subarray(900),
    "segment-0000000013.seg.tmp": bytes,
    "journal-0000000001.jnl": bytes,
    lock: bytes,
  };
  const places = new Set<string>();
  const bits = new Set<string>();
  for (let seed = 1; seed <= 40; seed++) {
    const directory = directoryOf(t, files);
    const told: Telling[] = [];
    assert.equal(flipInSegment(directory, new Chance(seed), { tell: (event) => void told.push(event) }), true);
    const changes = changesIn(directory, files);
    assert.equal(changes.length, 1, changes.join("; "));
    const [name = "", at = "", bit = ""] = changes[0]!.split(" ");
    assert.match(name, /^segment-\d+\.seg$/);
    assert.match(bit, /^10*$/);
    assert.deepEqual(told, [{ kind: "fault", what: `a bit of ${name} at ${at}` }]);
    places.add(`${name} ${at}`);
    bits.add(bit);
  }
  assert.equal(new Set([...places].map((place) => place.split(" ")[0])).size, 2);
  assert.ok(places.size > 30 && bits.size > 4, `${places.size} places, ${bits.size} bits`);
});

test("where there is no segment, or nothing in it, nothing turns, and nothing is told", (t) => {
  const told: Telling[] = [];
  const history = { tell: (event: Telling) => void told.push(event) };
  const none: Record<string, Buffer> = {
    "journal-0000000001.jnl": Buffer.from("a"),
    "segment-1.seg.tmp": Buffer.from("b"),
  };
  const empty: Record<string, Buffer> = { "segment-0000000001.seg": Buffer.alloc(0) };
  for (const files of [none, empty]) {
    const directory = directoryOf(t, files);
    assert.equal(flipInSegment(directory, new Chance(1), history), false);
    assert.deepEqual(changesIn(directory, files), []);
  }
  assert.deepEqual(told, []);
});
