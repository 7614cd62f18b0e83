/**
 * Declaring what exists already: allowed when it says the same. Compared are the flags, and those arguments that the
 * type of queue or exchange knows; numbers are equal whatever their width. The texts are RabbitMQ's.
 */

import { Fault, shownValue } from "./errors.ts";
import { fieldTypeNames, fieldValue, type FieldTable, type FieldValue } from "./field-table.ts";

/** Compares one flag or name. `what` is the declared thing, as `resource` writes it. */
export function compareField(
  what: string,
  field: string,
  current: string | boolean,
  received: string | boolean,
): Fault | undefined {
  return current === received ? undefined : inequivalent(what, field, `'${received}'`, `'${current}'`);
}

/** Compares the arguments of these names. */
export function compareArguments(
  what: string,
  names: readonly string[],
  current: FieldTable,
  received: FieldTable,
): Fault | undefined {
  for (const name of names) {
    const fault = compareArgument(what, name, fieldValue(current, name), fieldValue(received, name));
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function compareArgument(
  what: string,
  name: string,
  current: FieldValue | undefined,
  received: FieldValue | undefined,
): Fault | undefined {
  if (current === undefined && received === undefined) return undefined;
  if (current !== undefined && received !== undefined) {
    if (isSame(current, received)) return undefined;
    return inequivalent(what, name, `'${shownValue(received)}'`, `'${shownValue(current)}'`);
  }
  // To say nothing is to say classic.
  if (name === "x-queue-type" && (current ?? received)?.value === "classic") return undefined;
  return inequivalent(what, name, withType(received), withType(current));
}

function isSame(a: FieldValue, b: FieldValue): boolean {
  if (Buffer.isBuffer(a.value) && Buffer.isBuffer(b.value)) return a.value.equals(b.value);
  if (typeof a.value === "object" && a.value !== null) return shownValue(a) === shownValue(b);
  if (isFloat(a) !== isFloat(b)) return false;
  // Loosely: 5 and 5n are one number.
  return a.value === b.value || (typeof a.value !== typeof b.value && shownValue(a) === shownValue(b));
}

function isFloat({ type }: FieldValue): boolean {
  return type === "f" || type === "d";
}

function withType(value: FieldValue | undefined): string {
  return value === undefined ? "none" : `the value '${shownValue(value)}' of type '${fieldTypeNames[value.type]}'`;
}

function inequivalent(what: string, name: string, received: string, current: string): Fault {
  return new Fault(
    "preconditionFailed",
    `inequivalent arg '${name}' for ${what}: received ${received} but current is ${current}`,
  );
}
