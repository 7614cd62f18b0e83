import { fileURLToPath } from "node:url";
import { clientSuite } from "./client-suite.ts";

clientSuite(
  "amqplib",
  async () => ({
    command: process.execPath,
    args: [fileURLToPath(new URL("./amqplib-program.ts", import.meta.url))],
  }),
  { overTls: true },
);
