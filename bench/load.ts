// The load program: one scenario against one broker that already runs, one line of JSON on standard output.
//
//     node bench/load.ts durable-100b --uri amqp://127.0.0.1:5672 --seconds 10 --pid 1234
//
// One process, one thread: on a machine of two cores a second thread of the load would take its core from the broker.
// What it can do itself is measured against `bench/echo.ts`, a broker that stores nothing.

import { parseLoadOptions, usage } from "./load-options.ts";
import { scenarios } from "./scenarios.ts";

const { scenario, options } = parseLoadOptions(process.argv.slice(2));
const run = scenarios[scenario];
if (!run) {
  process.stderr.write(`${usage}\nscenarios: ${Object.keys(scenarios).join(", ")}\n`);
  process.exit(2);
}
const result = await run(options);
process.stdout.write(`${JSON.stringify({ scenario, ...result })}\n`);
process.exit(0);
