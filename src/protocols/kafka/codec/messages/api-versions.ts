/** Which APIs and versions there are: ApiVersions. */

import { array, bool, int16, int32, int64, string } from "../fields.ts";
import { messageSchema, type ReadOf, type WrittenOf } from "../schema.ts";

export const apiVersionsRequest = messageSchema("ApiVersionsRequest", 18, "0-4", "3+", {
  clientSoftwareName: string("3+"),
  clientSoftwareVersion: string("3+"),
});
export type ApiVersionsRequest = ReadOf<typeof apiVersionsRequest>;

export const apiVersionsResponse = messageSchema("ApiVersionsResponse", 18, "0-4", "3+", {
  errorCode: int16("0+"),
  apiKeys: array("0+", { apiKey: int16("0+"), minVersion: int16("0+"), maxVersion: int16("0+") }),
  throttleTimeMs: int32("1+"),
  supportedFeatures: array("3+", { name: string("3+"), minVersion: int16("3+"), maxVersion: int16("3+") }, { tag: 0 }),
  finalizedFeaturesEpoch: int64("3+", { default: -1, tag: 1 }),
  finalizedFeatures: array(
    "3+",
    { name: string("3+"), maxVersionLevel: int16("3+"), minVersionLevel: int16("3+") },
    { tag: 2 },
  ),
  zkMigrationReady: bool("3+", { tag: 3 }),
});
export type ApiVersionsResponse = WrittenOf<typeof apiVersionsResponse>;
