import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { ChunkPool, Output } from "../wire/output.ts";
import type { Connection, Peer, Protocol } from "../server/protocol.ts";
import { socketName } from "./party.ts";
import { TriedSockets } from "./tried-sockets.ts";

/** A socket that sends when it likes, and a connection over it that says what the test says. */
class Line {
  readonly clock = new VirtualClock();
  readonly sockets = new TriedSockets(this.clock);
  readonly name: string;
  /** As the connection sees it. */
  readonly peer: Peer;
  readonly #output = new Output(new ChunkPool());
  isEnded = false;
  readonly connection: Connection;

  constructor() {
    const address = {
      remoteAddress: "127.0.0.1",
      remotePort: 1,
      localAddress: "127.0.0.1",
      localPort: 2,
      isLoopback: true,
      isTls: false,
      certificateName: undefined,
    };
    this.name = socketName(address);
    const nothing = (): void => undefined;
    const opened: Peer[] = [];
    const protocol: Protocol = {
      name: "amqp",
      open(peer) {
        opened.push(peer);
        return { receive: nothing, drained: nothing, tick: nothing, closed: nothing, shutdown: nothing };
      },
    };
    const output = this.#output;
    this.connection = this.sockets.through(protocol).open({
      address,
      output,
      get unsentBytes() {
        return output.bytes;
      },
      flush: nothing,
      pauseReading: nothing,
      resumeReading: nothing,
      end: () => void (this.isEnded = true),
      destroy: nothing,
    });
    this.peer = opened[0]!;
  }

  say(text: string): void {
    this.peer.output.copy(Buffer.from(text), 0, text.length);
  }

  /** What the socket has been given since the last time. */
  sent(): string {
    return Buffer.concat(this.#output.take()).toString();
  }
}

test("what is said behind a hold waits, though the socket sends for reasons of its own", () => {
  const line = new Line();
  line.say("before ");
  line.peer.flush();
  line.sockets.hold(line.name, line.clock, 1000);
  line.say("behind ");
  line.peer.flush();
  line.peer.end();
  line.clock.runDeferred();
  assert.equal(line.sent(), "before ");
  assert.equal(line.peer.unsentBytes, 7);
  line.clock.advance(999);
  assert.deepEqual([line.sent(), line.isEnded], ["", false]);
  line.clock.advance(1);
  assert.deepEqual([line.sent(), line.isEnded], ["behind ", true]);
  assert.equal(line.peer.unsentBytes, 0);
});

test("what is said in the turn of a flush goes with it, and two holds are over when the second is", () => {
  const line = new Line();
  line.peer.flush();
  line.say("late");
  line.clock.runDeferred();
  assert.equal(line.sent(), "late");
  line.sockets.hold(line.name, line.clock, 1000);
  line.sockets.hold(line.name, line.clock, 2000);
  line.say("held");
  line.peer.flush();
  line.clock.advance(1500);
  assert.equal(line.sent(), "");
  line.clock.advance(500);
  assert.equal(line.sent(), "held");
  line.sockets.hold(line.name, line.clock, 1000);
  line.say("let go");
  line.peer.flush();
  line.sockets.letAllGo();
  assert.equal(line.sent(), "let go");
});
