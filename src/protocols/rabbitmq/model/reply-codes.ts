/** The codes by which a server says how a request ended, and what an error ends. Section 1.3 of the specification, and RabbitMQ. */

export interface ReplyCode {
  readonly code: number;
  /** As reply texts begin: "NOT_FOUND - no queue ...". */
  readonly text: string;
  /** What an error of this kind ends: a soft one the channel, a hard one the connection. */
  readonly closes: "nothing" | "channel" | "connection";
}

export const replyCodes = {
  success: { code: 200, text: "REPLY_SUCCESS", closes: "nothing" },
  contentTooLarge: { code: 311, text: "CONTENT_TOO_LARGE", closes: "channel" },
  noRoute: { code: 312, text: "NO_ROUTE", closes: "channel" },
  noConsumers: { code: 313, text: "NO_CONSUMERS", closes: "channel" },
  connectionForced: { code: 320, text: "CONNECTION_FORCED", closes: "connection" },
  invalidPath: { code: 402, text: "INVALID_PATH", closes: "connection" },
  accessRefused: { code: 403, text: "ACCESS_REFUSED", closes: "channel" },
  notFound: { code: 404, text: "NOT_FOUND", closes: "channel" },
  resourceLocked: { code: 405, text: "RESOURCE_LOCKED", closes: "channel" },
  preconditionFailed: { code: 406, text: "PRECONDITION_FAILED", closes: "channel" },
  frameError: { code: 501, text: "FRAME_ERROR", closes: "connection" },
  syntaxError: { code: 502, text: "SYNTAX_ERROR", closes: "connection" },
  commandInvalid: { code: 503, text: "COMMAND_INVALID", closes: "connection" },
  channelError: { code: 504, text: "CHANNEL_ERROR", closes: "connection" },
  unexpectedFrame: { code: 505, text: "UNEXPECTED_FRAME", closes: "connection" },
  resourceError: { code: 506, text: "RESOURCE_ERROR", closes: "connection" },
  notAllowed: { code: 530, text: "NOT_ALLOWED", closes: "connection" },
  notImplemented: { code: 540, text: "NOT_IMPLEMENTED", closes: "connection" },
  internalError: { code: 541, text: "INTERNAL_ERROR", closes: "connection" },
} as const satisfies Record<string, ReplyCode>;
