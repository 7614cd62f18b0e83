/** Logging in. */

import { array, bytes, int16, int64, string } from "../fields.ts";
import { messageSchema, type ReadOf, type WrittenOf } from "../schema.ts";

export const saslHandshakeRequest = messageSchema("SaslHandshakeRequest", 17, "0-1", "none", {
  mechanism: string("0+"),
});
export type SaslHandshakeRequest = ReadOf<typeof saslHandshakeRequest>;

export const saslHandshakeResponse = messageSchema("SaslHandshakeResponse", 17, "0-1", "none", {
  errorCode: int16("0+"),
  mechanisms: array("0+", "string"),
});
export type SaslHandshakeResponse = WrittenOf<typeof saslHandshakeResponse>;

export const saslAuthenticateRequest = messageSchema("SaslAuthenticateRequest", 36, "0-2", "2+", {
  authBytes: bytes("0+"),
});
export type SaslAuthenticateRequest = ReadOf<typeof saslAuthenticateRequest>;

export const saslAuthenticateResponse = messageSchema("SaslAuthenticateResponse", 36, "0-2", "2+", {
  errorCode: int16("0+"),
  errorMessage: string("0+", { nullable: "0+" }),
  authBytes: bytes("0+"),
  sessionLifetimeMs: int64("1+"),
});
export type SaslAuthenticateResponse = WrittenOf<typeof saslAuthenticateResponse>;
