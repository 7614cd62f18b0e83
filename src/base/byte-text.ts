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

/** Anybody may send megabytes of this: no string is made of a byte. */
function escaped(buffer: Buffer, start: number, end: number): string {
  // A byte is one code unit at most.
  const units = Buffer.allocUnsafeSlow(2 * (end - start));
  let to = 0;
  for (let at = start; at < end;) {
    const length = characterBytes(buffer, at, end);
    if (length <= 1) to = units.writeUInt16LE(length === 1 ? buffer[at]! : 0xdc00 | buffer[at]!, to);
    else to += units.write(buffer.toString("utf8", at, at + length), to, "utf16le");
    at += Math.max(1, length);
  }
  return units.toString("utf16le", 0, to);
}

/** Of the valid character that begins here; 0: none does (Unicode, table 3-7). */
function characterBytes(buffer: Buffer, at: number, end: number): number {
  const first = buffer[at]!;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (at + length > end) return 0;
  const second = buffer[at + 1]!;
  // No longer than need be, no surrogate, nothing past the last code point.
  const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < least || second > most) return 0;
  for (let i = at + 2; i < at + length; i++) if ((buffer[i]! & 0xc0) !== 0x80) return 0;
  return length;
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
