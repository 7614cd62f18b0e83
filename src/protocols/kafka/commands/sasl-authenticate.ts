/**
 * SaslAuthenticate (36) v0-2: one token of the mechanism that SaslHandshake named. From v1 on its answer says how long the login
 * holds. Where no login is under way it is refused: for who has logged in already that is all, for others it is the end.
 */

import { errorCode } from "../codec/errors.ts";
import {
  saslAuthenticateRequest,
  saslAuthenticateResponse,
  type SaslAuthenticateRequest,
  type SaslAuthenticateResponse,
} from "../codec/messages/sasl.ts";
import type { Command } from "../command.ts";
import { takeToken } from "../security/sasl-login.ts";

export const saslAuthenticate: Command<SaslAuthenticateRequest, SaslAuthenticateResponse> = {
  name: "SaslAuthenticate",
  key: 36,
  minVersion: 0,
  maxVersion: 2,
  request: saslAuthenticateRequest,
  response: saslAuthenticateResponse,
  isOpen: true,
  // A refusal is told late.
  isLongPoll: true,
  handle({ authBytes }, call) {
    const { server, connection } = call;
    const { login } = connection;
    if (login.isUnderWay) {
      takeToken(server, connection, authBytes, (answer) => call.respond(answer));
      return;
    }
    const isLoggedIn = login.identity !== undefined;
    call.respond({
      errorCode: errorCode.ILLEGAL_SASL_STATE,
      errorMessage: isLoggedIn
        ? "SaslAuthenticate request received after successful authentication"
        : "SaslAuthenticate request received without a SaslHandshake",
    });
    if (!isLoggedIn) connection.end("SaslAuthenticate came without a SaslHandshake");
  },
};
