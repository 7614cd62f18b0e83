// Who watches a broker: what scrapers, dashboards and operators read each five seconds.
//
// A watcher is as cheap for its own machine as can be, since here that machine is the broker's as well: connections are kept,
// bytes are counted and thrown away, and JSON is not parsed but for the number of pages.

import { Agent, get } from "node:http";

export interface Watcher {
  readonly id: string;
  readonly title: string;
  readonly bar: string;
  /** What is read in a round, for ever: it yields after each request, and says whether that was the last of a round. */
  readonly read: (reader: Reader) => AsyncGenerator<boolean, never>;
  /** How many requests a round has, about; what it has is counted. */
  readonly requests: number;
  /** How many times as often as each `roundIntervalMs` rounds are asked for while it is measured. */
  readonly speed: number;
}

/** How often a round is read in earnest. */
export const roundIntervalMs = 5_000;

const pageSize = 100;

export class Reader {
  requests = 0;
  bytes = 0;
  /** Of one request. */
  slowestMs = 0;
  readonly #base: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(base: string) {
    this.#base = base;
  }

  /** Reads all of `path`, and answers how it begins. Errors: any status but 200. */
  read(path: string): Promise<string> {
    const startMs = performance.now();
    return new Promise((resolve, reject) => {
      const request = get(this.#base + path, { agent: this.#agent, auth: "guest:guest" }, (response) => {
        let beginning = "";
        response.on("data", (chunk: Buffer) => {
          this.bytes += chunk.length;
          if (beginning === "") beginning = chunk.toString("latin1", 0, 200);
        });
        response.on("end", () => {
          this.requests++;
          this.slowestMs = Math.max(this.slowestMs, performance.now() - startMs);
          if (response.statusCode === 200) resolve(beginning);
          else reject(new Error(`${path}: ${response.statusCode} ${beginning}`));
        });
        response.on("error", reject);
      });
      request.on("error", reject);
    });
  }

  /** Reads a page, and answers how many there are. */
  async page(list: string, number: number): Promise<number> {
    const beginning = await this.read(`/api/${list}?page=${number}&page_size=${pageSize}&name=&use_regex=false`);
    const found = /"page_count":(\d+)/.exec(beginning);
    if (found === null) throw new Error(`/api/${list} is no page: ${beginning}`);
    return Number(found[1]);
  }

  close(): void {
    this.#agent.destroy();
  }
}

async function* repeated(reader: Reader, paths: readonly string[]): AsyncGenerator<boolean, never> {
  for (;;) {
    for (const [index, path] of paths.entries()) {
      await reader.read(path);
      yield index === paths.length - 1;
    }
  }
}

async function* allPages(reader: Reader): AsyncGenerator<boolean, never> {
  for (;;) {
    for (const list of ["queues", "connections"]) {
      let pages = 1;
      for (let number = 1; number <= pages; number++) {
        pages = await reader.page(list, number);
        yield list === "connections" && number === pages;
      }
    }
  }
}

const dashboard = [
  "/api/overview?lengths_age=60&lengths_incr=5&msg_rates_age=60&msg_rates_incr=5",
  "/api/nodes",
  `/api/queues?page=3&page_size=${pageSize}&name=&use_regex=false`,
  `/api/connections?page=1&page_size=${pageSize}&name=&use_regex=false`,
];

export const watchers: readonly Watcher[] = [
  {
    id: "metrics",
    title: "`/metrics`",
    bar: "2 %",
    read: (reader) => repeated(reader, ["/metrics"]),
    requests: 1,
    speed: 50,
  },
  {
    id: "per-object",
    title: "`/metrics/per-object`",
    bar: "–",
    read: (reader) => repeated(reader, ["/metrics/per-object"]),
    requests: 1,
    speed: 2,
  },
  {
    id: "dashboard",
    title: "an open dashboard: overview, nodes, a page of queues, one of connections",
    bar: "–",
    read: (reader) => repeated(reader, dashboard),
    requests: dashboard.length,
    speed: 20,
  },
  {
    id: "all-pages",
    title: "all pages of queues and of connections, 100 a page",
    bar: "5 %",
    read: allPages,
    requests: 120,
    speed: 2,
  },
];
