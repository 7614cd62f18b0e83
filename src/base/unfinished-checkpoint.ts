/** What a stop ends with when it was over before its last checkpoint was. Nothing is lost by it. */
export class UnfinishedCheckpoint extends Error {
  override readonly name = "UnfinishedCheckpoint";
  readonly code = "UNFINISHED_CHECKPOINT";

  constructor() {
    super(
      "everything is on disk, but its last checkpoint was not done before the deadline: the next start reads more of the journal, " +
        "and messages that were with consumers are flagged as redelivered",
    );
  }
}
