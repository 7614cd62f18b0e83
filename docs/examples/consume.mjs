// Takes what is in the queue, and says whether all 100,000 came, once and in order. See README.md.
import { connect } from "amqplib";

const connection = await connect("amqp://localhost");
const channel = await connection.createChannel();
await channel.prefetch(1000);
let count = 0;
let outOfPlace = 0;
await channel.consume("orders", (message) => {
  if (message.content.toString() !== `order ${count++}`) outOfPlace++;
  channel.ack(message);
  if (count === 100_000) void finish();
});

async function finish() {
  const { messageCount } = await channel.checkQueue("orders");
  console.log(`${count} received, ${outOfPlace} out of place, ${messageCount} left`);
  await connection.close();
}
