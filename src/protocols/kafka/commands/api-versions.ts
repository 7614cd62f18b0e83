/**
 * ApiVersions (18) v0-4: which APIs are spoken here, in which versions. Answered from the table of commands, so nothing is
 * told that nobody handles.
 *
 * Who asks in a version that is not known gets v0 with UNSUPPORTED_VERSION and the versions of this API alone, to
 * ask again, as Kafka does it.
 * Produce is said to begin at 0, as Kafka 4 says it, though less than 3 is refused: librdkafka up to 2.8 concludes from it
 * that compression is to be had.
 */

import type { Call, Command } from "../command.ts";
import { errorCode } from "../codec/errors.ts";
import {
  apiVersionsRequest,
  apiVersionsResponse,
  type ApiVersionsRequest,
  type ApiVersionsResponse,
} from "../codec/messages/api-versions.ts";
import type { KafkaServer } from "../server.ts";

/** As Kafka asks of names and versions of software (KIP-511). */
const softwarePattern = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;

/**
 * The levels of Kafka 4.1 for what there is here. By metadata.version, tools tell which Kafka they talk to: 27 is 4.1-IV1, and 7,
 * the least that Kafka 4 supports, 3.3-IV3. With transaction.version 2, producers end each transaction with a new epoch (KIP-890).
 */
const features = [
  { name: "metadata.version", minVersion: 7, maxVersion: 27, level: 27 },
  { name: "transaction.version", minVersion: 0, maxVersion: 2, level: 2 },
];

export const apiVersions: Command<ApiVersionsRequest | undefined, ApiVersionsResponse> = {
  name: "ApiVersions",
  key: 18,
  minVersion: 0,
  maxVersion: 4,
  request: apiVersionsRequest,
  response: apiVersionsResponse,
  isOpen: true,
  handle(request, call) {
    if (request === undefined) {
      const { key: apiKey, minVersion, maxVersion } = apiVersions;
      call.respond({ errorCode: errorCode.UNSUPPORTED_VERSION, apiKeys: [{ apiKey, minVersion, maxVersion }] });
      return;
    }
    const { clientSoftwareName, clientSoftwareVersion } = request;
    if (
      call.version >= 3 &&
      !(softwarePattern.test(clientSoftwareName) && softwarePattern.test(clientSoftwareVersion))
    ) {
      call.respond({ errorCode: errorCode.INVALID_REQUEST });
      return;
    }
    call.connection.software = call.version >= 3 ? `${clientSoftwareName} ${clientSoftwareVersion}` : "";
    call.respond(answer(call));
  },
};

function answer({ server, version }: Call): ApiVersionsResponse {
  // Some older clients cannot read a feature whose lowest level is 0.
  const shown = version < 4 ? features.filter(({ minVersion }) => minVersion > 0) : features;
  return {
    apiKeys: keysOf(server),
    supportedFeatures: shown,
    finalizedFeaturesEpoch: 0,
    finalizedFeatures: features.map(({ name, level }) => ({ name, maxVersionLevel: level, minVersionLevel: level })),
  };
}

function keysOf({ commands }: KafkaServer) {
  return commands.map(({ key, minVersion, shownMinVersion, maxVersion }) => ({
    apiKey: key,
    minVersion: shownMinVersion ?? minVersion,
    maxVersion,
  }));
}
