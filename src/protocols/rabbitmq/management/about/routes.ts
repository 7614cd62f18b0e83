/** Of the API itself, of who asks, and of this broker as far as nothing is counted. */

import type { RabbitServer } from "../../model/server.ts";
import { spokenVersion } from "../../model/server.ts";
import type { Logins } from "../logins.ts";
import { replyObject } from "../listing.ts";
import { reply } from "../reply.ts";
import type { Route } from "../route.ts";

export function aboutRoutes(_server: RabbitServer, _logins: Logins): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/whoami",
      access: "management",
      about: "Name and tags of who asks.",
      handle: (call) => replyObject(call, { name: call.identity.name, tags: call.identity.tags }),
    },
    {
      method: "GET",
      path: "/version",
      access: "management",
      about: "The version of RabbitMQ that this API is that of.",
      handle: () => reply(spokenVersion),
    },
  ];
}
