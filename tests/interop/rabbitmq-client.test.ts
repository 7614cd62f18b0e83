import { fileURLToPath } from "node:url";
import { clientSuite } from "./client-suite.ts";

clientSuite("rabbitmq-client", async () => ({
  command: process.execPath,
  args: [fileURLToPath(new URL("./rabbitmq-client-program.ts", import.meta.url))],
}));
