/**
 * Definitions: everything that is not a message, out and in as JSON. An import answers 204 as RabbitMQ does and tells the log what
 * had no effect; with `report=true` it answers the report.
 */

import { exportDefinitions, exportVhostDefinitions } from "../../model/definitions-export.ts";
import { importDefinitions } from "../../model/definitions-import.ts";
import { spokenVersion } from "../../model/server.ts";
import { badRequest, done, reply, vhostNotFound, type Reply } from "../reply.ts";
import type { Call, Route } from "../route.ts";
import { readForm } from "./multipart.ts";

const bodyBytesMax = 20_000_000;

export const definitionRoutes: readonly Route[] = ["/definitions", "/all-configuration"].flatMap((path) => [
  {
    method: "GET",
    path,
    access: "administrator",
    about: "All definitions; `download=NAME` makes it a file.",
    handle: exported,
  },
  {
    method: "POST",
    path,
    access: "administrator",
    about: "Imports definitions, as JSON or as a form's field `file`; wholly or not at all.",
    bodyBytesMax,
    takesRaw: true,
    handle: imported,
  },
  ...(path === "/definitions" ? ofVhost(path) : []),
]);

function ofVhost(path: string): Route[] {
  return [
    {
      method: "GET",
      path: `${path}/:vhost`,
      access: "administrator",
      about: "The definitions of a virtual host.",
      handle: exported,
    },
    {
      method: "POST",
      path: `${path}/:vhost`,
      access: "administrator",
      about: "Imports definitions into a virtual host.",
      bodyBytesMax,
      takesRaw: true,
      handle: imported,
    },
  ];
}

function exported({ server, vhost, query }: Call): Reply {
  if (vhost === "missing") return badRequest("vhost_not_found");
  const fields =
    vhost === undefined
      ? exportDefinitions(server, spokenVersion)
      : exportVhostDefinitions(server, vhost, spokenVersion);
  const name = query.get("download");
  if (name === null) return { status: 200, fields };
  const filename = name.replace(/[^\w.-]/g, "_") || "definitions.json";
  return { status: 200, fields, headers: { "content-disposition": `attachment; filename=${filename}` } };
}

function imported(call: Call): Reply {
  const { server, vhost, query } = call;
  if (vhost === "missing") return vhostNotFound;
  const upload = uploadIn(call);
  if (upload === undefined) return badRequest("failed_to_parse_form");
  const definitions = parse(upload.json);
  if (definitions === undefined) return badRequest("failed_to_parse_json");
  const report = importDefinitions(server, definitions, vhost?.name);
  if ("refused" in report) return badRequest(report.refused);
  for (const each of report.withoutEffect)
    server.logger.warn("a definition was imported and has no effect", { ...each });
  if (query.get("report") === "true") return reply(report);
  if (upload.redirect === undefined) return done;
  return { status: 303, headers: { location: upload.redirect } };
}

interface Upload {
  readonly json: Buffer;
  /** Where the page that sent it goes on: a path of this site. */
  readonly redirect: string | undefined;
}

function uploadIn(call: Call): Upload | undefined {
  const type = call.header("content-type") ?? "";
  if (!/^multipart\/form-data\b/i.test(type)) return { json: call.raw, redirect: undefined };
  const form = readForm(type, call.raw);
  const json = form?.get("file");
  if (json === undefined) return undefined;
  const redirect = form?.get("redirect")?.toString() ?? "";
  return { json, redirect: /^\/(?![/\\])[\x21-\x7e]*$/.test(redirect) ? redirect : undefined };
}

/** Undefined: it is no JSON. Nothing at all is an empty object. */
function parse(bytes: Buffer): unknown {
  if (bytes.length === 0) return {};
  try {
    return JSON.parse(bytes.toString()) as unknown;
  } catch {
    return undefined;
  }
}
