/**
 * A backup in the place of a crash: at the end of a life the data is copied while the broker goes on with what it has to
 * do and takes checkpoints that would remove what is copied; the next life begins on the copy. What had its ticket when the
 * copy was asked for must be in it, and what else is found there must lie before one cut, as after any crash.
 */
import type { BackupSink } from "../src/broker/api.ts";
import type { Chance } from "./chance.ts";
import { ensure } from "./cut.ts";
import type { Model } from "./model.ts";
import { SimDisk } from "./sim-disk.ts";
import type { World } from "./world.ts";

class Files implements BackupSink {
  readonly bytesByName = new Map<string, Buffer>();
  readonly promisedByName = new Map<string, number>();
  readonly #meanwhile: () => Promise<void>;
  #name = "";

  constructor(meanwhile: () => Promise<void>) {
    this.#meanwhile = meanwhile;
  }

  async file(name: string, bytes: number): Promise<void> {
    await this.#meanwhile();
    ensure(!this.bytesByName.has(name), `${name} is copied twice`);
    this.#name = name;
    this.promisedByName.set(name, bytes);
    this.bytesByName.set(name, Buffer.alloc(0));
  }

  async write(piece: Buffer): Promise<void> {
    this.bytesByName.set(this.#name, Buffer.concat([this.bytesByName.get(this.#name)!, piece]));
  }
}

/** Answers whether the world goes on with a copy; not when the disk is full or fails. */
export async function copyAway(world: World, model: Model, chance: Chance): Promise<boolean> {
  const broker = world.broker!;
  model.observe();
  const { ticket } = broker;
  model.copiedTicket = ticket;
  const copies = [...model.queues.values()].flatMap((queue) => [...queue.copies.values()]);
  const delivered = new Set(copies.filter(({ isDelivered }) => isDelivered));
  // Three of them take away whatever the one that is copied needs, and they alone do.
  const files = new Files(async () => {
    if (chance.is(0.3)) for (let i = 0; i < 3; i++) await broker.checkpoint();
  });
  const copy: { isDone: boolean; error: Error | undefined } = { isDone: false, error: undefined };
  void broker.backup(files).then(
    () => (copy.isDone = true),
    (error: Error) => (copy.error = error),
  );
  for (let step = 0; !copy.isDone && copy.error === undefined && world.fatal === undefined; step++) {
    ensure(step < 20_000, "a copy comes to an end");
    await world.endTurn();
    model.observe();
    await world.completeOne();
    if (world.fatal === undefined) model.observe();
  }
  model.copiedTicket = Infinity;
  const code = String((copy.error as { code?: unknown } | undefined)?.code);
  ensure(
    copy.error === undefined || ["ENOSPC", "EIO"].includes(code),
    `a copy fails for no reason: ${copy.error?.stack}`,
  );
  if (!copy.isDone || world.fatal !== undefined) return false;
  for (const [name, bytes] of files.bytesByName)
    ensure(bytes.length === files.promisedByName.get(name), `${name} is not as long as was promised`);
  world.trace?.(`the copy has ${[...files.bytesByName.keys()].join(", ")}: what is up to ticket ${ticket} is in it`);
  world.crash("kill");
  world.disk = new SimDisk(undefined, chance.fork());
  for (const [name, bytes] of files.bytesByName) world.disk.inner.plant(name, bytes);
  model.durableTicket = ticket;
  // What was delivered while the copy was made was not delivered in the world of the copy.
  for (const queue of model.queues.values()) {
    for (const one of queue.copies.values()) one.isDelivered = delivered.has(one);
  }
  return true;
}
