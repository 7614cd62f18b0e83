import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameReader } from "../../../wire/frame-reader.ts";
import { SizedFraming } from "./framing.ts";

const payloadBytesMax = 5_000_000;

test("a size over the limit or below zero is refused at once", () => {
  for (const [size, said] of [
    [payloadBytesMax + 1, payloadBytesMax + 1],
    [0xffff_ffff, -1],
    [0x8000_0000, -(2 ** 31)],
  ]) {
    const framing = new SizedFraming(payloadBytesMax);
    const reader = new FrameReader(framing);
    const bytes = Buffer.alloc(12);
    bytes.writeUInt32BE(size!, 0);
    reader.push(bytes);
    assert.equal(reader.next(), false);
    assert.equal(framing.fault, `a frame of ${said} bytes, of ${payloadBytesMax} at most`);
  }
});
