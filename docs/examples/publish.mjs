// Publishes 100,000 persistent messages and waits until each is confirmed. See README.md.
import { connect } from "amqplib";

const connection = await connect("amqp://localhost");
const channel = await connection.createConfirmChannel();
await channel.assertQueue("orders", { durable: true });
const began = performance.now();
for (let i = 0; i < 100_000; i++) channel.sendToQueue("orders", Buffer.from(`order ${i}`), { persistent: true });
await channel.waitForConfirms();
console.log(`100000 confirmed in ${Math.round(performance.now() - began)} ms`);
await connection.close();
