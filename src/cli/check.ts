/** `entrepot check`: whether a data directory is sound, and what a start would find in it. Nothing is written. */

import { exitStatus, type CheckedData, type Surroundings } from "./surroundings.ts";
import { table } from "./table.ts";

export async function check(around: Surroundings, directory: string, { json }: { json?: boolean }): Promise<number> {
  const report = await around.checkData(directory);
  const { isSound, damage, contents, failure, files, bytes, blocks, segments, entries } = report;
  const status = isSound && holdsData(report) ? exitStatus.done : exitStatus.failed;
  if (json === true) {
    around.writeOut(`${JSON.stringify(report, null, 2)}\n`);
    return status;
  }
  around.writeOut(
    `${directory}: ${files.length} files, ${bytes} bytes; ${blocks} blocks of the journal, ${segments} segments with ${entries} entries\n`,
  );
  const queues = (contents?.namespaces ?? []).flatMap(({ name, queues: all }) =>
    all.map((queue) => ({ vhost: name, ...queue })),
  );
  if (queues.length > 0) {
    const text = table(queues, [
      { heading: "VHOST", value: ({ vhost }) => vhost },
      { heading: "QUEUE", value: ({ name }) => name },
      { heading: "MESSAGES", value: ({ messages }) => messages },
      { heading: "DELAYED", value: ({ scheduled }) => scheduled },
      { heading: "BYTES", value: ({ bytes: size }) => size },
    ]);
    around.writeOut(`\n${text}\n`);
  }
  for (const { file, position, what } of damage) around.writeOut(`damaged: ${file} at ${position}: ${what}\n`);
  if (failure !== undefined) around.writeOut(`a start would fail: ${failure}\n`);
  // A mistyped name, or a disk that is not mounted, is not to look like data that is well.
  if (!holdsData(report)) around.writeOut("there is no data of a broker in it: a start would begin with nothing\n");
  else around.writeOut(isSound ? "sound\n" : "NOT SOUND\n");
  return status;
}

export function holdsData({ files }: CheckedData): boolean {
  return files.some(({ kind }) => kind !== "other");
}
