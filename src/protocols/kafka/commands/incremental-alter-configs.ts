/** IncrementalAlterConfigs (44) v0-1: sets, deletes, appends to and subtracts from configs. Answered when that is durable. */

import {
  incrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
  type IncrementalAlterConfigsRequest,
  type IncrementalAlterConfigsResponse,
} from "../codec/messages/configs.ts";
import type { Command } from "../command.ts";
import { changeConfigs } from "../topics/altering.ts";
import { forEachResource } from "../topics/resources.ts";

export const incrementalAlterConfigs: Command<IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse> = {
  name: "IncrementalAlterConfigs",
  key: 44,
  minVersion: 0,
  maxVersion: 1,
  request: incrementalAlterConfigsRequest,
  response: incrementalAlterConfigsResponse,
  handle({ resources, validateOnly }, call) {
    const responses = forEachResource(resources, (asked) => changeConfigs(call, asked, validateOnly));
    call.respondWhenDurable({ responses });
  },
};
