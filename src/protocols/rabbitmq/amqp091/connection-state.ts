/** Where a connection stands between its first byte and its last. */
export type ConnectionState =
  | "header"
  | "starting"
  | "securing"
  | "tuning"
  | "opening"
  | "running"
  /** The peer asked to close; the answer waits for what it published. */
  | "closing"
  /** We have said or answered close; everything but close and close-ok is dropped. */
  | "closed";
