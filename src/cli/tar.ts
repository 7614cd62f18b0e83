/**
 * Reads a tar archive of plain files as it arrives (POSIX ustar): the form in which the broker hands out a backup, so that
 * any tool can open one. An archive ends with two empty blocks of 512 bytes; one that does not was cut off, and is refused.
 *
 *     0        100     108   116   124        136       148       156   157 ...          512
 *     | name   | mode  | uid | gid | size 8#  | time 8# | sum 8#  | '0' | ...            | bytes, filled up to 512
 */

const blockBytes = 512;

export interface TarSink {
  file(name: string, bytes: number): Promise<void>;
  write(piece: Buffer): Promise<void>;
  end(): Promise<void>;
}

/** Hands all files of the archive to the sink. @throws if it is damaged, ends too early, or a name leads elsewhere. */
export async function readTar(source: AsyncIterable<Buffer>, sink: TarSink): Promise<{ files: number; bytes: number }> {
  let head = Buffer.alloc(0);
  let left = 0;
  let padding = 0;
  let emptyBlocks = 0;
  const total = { files: 0, bytes: 0 };
  for await (const chunk of source) {
    let rest = chunk;
    while (rest.length > 0 && emptyBlocks < 2) {
      if (left > 0) {
        const piece = rest.subarray(0, left);
        await sink.write(piece);
        left -= piece.length;
        rest = rest.subarray(piece.length);
        if (left === 0) await sink.end();
      } else if (padding > 0) {
        const skipped = Math.min(padding, rest.length);
        padding -= skipped;
        rest = rest.subarray(skipped);
      } else {
        const taken = rest.subarray(0, blockBytes - head.length);
        head = Buffer.concat([head, taken]);
        rest = rest.subarray(taken.length);
        if (head.length < blockBytes) continue;
        const header = headerOf(head);
        head = Buffer.alloc(0);
        if (header === undefined) {
          emptyBlocks++;
          continue;
        }
        await sink.file(header.name, header.bytes);
        total.files++;
        total.bytes += header.bytes;
        left = header.bytes;
        padding = (blockBytes - (header.bytes % blockBytes)) % blockBytes;
        if (left === 0) await sink.end();
      }
    }
  }
  if (emptyBlocks < 2) throw new Error("the archive ends too early: it is not whole");
  return total;
}

/** Undefined for an empty block. */
function headerOf(block: Buffer): { name: string; bytes: number } | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  const field = (from: number, to: number): string => block.toString("latin1", from, to).replace(/\0.*$/s, "").trim();
  const sum = block.reduce((all, byte, at) => all + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  const name = field(0, 100);
  const bytes = Number.parseInt(field(124, 136), 8);
  if (Number.parseInt(field(148, 156), 8) !== sum || !Number.isSafeInteger(bytes)) {
    throw new Error("it is no tar archive, or it is damaged");
  }
  const kind = field(156, 157);
  if ((kind !== "0" && kind !== "") || !/^[\w.-]+$/.test(name) || /^\.+$/.test(name)) {
    throw new Error(`the archive holds ${JSON.stringify(name)}, which is no file of a backup`);
  }
  return { name, bytes };
}
