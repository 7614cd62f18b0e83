// When and on what something is measured. It is kept with the figures: a page may be made of them on another day and machine.

import { cpus, release, totalmem } from "node:os";

export interface Here {
  /** The day. */
  readonly date: string;
  readonly machine: string;
}

export function here(): Here {
  const processors = cpus();
  const model = processors[0]?.model.trim() ?? "unknown";
  const memory = Math.round(totalmem() / 2 ** 30);
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${processors.length} × ${model}, ${memory} GB, Linux ${release()}, Node ${process.version}`,
  };
}

/** Of figures of several days, or machines. */
export function together(heres: readonly Here[]): Here {
  const each = (texts: string[]): string => [...new Set(texts)].join(" and ");
  return { date: each(heres.map(({ date }) => date)), machine: each(heres.map(({ machine }) => machine)) };
}
