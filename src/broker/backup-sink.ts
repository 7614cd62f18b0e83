/** Where a copy of the data goes. A part of the door, `api.ts`. */

/**
 * Takes the files of a copy one after another. In a directory of their own they are the data of a broker. A call is made
 * when the one before has been answered; one that rejects ends the copy.
 */
export interface BackupSink {
  /** What is to come. */
  begin?(total: BackupReport): Promise<void>;
  /** The next file, of so many bytes. Its name has no directory in it. */
  file(name: string, bytes: number): Promise<void>;
  /** The file's next bytes, 1 MB at most. They lie in a buffer that is used again. */
  write(piece: Buffer): Promise<void>;
}

export interface BackupReport {
  readonly files: number;
  readonly bytes: number;
}
