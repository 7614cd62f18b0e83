/**
 * SaslHandshake (17) v0-1: names the mechanism. Behind v1 its tokens come in SaslAuthenticate; behind v0, which clients before
 * 1.0 used, they come bare, each behind its size. A mechanism that is not offered ends the connection, once it is told which are.
 */

import { errorCode } from "../codec/errors.ts";
import {
  saslHandshakeRequest,
  saslHandshakeResponse,
  type SaslHandshakeRequest,
  type SaslHandshakeResponse,
} from "../codec/messages/sasl.ts";
import type { Call, Command } from "../command.ts";
import { handshake, offeredMechanisms, takeToken } from "../security/sasl-login.ts";

export const saslHandshake: Command<SaslHandshakeRequest, SaslHandshakeResponse> = {
  name: "SaslHandshake",
  key: 17,
  minVersion: 0,
  maxVersion: 1,
  request: saslHandshakeRequest,
  response: saslHandshakeResponse,
  isOpen: true,
  handle({ mechanism }, call) {
    const { server, connection, version } = call;
    const code = handshake(server, connection, mechanism);
    const isInPlace = code !== errorCode.ILLEGAL_SASL_STATE;
    call.respond({ errorCode: code, mechanisms: isInPlace ? offeredMechanisms(server) : [] });
    if (code === errorCode.NONE && version === 0) takeBareTokens(call);
    else if (code !== errorCode.NONE)
      connection.end(
        code === errorCode.UNSUPPORTED_SASL_MECHANISM
          ? `the SASL mechanism '${mechanism.slice(0, 40)}' is not offered`
          : "SaslHandshake came in the middle of a login",
      );
  },
};

function takeBareTokens({ server, connection }: Call): void {
  connection.login.takeToken = (token) => {
    takeToken(server, connection, Buffer.from(token), ({ errorCode: code, authBytes }) => {
      if (code === errorCode.NONE) connection.sendToken(authBytes);
    });
  };
}
