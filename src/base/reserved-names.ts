/**
 * Names that mean something in a place where anybody may put any name: headers, of which some stand for fields that the
 * protocol does not have. One that is only called so gets a prefix, and loses it on the way back; so does one that already
 * looks as if it had got it. What has the prefix without need keeps it, so each name has one form, and each form one name.
 */

export interface ReservedNames {
  /** `x.header.`; no reserved name begins with it. */
  readonly prefix: string;
  readonly isReserved: (name: string) => boolean;
}

/** How a header of this name is written, that stands for nothing but itself. */
export function escapedName(name: string, names: ReservedNames): string {
  return isAmbiguous(name, names) ? names.prefix + name : name;
}

/** Which header it is that is written so, and is not reserved. */
export function unescapedName(written: string, names: ReservedNames): string {
  if (!written.startsWith(names.prefix)) return written;
  const name = written.slice(names.prefix.length);
  return isAmbiguous(name, names) ? name : written;
}

function isAmbiguous(name: string, { prefix, isReserved }: ReservedNames): boolean {
  let at = 0;
  while (name.startsWith(prefix, at)) at += prefix.length;
  return isReserved(at === 0 ? name : name.slice(at));
}
