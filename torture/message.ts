/**
 * A message that says who sent it, and shows whether it is as it was sent: a line `writer seq`, and bytes that follow
 * from it. Mostly small, now and then larger than a page or a frame; those of writers whose name begins with `big` are all
 * of some kilobytes.
 */

export interface Identity {
  readonly writer: string;
  readonly seq: number;
  readonly isIntact: boolean;
}

function sizeOf(writer: string, seq: number): number {
  if (writer.startsWith("big")) return 9000 + ((seq * 37) % 400) * 50;
  if (seq % 400 === 399) return 150_000;
  if (seq % 40 === 39) return 9000;
  return 20 + ((seq * 37) % 400);
}

export function bodyOf(writer: string, seq: number): Buffer {
  const head = `${writer} ${seq}\n`;
  return Buffer.concat([Buffer.from(head), Buffer.alloc(sizeOf(writer, seq), head)]);
}

export function identityOf(body: Buffer): Identity {
  const [writer = "", digits = ""] = body
    .subarray(0, Math.max(0, body.indexOf(10)))
    .toString()
    .split(" ");
  const seq = /^\d+$/.test(digits) ? Number(digits) : -1;
  return { writer, seq, isIntact: seq >= 0 && bodyOf(writer, seq).equals(body) };
}
