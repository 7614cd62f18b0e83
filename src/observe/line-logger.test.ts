import { test } from "node:test";
import * as check from "node:assert/strict";
import { VirtualClock } from "../base/clock.ts";
import { lineLogger, type LineLoggerOptions } from "./line-logger.ts";

function lines(options: Partial<LineLoggerOptions>): { log: ReturnType<typeof lineLogger>; written: string[] } {
  const written: string[] = [];
  const clock = new VirtualClock(0);
  return {
    log: lineLogger({ level: "info", format: "text", clock, write: (l) => written.push(l), ...options }),
    written,
  };
}

test("a text line has time, level, sentence and fields; what is below the level is not written", () => {
  const { log, written } = lines({});
  log.debug("unheard");
  log.info("listening", { protocol: "amqp", address: "127.0.0.1:5672", attempts: 2 });
  log.warn("slow");
  check.deepEqual(written, [
    "1970-01-01T00:00:00.000Z info  listening protocol=amqp address=127.0.0.1:5672 attempts=2\n",
    "1970-01-01T00:00:00.000Z warn  slow\n",
  ]);
});

test("a name with line breaks cannot forge a line", () => {
  const { log, written } = lines({});
  log.info("declared", { queue: "a\n1970 error forged" });
  check.equal(written[0]!.split("\n").length, 2);
  check.match(written[0]!, /queue="a\\n1970 error forged"/);
});

test("an error is shown with its message and its stack", () => {
  const text = lines({});
  text.log.error("sync failed", { error: new Error("disk is gone") });
  check.match(text.written[0]!, /error="disk is gone"\n {4}Error: disk is gone\n {4}/);
  const json = lines({ format: "json" });
  json.log.error("sync failed", { error: new Error("disk is gone") });
  const parsed = JSON.parse(json.written[0]!) as { level: string; message: string; error: { message: string } };
  check.equal(parsed.level, "error");
  check.equal(parsed.message, "sync failed");
  check.equal(parsed.error.message, "disk is gone");
});

test("circles and big integers do not make logging throw; the same object twice is no circle", () => {
  const { log, written } = lines({ format: "json" });
  const circle: Record<string, unknown> = { at: 1n };
  circle["self"] = circle;
  const shared = { a: 1 };
  log.info("odd", { circle, twice: [shared, shared] });
  check.deepEqual(JSON.parse(written[0]!), {
    time: "1970-01-01T00:00:00.000Z",
    level: "info",
    message: "odd",
    circle: { at: "1", self: "[circular]" },
    twice: [{ a: 1 }, { a: 1 }],
  });
});
