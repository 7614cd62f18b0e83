/** Of the API itself, of who asks, and of this broker as far as nothing is counted. */

import { Refusal } from "../../../../auth/refusal.ts";
import { spokenVersion } from "../../model/server.ts";
import { checkAccess } from "../access.ts";
import { replyObject } from "../listing.ts";
import { loginFailed, type Logins } from "../logins.ts";
import { objectNotFound, refused, reply, type Reply } from "../reply.ts";
import type { Call, Route } from "../route.ts";
import { attemptRoutes } from "./attempts.ts";
import { featureRoutes } from "./features.ts";

/** Of a form with a name and a password: nobody has said yet who sends it. */
const formBytesMax = 8192;

/** @param configuration as text for people, without secrets. */
export function aboutRoutes(logins: Logins, configuration: string): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/config/effective",
      access: "administrator",
      about: "With which options the broker was started, as text, without secrets.",
      handle: () => ({ status: 200, text: configuration, headers: { "content-type": "text/plain; charset=utf-8" } }),
    },
    ...featureRoutes,
    ...attemptRoutes,
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
    {
      method: "GET",
      path: "/extensions",
      access: "management",
      about: "Extensions of the user interface, for scripts that look for plug-ins.",
      handle: () => reply([{ javascript: "dispatcher.js" }, { javascript: "shovel.js" }]),
    },
    {
      method: "GET",
      path: "/auth",
      access: "anyone",
      about: "How a page can log in: by name and password.",
      handle: () => reply({ enable_uaa: false, uaa_client_id: "", uaa_location: "", oauth_enabled: false }),
    },
    {
      method: "POST",
      path: "/login",
      access: "anyone",
      about: "Checks a name and a password that a form sends (username, password), and sets a cookie as RabbitMQ does.",
      bodyBytesMax: formBytesMax,
      takesRaw: true,
      handle: (call) => login(call, logins),
    },
    {
      method: "GET",
      path: "/auth/hash_password/:password",
      access: "administrator",
      about: "The hash that a user with this password would have.",
      handle: (call) => reply({ ok: call.server.authority.users.hash(call.params["password"] ?? "") }),
    },
    {
      method: "GET",
      path: "/aliveness-test/:vhost",
      access: "vhost",
      about: "Whether a virtual host is there and takes messages.",
      handle: aliveness,
    },
  ];
}

async function login(call: Call, logins: Logins): Promise<Reply> {
  const form = new URLSearchParams(call.raw.toString());
  const name = form.get("username") ?? "";
  const password = form.get("password") ?? "";
  const evidence = JSON.stringify([name, password]);
  const identity = await logins.login({ name, password }, call.peer, evidence);
  if (identity instanceof Refusal) return loginFailed(identity);
  const refusal = checkAccess("management", identity, undefined);
  if (refusal !== undefined) return refusal;
  const value = Buffer.from(`${name}:${password}`).toString("base64");
  const flags = `Version=1; Path=/; SameSite=Strict${call.peer.isTls ? "; Secure" : ""}`;
  return { ...reply("ok"), headers: { "set-cookie": `auth=${value}; ${flags}` } };
}

/** RabbitMQ sends a message through a queue of its own and leaves the queue behind. Here it is asked whether one would get through. */
function aliveness({ vhost, server }: Call): Reply {
  if (vhost === undefined || vhost === "missing") return objectNotFound;
  const { memory, disk } = server.broker.pressure;
  if (!memory && !disk) return reply({ status: "ok" });
  const reason = `producers are held back: ${memory ? "memory" : "disk"} is short`;
  return refused(503, "service_unavailable", reason);
}
