/** AlterConfigs (33) v0-2: replaces all configs of a resource. Answered when that is durable. */

import {
  alterConfigsRequest,
  alterConfigsResponse,
  type AlterConfigsRequest,
  type AlterConfigsResponse,
} from "../codec/messages/configs.ts";
import type { Command } from "../command.ts";
import { replaceConfigs } from "../topics/altering.ts";
import { forEachResource } from "../topics/resources.ts";

export const alterConfigs: Command<AlterConfigsRequest, AlterConfigsResponse> = {
  name: "AlterConfigs",
  key: 33,
  minVersion: 0,
  maxVersion: 2,
  request: alterConfigsRequest,
  response: alterConfigsResponse,
  handle({ resources, validateOnly }, call) {
    const responses = forEachResource(resources, (asked) => replaceConfigs(call, asked, validateOnly));
    call.respondWhenDurable({ responses });
  },
};
