/**
 * Strings for bytes that should be UTF-8, and are carried if they are not: the routing keys of protocols that let a key be any
 * bytes. What is valid is the text that it is; each byte that is not becomes a code unit that no valid text has, U+DC80 to
 * U+DCFF, a low surrogate without its high one (as Python's `surrogateescape` does). So there is one string for all bytes, and
 * back, two keys are the same string if they are the same bytes, and JSON carries them as `\udcff`.
 *
 * Whoever has only text pays a look for one character, or none. Rejected: keys as buffers (no map finds them), and keys as
 * Latin-1 (every key that is no ASCII would read wrongly to operators, and cost what is stored today its form).
 */

import { isUtf8 } from "node:buffer";

const escapedFirst = 0xdc80;
const escapedLast = 0xdcff;

/** The string for `buffer[start, end)`. */
export function textOfBytes(buffer: Buffer, start = 0, end = buffer.length): string {
  const text = buffer.toString("utf8", start, end);
  // The replacement character is what a decoder puts for bad bytes, but somebody may also have sent it.
  return !text.includes("\ufffd") || isUtf8(buffer.subarray(start, end)) ? text : escaped(buffer, start, end);
}

function escaped(buffer: Buffer, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end;) {
    const first = buffer[at]!;
    const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    const isValid = at + length <= end && isUtf8(buffer.subarray(at, at + length));
    text += isValid ? buffer.toString("utf8", at, at + length) : String.fromCharCode(0xdc00 | first);
    at += isValid ? length : 1;
  }
  return text;
}

/** Whether the string stands for `buffer[start, end)`. Makes nothing of short ASCII, the usual. */
export function isTextOfBytes(text: string, buffer: Buffer, start: number, end: number): boolean {
  const { length } = text;
  // No character stands for less than a byte, nor for more than three a code unit.
  if (length > end - start || length * 3 < end - start) return false;
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(at);
    if (code > 127) return textOfBytes(buffer, start, end) === text;
    if (code !== buffer[start + at]) return false;
  }
  return length === end - start;
}

/** How many bytes the string stands for. */
export function textByteLength(text: string): number {
  return text.isWellFormed() ? Buffer.byteLength(text) : bytesOfText(text).length;
}

/** Writes the bytes for which the string stands; answers the position behind them. */
export function writeTextBytes(buffer: Buffer, at: number, text: string): number {
  return at + (text.isWellFormed() ? buffer.write(text, at, "utf8") : bytesOfText(text).copy(buffer, at));
}

/** The bytes for which the string stands. A surrogate that is alone and stands for no byte becomes U+FFFD, as everywhere. */
export function bytesOfText(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text);
  const bytes = Buffer.allocUnsafeSlow(text.length * 3);
  let to = 0;
  for (const character of text) {
    const code = character.charCodeAt(0);
    if (character.length === 1 && code >= escapedFirst && code <= escapedLast) bytes[to++] = code & 0xff;
    else to += bytes.write(character, to, "utf8");
  }
  return bytes.subarray(0, to);
}
