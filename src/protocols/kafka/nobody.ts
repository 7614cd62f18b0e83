/** Who has not logged in: may do nothing. */

import type { Identity } from "../../auth/identity.ts";

export const nobody: Identity = {
  name: "",
  tags: [],
  version: 0,
  expiresAtMs: Infinity,
  connectionsMax: -1,
  channelsMax: -1,
  mayEnter: () => false,
  may: () => false,
  mayTopic: () => false,
};
