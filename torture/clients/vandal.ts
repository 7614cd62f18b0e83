/** Clients that do not speak as they should: noise, halves of frames, lengths that are lies, silence. They must hurt nobody. */

import net from "node:net";
import type { Chance } from "../../sim/chance.ts";
import { rest, type Client, type Site } from "./site.ts";

const amqpHeader = Buffer.from("AMQP\0\0\x09\x01", "latin1");

export class Vandal implements Client {
  readonly name = "vandal";

  async run(site: Site, chance: Chance): Promise<void> {
    while (!site.readersStop.aborted) {
      const port = chance.is(0.5) ? site.ports.amqp : site.ports.kafka;
      const socket = net.connect({ port, host: "127.0.0.1" });
      socket.on("error", () => undefined).resume();
      for (let left = chance.between(1, 4); left > 0; left--) {
        socket.write(noise(chance));
        await rest(chance.between(1, 300), site.readersStop);
      }
      if (chance.is(0.5)) socket.resetAndDestroy();
      else socket.end();
      await rest(chance.between(20, 400), site.readersStop);
      socket.destroy();
    }
  }
}

function noise(chance: Chance): Buffer {
  return chance.weighted<() => Buffer>([
    [2, () => chance.bytes(chance.between(1, 2000))],
    [2, () => amqpHeader],
    [1, () => amqpHeader.subarray(0, chance.between(1, 8))],
    // A frame of AMQP that says to be longer than it is.
    [1, () => Buffer.concat([Buffer.from([1, 0, 1, 0, 0, 0x40, 0]), chance.bytes(chance.between(0, 100))])],
    // A request of Kafka's of that length, of which a part comes: ApiVersions, Produce, or anything.
    [2, () => request(chance, chance.pick([0, 1, 18, chance.between(0, 80)]))],
    [1, () => Buffer.from([0x7f, 0xff, 0xff, 0xff, 0, 0])],
  ])();
}

function request(chance: Chance, key: number): Buffer {
  const rest = chance.bytes(chance.between(0, 60));
  const head = Buffer.alloc(14);
  head.writeInt32BE(10 + rest.length + (chance.is(0.5) ? chance.between(1, 500) : 0), 0);
  head.writeInt16BE(key, 4);
  head.writeInt16BE(chance.between(0, 14), 6);
  head.writeInt32BE(chance.between(0, 1000), 8);
  head.writeInt16BE(-1, 12);
  return Buffer.concat([head, rest]);
}
