/**
 * What help says beyond names and flags: which commands belong together, the first steps, and an example or two of each
 * command. The examples stand in an order in which they can be run one after the other, and a test does so: an example
 * that does not work is worse than none.
 */

import type { Command } from "commander";

const firstSteps = `
First steps:
  entrepot start               RabbitMQ's clients at amqp://guest:guest@localhost:5672, Kafka's at localhost:9092,
                               metrics, health and RabbitMQ's management API at http://localhost:15672
  entrepot status              in another terminal: how it is; entrepot queues: what is in it
  entrepot config --explain    every option, what it means and accepts
  entrepot COMMAND --help      all about a command, with an example

docs/getting-started.md goes from installation to certificates, users, backup, upgrades and monitoring.`;

const groups: Readonly<Record<string, readonly string[]>> = {
  "Running a broker:": ["start", "config", "ready", "status"],
  "What is in it:": ["queues", "connections", "policies", "definitions"],
  "Who may do what:": ["users", "vhosts", "permissions"],
  "Its data:": ["backup", "check", "restore"],
};

/** By command, in an order in which they work. Those of `start` run until they are stopped. */
export const examples: Readonly<Record<string, readonly string[]>> = {
  start: [
    "entrepot start --data /var/lib/entrepot",
    "entrepot start --memory --listen amqp=127.0.0.1:0 --listen kafka=127.0.0.1:0",
    "entrepot start --config /etc/entrepot/entrepot.yaml --set log.level=debug",
  ],
  config: ["entrepot config --set amqp.heartbeatSeconds=30", "entrepot config --explain"],
  ready: ["entrepot ready --wait 30s"],
  status: ["entrepot status", "entrepot status --user guest --password guest --json"],
  "queues declare": [
    "entrepot queues declare orders --type quorum",
    `entrepot queues declare events --arguments '{"x-max-length":100000}'`,
  ],
  "queues list": ["entrepot queues", "entrepot queues list --vhost / --filter '^orders'"],
  "queues show": ["entrepot queues show orders"],
  "queues redrive": ["entrepot queues redrive orders --count 100"],
  "queues purge": ["entrepot queues purge orders"],
  "connections list": ["entrepot connections"],
  "connections close": ["entrepot connections close '127.0.0.1:51234 -> 127.0.0.1:5672' --reason maintenance"],
  "policies set": [
    `entrepot policies set limit '^orders' '{"max-length":100000}' --apply-to queues`,
    `entrepot policies set keep '^events' '{"dead-letter-exchange":"dead"}' --priority 1`,
  ],
  "policies list": ["entrepot policies"],
  "policies clear": ["entrepot policies clear limit"],
  "vhosts add": ["entrepot vhosts add shop --description 'the shop and its orders'"],
  "vhosts list": ["entrepot vhosts"],
  "users set": [
    "entrepot users set shop --user-password secret",
    "entrepot users set ops --user-password other --tags administrator",
  ],
  "users list": ["entrepot users"],
  "permissions set": [
    "entrepot permissions set shop '.*' '.*' '.*' --vhost shop",
    "entrepot permissions set shop '' '^orders$' ''",
  ],
  "permissions list": ["entrepot permissions"],
  "permissions clear": ["entrepot permissions clear shop"],
  "definitions export": ["entrepot definitions export definitions.json"],
  "definitions import": ["entrepot definitions import definitions.json"],
  "queues delete": ["entrepot queues delete events --if-empty"],
  "users delete": ["entrepot users delete shop"],
  "vhosts delete": ["entrepot vhosts delete shop"],
  backup: ["entrepot backup monday.tar", "entrepot backup monday"],
  restore: ["entrepot restore monday.tar restored"],
  check: ["entrepot check restored"],
};

/** Adds it to a program whose commands are all there. */
export function addHelp(program: Command): void {
  program.addHelpText("after", firstSteps);
  for (const [heading, names] of Object.entries(groups)) {
    for (const command of program.commands) if (names.includes(command.name())) command.helpGroup(heading);
  }
  for (const [name, lines] of Object.entries(examples)) {
    const [first, second] = name.split(" ");
    const parent = program.commands.find((each) => each.name() === first);
    const command = second === undefined ? parent : parent?.commands.find((each) => each.name() === second);
    command?.addHelpText("after", ["", "Examples:", ...lines.map((line) => `  ${line}`)].join("\n"));
    command?.showHelpAfterError(`(entrepot ${name} --help says more)`);
  }
}
