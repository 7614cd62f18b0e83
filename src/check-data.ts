/**
 * The offline check of a data directory, for the command line:
 *
 *     const report = await checkData("./entrepot-data");
 *     report.isSound          nothing is damaged, and a start will find `contents`
 *     report.damage           what is damaged: file, position, length, and a sentence for the operator
 *     report.contents         namespaces, queues and messages; undefined if a start would fail, and `failure` says why
 *
 * Nothing is written and no lock is taken. A directory that a broker uses, or that one begins to use meanwhile, is refused
 * with the code EBUSY, a missing one with ENOENT.
 */
import { systemClock } from "./base/clock.ts";
import { contentsOf, type DataContents } from "./broker/check.ts";
import { checkLog, openLogToRead, type LogReport } from "./log/check-log.ts";
import { openNodeDiskToRead } from "./log/file/node-disk.ts";
import type { Damage, Disk } from "./log/log.ts";

export interface DataReport extends LogReport {
  readonly isSound: boolean;
  readonly contents: DataContents | undefined;
  /** Why there are no contents. */
  readonly failure: string | undefined;
}

/** See above. @throws the system's error if the directory cannot be read. */
export async function checkData(directory: string): Promise<DataReport> {
  const opened = await openNodeDiskToRead(directory);
  const report = await checkDisk(opened.disk, systemClock().now());
  await opened.refuseIfHeld();
  return report;
}

export async function checkDisk(disk: Disk, nowMs: number): Promise<DataReport> {
  const report = await checkLog(disk);
  const known = new Set(report.damage.map(textOf));
  const damage = [...report.damage];
  // What a start needs and is not there is damage too; most of what it comes across was found above.
  const add = (found: readonly Damage[]): void => {
    damage.push(...found.filter((one) => !known.has(textOf(one))));
  };
  const log = openLogToRead(disk, add);
  let contents: DataContents | undefined;
  let failure: string | undefined;
  try {
    contents = await contentsOf(log, nowMs, add);
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
  } finally {
    await log.close();
  }
  return { ...report, damage, contents, failure, isSound: damage.length === 0 && failure === undefined };
}

function textOf({ file, position, what }: Damage): string {
  return `${file} ${position} ${what}`;
}
