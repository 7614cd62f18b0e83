/** Names as Kafka takes them. A queue whose name is none is not shown to Kafka's clients. */

const lengthMax = 249;
const legal = /^[a-zA-Z0-9._-]+$/;

/** What Kafka's own servers keep to themselves, where somebody has made it. */
const internalNames = new Set(["__consumer_offsets", "__transaction_state", "__share_group_state"]);

/** What is wrong with it, in Kafka's words; undefined: nothing. */
export function topicNameFault(name: string): string | undefined {
  const fault = faultOf(name);
  return fault === undefined ? undefined : `Topic name is invalid: ${fault}`;
}

export function isTopicName(name: string): boolean {
  return name.length <= lengthMax && legal.test(name) && name !== "." && name !== "..";
}

export function isInternalName(name: string): boolean {
  return internalNames.has(name);
}

/** Two topics whose names are the same by this would share their metrics' names, which Kafka refuses. Undefined: it never collides. */
export function collisionName(name: string): string | undefined {
  return /[._]/.test(name) ? name.replaceAll(".", "_") : undefined;
}

function faultOf(name: string): string | undefined {
  if (name === "") return "the empty string is not allowed";
  if (name === "." || name === "..") return `'${name}' is not allowed`;
  if (name.length > lengthMax) return `the length of '${name}' is longer than the max allowed length ${lengthMax}`;
  if (legal.test(name)) return undefined;
  return `'${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`;
}
