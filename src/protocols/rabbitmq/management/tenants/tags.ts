/** Tags of users and virtual hosts: a list, or a text with commas between them. */

import { badRequest, type Reply } from "../reply.ts";

export function tagsField(value: unknown): readonly string[] | Reply {
  const tags = typeof value === "string" ? value.split(",") : value;
  if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === "string"))
    return badRequest("tags must be a list of strings, or a string with commas between them");
  return [...new Set(tags.map((tag) => tag.trim()).filter((tag) => tag !== ""))];
}
