/**
 * Clients that log in as they should, and then do not do as they should: they take more than they will ever acknowledge and are gone
 * without a word, ask for deliveries and read none, break off in the midst of a message. What they took comes again, what they
 * began is nowhere, and nobody else notices.
 */

import type { Chance } from "../../sim/chance.ts";
import { bodyOf, identityOf } from "../message.ts";
import { AmqpSession } from "./amqp-session.ts";
import { rest, type Client, type Site } from "./site.ts";

export interface AmqpVandalOptions {
  /** Here it takes, and takes. */
  readonly hoards: readonly string[];
  /** Here it asks for everything and reads nothing. */
  readonly mire: string;
  /** Here it begins messages. */
  readonly begins: readonly string[];
}

const hoardMsMax = 1500;
const deafMsMax = 3000;
/** Of a message, in frames of this size. */
const pieceBytes = 2000;
/** amqplib's first one. */
const channelNumber = 1;
const frameEnd = Buffer.from([0xce]);

export class AmqpVandal implements Client {
  readonly name = "vandal who has logged in";
  readonly #options: AmqpVandalOptions;

  constructor(options: AmqpVandalOptions) {
    this.#options = options;
  }

  async run(site: Site, chance: Chance): Promise<void> {
    const ways = [this.#beginMessage, this.#hoard, this.#takeDeaf];
    for (let turn = 0; !site.readersStop.aborted; turn++) {
      try {
        const session = await AmqpSession.open(site.ports.amqp);
        try {
          await ways[turn % ways.length]!.call(this, session, site, chance);
        } finally {
          session.vanish();
        }
      } catch {
        // The network, or the broker, was quicker.
      }
      await rest(chance.between(20, 500), site.readersStop);
    }
  }

  async #hoard({ channel, gone }: AmqpSession, site: Site, chance: Chance): Promise<void> {
    const place = chance.pick(this.#options.hoards);
    const reader = site.nameFor("h");
    site.history.tell({ kind: "reading", reader });
    await channel.prefetch(chance.between(50, 1000));
    await channel.consume(place, (message) => {
      if (message === null) return;
      const isFlagged = message.fields.redelivered;
      const identity = identityOf(message.content);
      site.history.tell({ kind: "got", reader, place, view: "queue", ...identity, isFlagged });
    });
    await Promise.race([gone, rest(chance.between(50, hoardMsMax), site.readersStop)]);
  }

  async #takeDeaf({ channel, socket }: AmqpSession, site: Site, chance: Chance): Promise<void> {
    await channel.consume(this.#options.mire, () => undefined);
    socket.removeAllListeners("readable").pause();
    await rest(chance.between(200, deafMsMax), site.readersStop);
  }

  async #beginMessage({ socket }: AmqpSession, site: Site, chance: Chance): Promise<void> {
    const { head, pieces } = framesOf(chance.pick(this.#options.begins), bodyOf(site.nameFor("big"), 0));
    const all = Buffer.concat([head, ...pieces]);
    // More than its header, less than all of it.
    socket.write(all.subarray(0, chance.between(head.length, all.length)));
    await rest(chance.between(1, 300), site.readersStop);
    if (chance.is(0.3)) socket.resetAndDestroy();
    else if (chance.is(0.5)) socket.end();
    await rest(chance.between(1, 100), site.readersStop);
  }
}

/** A message that goes to a queue: method and header, and the body in frames. */
function framesOf(queue: string, body: Buffer): { readonly head: Buffer; readonly pieces: readonly Buffer[] } {
  const name = Buffer.from(queue);
  // basic.publish: to the default exchange, with that key, without a flag.
  const publish = Buffer.concat([Buffer.from([0, 60, 0, 40, 0, 0, 0, name.length]), name, Buffer.from([0])]);
  const header = Buffer.alloc(15);
  header.writeUInt16BE(60, 0);
  header.writeBigUInt64BE(BigInt(body.length), 4);
  // One property: the delivery mode, persistent.
  header.writeUInt16BE(0x1000, 12);
  header.writeUInt8(2, 14);
  const pieces: Buffer[] = [];
  for (let at = 0; at < body.length; at += pieceBytes) pieces.push(frameOf(3, body.subarray(at, at + pieceBytes)));
  return { head: Buffer.concat([frameOf(1, publish), frameOf(2, header)]), pieces };
}

function frameOf(type: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(7);
  head.writeUInt8(type, 0);
  head.writeUInt16BE(channelNumber, 1);
  head.writeUInt32BE(payload.length, 3);
  return Buffer.concat([head, payload, frameEnd]);
}
