/** Longest text that is kept with a message, in UTF-16 units: 65,535 octets at most, since 16 bits say how many. */
export const textMax = 20_000;

/** For texts whose length has to go into 16 bits. Who sends two that differ in the middle alone has one. */
export function shortened(text: string): string {
  if (text.length <= textMax) return text;
  // What is cut apart is to be the same text when it is read back.
  return `${text.slice(0, textMax / 4)}\u0000${text.length}\u0000${text.slice(-textMax / 4)}`.toWellFormed();
}
