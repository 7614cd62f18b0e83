import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readForm } from "./multipart.ts";

const type = "multipart/form-data; boundary=BB";

function part(name: string, body: string): string {
  return `--BB\r\nContent-Disposition: form-data; name="${name}"; filename="a.json"\r\nContent-Type: x/y\r\n\r\n${body}\r\n`;
}

test("a form's parts are found by name, byte for byte", () => {
  const body = '{"a":"\r\n--B\r\n"}';
  const form = readForm(type, Buffer.from(`${part("file", body)}${part("redirect", "/x")}--BB--\r\n`));
  assert.deepEqual([form?.get("file")?.toString(), form?.get("redirect")?.toString()], [body, "/x"]);
  const quoted = readForm('multipart/form-data; boundary="BB"', Buffer.from(`preamble\r\n${part("file", "")}--BB--`));
  assert.equal(quoted?.get("file")?.length, 0);
});

test("what is no form, or not all of one, is none", () => {
  const whole = `${part("file", "{}")}--BB--`;
  assert.equal(readForm("multipart/form-data", Buffer.from(whole)), undefined);
  assert.equal(readForm(`${type}${"B".repeat(80)}`, Buffer.from(whole)), undefined);
  for (let cut = 0; cut < whole.length; cut++) {
    assert.equal(readForm(type, Buffer.from(whole.slice(0, cut))), undefined, `cut at ${cut}`);
  }
});

test("no input makes it throw", () => {
  const piece = fc.constantFrom(
    "--BB",
    "--BB--",
    "\r\n",
    "\r\n\r\n",
    "Content-Disposition: form-data; name=",
    '"',
    "a",
  );
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      readForm(type, Buffer.from(pieces.join("")));
    }),
  );
});
