/** Configs of topics and brokers. */

import { array, bool, int16, int32, int8, string } from "../fields.ts";
import { messageSchema, type ReadOf, type WrittenOf } from "../schema.ts";

export const describeConfigsRequest = messageSchema("DescribeConfigsRequest", 32, "1-4", "4+", {
  resources: array("0+", {
    resourceType: int8("0+"),
    resourceName: string("0+"),
    configurationKeys: array("0+", "string", { nullable: "0+" }),
  }),
  includeSynonyms: bool("1+"),
  includeDocumentation: bool("3+"),
});
export type DescribeConfigsRequest = ReadOf<typeof describeConfigsRequest>;

export const describeConfigsResponse = messageSchema("DescribeConfigsResponse", 32, "1-4", "4+", {
  throttleTimeMs: int32("0+"),
  results: array("0+", {
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+" }),
    resourceType: int8("0+"),
    resourceName: string("0+"),
    configs: array("0+", {
      name: string("0+"),
      value: string("0+", { nullable: "0+" }),
      readOnly: bool("0+"),
      configSource: int8("1+", { default: -1 }),
      isSensitive: bool("0+"),
      synonyms: array("1+", { name: string("1+"), value: string("1+", { nullable: "0+" }), source: int8("1+") }),
      configType: int8("3+"),
      documentation: string("3+", { nullable: "0+" }),
    }),
  }),
});
export type DescribeConfigsResponse = WrittenOf<typeof describeConfigsResponse>;

export const alterConfigsRequest = messageSchema("AlterConfigsRequest", 33, "0-2", "2+", {
  resources: array("0+", {
    resourceType: int8("0+"),
    resourceName: string("0+"),
    configs: array("0+", { name: string("0+"), value: string("0+", { nullable: "0+" }) }),
  }),
  validateOnly: bool("0+"),
});
export type AlterConfigsRequest = ReadOf<typeof alterConfigsRequest>;

export const alterConfigsResponse = messageSchema("AlterConfigsResponse", 33, "0-2", "2+", {
  throttleTimeMs: int32("0+"),
  responses: array("0+", {
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+" }),
    resourceType: int8("0+"),
    resourceName: string("0+"),
  }),
});
export type AlterConfigsResponse = WrittenOf<typeof alterConfigsResponse>;

export const incrementalAlterConfigsRequest = messageSchema("IncrementalAlterConfigsRequest", 44, "0-1", "1+", {
  resources: array("0+", {
    resourceType: int8("0+"),
    resourceName: string("0+"),
    configs: array("0+", { name: string("0+"), configOperation: int8("0+"), value: string("0+", { nullable: "0+" }) }),
  }),
  validateOnly: bool("0+"),
});
export type IncrementalAlterConfigsRequest = ReadOf<typeof incrementalAlterConfigsRequest>;

export const incrementalAlterConfigsResponse = messageSchema("IncrementalAlterConfigsResponse", 44, "0-1", "1+", {
  throttleTimeMs: int32("0+"),
  responses: array("0+", {
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+" }),
    resourceType: int8("0+"),
    resourceName: string("0+"),
  }),
});
export type IncrementalAlterConfigsResponse = WrittenOf<typeof incrementalAlterConfigsResponse>;
