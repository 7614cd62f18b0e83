/** Stories of transactions in a bottle: see transaction-story.suite.ts. */
import { KafkaHouse, type KafkaClient } from "../kafka-house.suite.ts";
import { TransactionStory, type Stage } from "./transaction-story.suite.ts";

/** Each name of a connection is a connection of its own, from when it is first named. */
export function stageIn(house: KafkaHouse): Stage {
  const clients = new Map<string, KafkaClient>();
  return {
    isSlow: false,
    ask(connection, command, version, body) {
      let client = clients.get(connection);
      if (client === undefined) clients.set(connection, (client = house.client()));
      return Promise.resolve(client.call(command as never, version, body as never));
    },
    pass(ms) {
      house.clock.advance(ms);
      house.settle();
      return Promise.resolve();
    },
    nowMs: () => house.clock.now(),
  };
}

export async function tell(text: string): Promise<void> {
  await new TransactionStory(stageIn(await KafkaHouse.open())).tell(text);
}
