// Makes and removes topics between measurements, with a client of Node's: Kafka's own tool starts a JVM for each.

import { Admin } from "@platformatic/kafka";
import { seconds } from "./load-options.ts";

const triesMax = 5;

/** A broker that was stopped with SIGSTOP may need a moment. Errors: the last answer, when it has refused five times. */
async function asked(uri: string, ask: (admin: Admin) => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries++) {
    const admin = new Admin({ clientId: "bench", bootstrapBrokers: [uri], retries: 3 });
    try {
      await ask(admin);
      return;
    } catch (error) {
      if (tries === triesMax) throw error;
      await seconds(1);
    } finally {
      await admin.close();
    }
  }
}

export function createTopic(uri: string, topic: string, partitions: number): Promise<void> {
  return asked(uri, (admin) => admin.createTopics({ topics: [topic], partitions, replicas: 1 }));
}

export function deleteTopics(uri: string, topics: string[]): Promise<void> {
  return asked(uri, (admin) => admin.deleteTopics({ topics }));
}
