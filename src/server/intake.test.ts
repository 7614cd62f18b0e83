import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ChunkPool, Output } from "../wire/output.ts";
import { FrameReader, type Framing } from "../wire/frame-reader.ts";
import { type FrameHandler, Intake, pauses } from "./intake.ts";
import type { Peer } from "./protocol.ts";

const pool = new ChunkPool();

/** A frame is its length and so many letters. */
const framing: Framing = {
  measure: (buffer, start) => 1 + buffer[start]!,
};

function frameOf(text: string): Buffer {
  return Buffer.concat([Buffer.of(text.length), Buffer.from(text, "latin1")]);
}

/** A peer, and a protocol that keeps what it is handed. */
class Listener implements Peer, FrameHandler {
  readonly address = {
    remoteAddress: "127.0.0.1",
    remotePort: 1,
    localAddress: "127.0.0.1",
    localPort: 2,
    isLoopback: true,
    isTls: false,
    certificateName: undefined,
  };
  readonly output = new Output(pool);
  readonly unsentBytes = 0;
  readonly heard: string[] = [];
  /** The frames whose bytes lie still, in place, until the chunk is over. */
  readonly stable: Buffer[] = [];
  isReadingPaused = false;
  isFinishing = false;
  readonly frames = new FrameReader(framing);
  readonly intake = new Intake(this, this.frames, this);
  /** What is done at the frame that says so. */
  readonly doing = new Map<string, () => void>();

  frame(isStable: boolean): void {
    const { buffer, start, end } = this.frames;
    const text = buffer.toString("latin1", start + 1, end);
    assert.ok(!this.intake.isHeld || this.isFinishing, "no frame is handled while frames are held");
    this.heard.push(text);
    if (isStable) this.stable.push(buffer.subarray(start + 1, end));
    this.doing.get(text)?.();
  }

  afterChunk(): void {
    assert.ok(!this.intake.isHandling);
    for (const [at, bytes] of this.stable.splice(0).entries()) {
      assert.ok(this.heard.includes(bytes.toString("latin1")), `stable frame ${at} is what it was`);
    }
  }

  pauseReading(): void {
    assert.ok(!this.isReadingPaused);
    this.isReadingPaused = true;
  }

  resumeReading(): void {
    assert.ok(this.isReadingPaused);
    this.isReadingPaused = false;
  }

  /** As a socket does: the chunk's memory is used again at once. */
  say(...texts: string[]): void {
    this.sendBytes(Buffer.concat(texts.map(frameOf)));
  }

  sendBytes(bytes: Buffer): void {
    const chunk = Buffer.from(bytes);
    this.intake.receive(chunk);
    chunk.fill(0xee);
  }

  flush(): void {}
  end(): void {}
  destroy(): void {}
}

test("what is held waits within its chunk, what is paused without: nothing is lost, and the socket is not read", () => {
  const held = new Listener();
  held.doing.set("b", () => held.intake.hold());
  held.say("a", "b", "c");
  assert.deepEqual(held.heard, ["a", "b"]);
  assert.ok(held.isReadingPaused);
  held.say("d");
  held.intake.release();
  assert.deepEqual(held.heard, ["a", "b", "c", "d"]);
  assert.ok(!held.isReadingPaused);

  const paused = new Listener();
  paused.doing.set("b", () => {
    paused.intake.pause(pauses.congested);
    paused.intake.pause(pauses.outputFull);
  });
  paused.say("a", "b", "c");
  assert.deepEqual(paused.heard, ["a", "b", "c"]);
  paused.say("d");
  paused.intake.resume(pauses.outputFull);
  assert.deepEqual(paused.heard, ["a", "b", "c"]);
  paused.intake.resume(pauses.congested);
  assert.deepEqual(paused.heard, ["a", "b", "c", "d"]);
});

test("who finishes hears what waited; who closes hears nothing more, not even of the chunk that it is in", () => {
  const finished = new Listener();
  finished.doing.set("a", () => finished.intake.hold());
  finished.say("a", "b");
  finished.say("c");
  finished.isFinishing = true;
  finished.intake.finish();
  finished.say("d");
  assert.deepEqual(finished.heard, ["a", "b", "c", "d"]);
  assert.ok(!finished.isReadingPaused);

  const closed = new Listener();
  closed.doing.set("b", () => closed.intake.close());
  closed.say("a", "b", "c");
  closed.say("d");
  assert.deepEqual(closed.heard, ["a", "b"]);
});

test("in any order of chunks, holds and pauses every frame is handled once and in order", () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ does: fc.constant("send" as const), bytes: fc.nat(30) }) },
    { weight: 1, arbitrary: fc.record({ does: fc.constantFrom("release", "resume", "pause") }) },
  );
  fc.assert(
    fc.property(fc.array(fc.nat(2), { maxLength: 30 }), fc.array(step, { maxLength: 30 }), (kinds, steps) => {
      const listener = new Listener();
      const { intake, doing } = listener;
      const texts = kinds.map((kind, index) => `${["plain", "hold", "pause"][kind]}-${index}`);
      let holds = 0;
      for (const text of texts) {
        if (text.startsWith("hold"))
          doing.set(text, () => {
            intake.hold();
            holds++;
          });
        if (text.startsWith("pause")) doing.set(text, () => intake.pause(pauses.blocked));
      }
      const bytes = Buffer.concat(texts.map(frameOf));
      let at = 0;
      const release = (): void => {
        if (holds === 0) return;
        holds--;
        intake.release();
      };
      for (const { does, ...rest } of steps) {
        if ("bytes" in rest) listener.sendBytes(bytes.subarray(at, (at += rest.bytes)));
        else if (does === "release") release();
        else if (does === "resume") intake.resume(pauses.blocked);
        else intake.pause(pauses.blocked);
        assert.equal(listener.isReadingPaused, intake.isStopped);
      }
      listener.sendBytes(bytes.subarray(at));
      while (intake.isStopped) {
        release();
        intake.resume(pauses.blocked);
      }
      assert.deepEqual(listener.heard, texts);
    }),
    { numRuns: 300 },
  );
});
