/**
 * The client's side of AMQP 0-9-1, as much of it as moving messages needs: one connection, channel 1 for messages, others
 * for questions whose refusal closes the channel that asked.
 *
 * It is driven by bytes and ticks like the server's side, over the same codec. Requests are promises, since there are a dozen
 * in the life of a connection; what goes by per message (deliveries, confirms) is handed to a `ClientReader` in place, so
 * that a message is not decoded, and its head arrives at the other end to the byte.
 *
 * Rejected: a client library. It decodes headers to the language's values and writes them back as others (a float 1.0 as an
 * integer, 64-bit numbers rounded), and makes a dozen objects for each message.
 *
 * Whatever ends it, it ends once, by `ended`; requests that are open then are rejected.
 */

import type { Clock } from "../../../base/clock.ts";
import type { Connection, Peer } from "../../../server/protocol.ts";
import { methodIdAt, parseSettlement, Settlement } from "../amqp091/codec-hot.ts";
import { FrameParser } from "../amqp091/codec-parser.ts";
import { decodeMethod, MethodFault, writeHeartbeat, writeMethod, writeProtocolHeader } from "../amqp091/codec.ts";
import {
  ackId,
  frameMaxLeastBytes,
  frameTypes,
  methods,
  nackId,
  type Method,
  type MethodArguments,
  type MethodName,
} from "../amqp091/frames.ts";
import { Liveness } from "../amqp091/liveness.ts";
import { encodeAmqpPlain } from "./login.ts";
import { tableOf } from "../model/field-table.ts";

/** The server closed the channel or the connection, and said why. */
export class ServerRefusal extends Error {
  readonly code: number;
  readonly text: string;

  constructor(code: number, text: string) {
    super(text);
    this.code = code;
    this.text = text;
  }
}

export interface ClientLogin {
  readonly mechanism: "PLAIN" | "AMQPLAIN" | "EXTERNAL";
  readonly user: string;
  readonly password: string;
  readonly vhost: string;
  /** Wanted of the server: it may give less. 0: none. */
  readonly heartbeatSeconds: number;
  readonly channelMax: number;
  readonly frameMaxBytes: number;
  /** Shown in the server's list of connections. */
  readonly connectionName: string;
  readonly product: string;
  readonly version: string;
}

/** What takes messages and confirms. Positions are of `buffer` and hold during the call. */
export interface ClientReader {
  /** A basic.deliver; its header and body follow. */
  delivered(buffer: Buffer, start: number, end: number): void;
  header(buffer: Buffer, start: number, end: number): void;
  body(buffer: Buffer, start: number, end: number): void;
  /** An ack or nack of what was published. *Reused.* */
  settled(settlement: Settlement): void;
  /** All of a chunk was read. */
  chunkRead(): void;
  blocked(isBlocked: boolean): void;
  /** All that was written has been taken by the network. */
  drained(): void;
}

interface Request {
  readonly channel: number;
  readonly answers: readonly MethodName[];
  resolve(method: Method): void;
  reject(error: Error): void;
}

const headerFirst = Buffer.from("AMQP\0\0\x09\x01", "latin1");
const deliverId = methods["basic.deliver"].id;
const settlement = new Settlement();

export class Client implements Connection {
  readonly peer: Peer;
  /** Largest frame that the server takes; 0: no limit. */
  frameMaxBytes = 0;
  reader: ClientReader | undefined;
  readonly #login: ClientLogin;
  readonly #ended: (error: Error) => void;
  readonly #parser = new FrameParser();
  #requests: Request[] = [];
  #end: Error | undefined;
  #isClosing = false;
  readonly #whenClosed: (() => void)[] = [];
  readonly #clock: Clock;
  readonly #liveness: Liveness;
  /** 0: none, or not agreed yet. */
  #heartbeatMs = 0;
  #isPaused = false;
  /** Until the last tick. */
  #sentBytes = 0;

  /** @param ended called once when the connection is over, whoever ended it. */
  constructor(peer: Peer, login: ClientLogin, clock: Clock, ended: (error: Error) => void) {
    this.peer = peer;
    this.#login = login;
    this.#clock = clock;
    this.#liveness = new Liveness(clock.elapsedMs());
    this.#ended = ended;
    // The parser begins with the header of a protocol, which only servers get.
    this.#parser.push(headerFirst);
    this.#parser.next();
    this.#parser.next();
    this.#parser.frameMaxBytes = 0;
  }

  /** Logs in, opens the virtual host and channel 1. */
  async open(): Promise<void> {
    const { mechanism, user, password, vhost } = this.#login;
    writeProtocolHeader(this.peer.output);
    this.peer.flush();
    const start = await this.#expect(0, ["connection.start"]);
    const offered = start.name === "connection.start" ? String(start.args.mechanisms).split(" ") : [];
    if (!offered.includes(mechanism)) throw new Error(`the server does not offer the mechanism ${mechanism}`);
    const tune = await this.call(
      0,
      "connection.start-ok",
      {
        clientProperties: this.#clientProperties(),
        mechanism,
        response:
          mechanism === "PLAIN"
            ? `\0${user}\0${password}`
            : mechanism === "AMQPLAIN"
              ? encodeAmqpPlain(user, password)
              : "",
        locale: "en_US",
      },
      ["connection.tune", "connection.secure"],
    );
    if (tune.name !== "connection.tune")
      throw new Error(`the server asks for more than the mechanism ${mechanism} has`);
    const agreed = {
      channelMax: lower(tune.args.channelMax, this.#login.channelMax),
      frameMax: lower(tune.args.frameMax, this.#login.frameMaxBytes),
      heartbeat: lower(tune.args.heartbeat, this.#login.heartbeatSeconds),
    };
    // A body in smaller pieces would be mostly frames, or never come to its end.
    if (agreed.frameMax !== 0 && agreed.frameMax < frameMaxLeastBytes)
      throw new Error(`frames of ${agreed.frameMax} bytes at most are less than the least, ${frameMaxLeastBytes}`);
    this.frameMaxBytes = agreed.frameMax;
    this.#parser.frameMaxBytes = agreed.frameMax;
    this.#heartbeatMs = agreed.heartbeat * 1000;
    this.send(0, "connection.tune-ok", agreed);
    await this.call(0, "connection.open", { virtualHost: vhost, capabilities: "", insist: false }, [
      "connection.open-ok",
    ]);
    await this.openChannel(1);
  }

  async openChannel(channel: number): Promise<void> {
    await this.call(channel, "channel.open", { outOfBand: "" }, ["channel.open-ok"]);
  }

  /** Sends a request and answers its reply. @throws ServerRefusal, or what ended the connection */
  async call<N extends MethodName>(
    channel: number,
    name: N,
    args: MethodArguments<N>,
    answers: readonly MethodName[],
  ): Promise<Method> {
    if (this.#end !== undefined) throw this.#end;
    // First: what cannot be said waits for no answer. It is sent in a later turn, so none comes before it is waited for.
    this.send(channel, name, args);
    return this.#expect(channel, answers);
  }

  send<N extends MethodName>(channel: number, name: N, args: MethodArguments<N>): void {
    writeMethod(this.peer.output, channel, name, args);
    this.peer.flush();
  }

  /** Says goodbye, and hangs up when it is answered. `closed` is called when it is over, at once if it is. */
  close(closed: () => void = () => undefined): void {
    if (this.#end !== undefined) return closed();
    this.#whenClosed.push(closed);
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.reader = undefined;
    this.resumeReading();
    const closing = { replyCode: 200, replyText: "Goodbye", classId: 0, methodId: 0 };
    this.send(0, "connection.close", closing);
  }

  /** Hangs up without a word, and is over with this reason. */
  abandon(reason: Error): void {
    if (this.#end !== undefined) return;
    this.peer.destroy();
    this.#over(reason);
  }

  pauseReading(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.peer.pauseReading();
  }

  resumeReading(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#liveness.heard();
    this.peer.resumeReading();
  }

  // As the socket calls it

  receive(chunk: Buffer): void {
    if (this.#end !== undefined) return;
    this.#liveness.heard();
    const parser = this.#parser;
    parser.push(chunk);
    while (this.#end === undefined && parser.next()) this.#frame();
    if (this.#end !== undefined) return;
    if (parser.fault !== null) return this.abandon(new Error("the server sent what is no frame"));
    this.reader?.chunkRead();
    if (this.peer.output.bytes > 0) this.peer.flush();
  }

  drained(): void {
    this.reader?.drained();
  }

  tick(): void {
    if (this.#end !== undefined) return;
    const { output } = this.peer;
    if (output.bytesEver !== this.#sentBytes) this.#liveness.sent();
    this.#sentBytes = output.bytesEver;
    // How long logging in may take is another's to say.
    const verdict = this.#liveness.tick(this.#clock.elapsedMs(), "running", this.#heartbeatMs, this.#isPaused);
    if (verdict === "dead") return this.abandon(new Error("heartbeat timeout"));
    if (verdict !== "send-heartbeat") return;
    // Behind the frames that are written, which are whole: a message is written frame by frame.
    writeHeartbeat(output);
    this.peer.flush();
  }

  closed(): void {
    this.#over(new Error(this.#isClosing ? "closed" : "socket closed"));
  }

  shutdown(): void {
    this.close();
  }

  // Frames

  #frame(): void {
    const { type, channel, buffer, start, end } = this.#parser;
    if (type === frameTypes.body) return this.reader?.body(buffer, start, end);
    if (type === frameTypes.header) return this.reader?.header(buffer, start, end);
    if (type === frameTypes.heartbeat) return undefined;
    const id = methodIdAt(buffer, start, end);
    if (id === deliverId) return this.reader?.delivered(buffer, start, end);
    if (id === ackId || id === nackId) {
      if (parseSettlement(buffer, id, start, end, settlement)) this.reader?.settled(settlement);
      return undefined;
    }
    const method = decodeMethod(buffer, start, end);
    if (method instanceof MethodFault) {
      return this.abandon(new Error(`the server sent an odd method: ${method.text}`));
    }
    this.#handle(channel, method);
  }

  #handle(channel: number, method: Method): void {
    switch (method.name) {
      case "connection.close":
        this.send(0, "connection.close-ok", {});
        this.peer.end();
        return this.#over(new ServerRefusal(method.args.replyCode, method.args.replyText));
      case "connection.close-ok":
        this.peer.end();
        return this.#over(new Error("closed"));
      case "channel.close":
        return this.#channelClosed(channel, new ServerRefusal(method.args.replyCode, method.args.replyText));
      case "connection.blocked":
        return this.reader?.blocked(true);
      case "connection.unblocked":
        return this.reader?.blocked(false);
      case "basic.cancel":
        return this.#fail(new Error("the consumer was cancelled by the server"));
      case "channel.flow":
        return this.send(channel, "channel.flow-ok", { active: method.args.active });
      default:
        return this.#answer(channel, method);
    }
  }

  #answer(channel: number, method: Method): void {
    const index = this.#requests.findIndex((each) => each.channel === channel && each.answers.includes(method.name));
    const [request] = index < 0 ? [] : this.#requests.splice(index, 1);
    if (request === undefined) return this.abandon(new Error(`the server sent ${method.name}, which nobody asked for`));
    request.resolve(method);
  }

  /** A refused request closes its channel; the channel of the messages takes the connection with it. */
  #channelClosed(channel: number, refusal: ServerRefusal): void {
    this.send(channel, "channel.close-ok", {});
    const refused = this.#requests.filter((each) => each.channel === channel);
    this.#requests = this.#requests.filter((each) => each.channel !== channel);
    for (const each of refused) each.reject(refusal);
    if (channel === 1) this.#fail(refusal);
  }

  /** Leaves in good order: what is written goes out before the socket closes. */
  #fail(error: Error): void {
    this.close();
    this.peer.end();
    this.#over(error);
  }

  #expect(channel: number, answers: readonly MethodName[]): Promise<Method> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    return new Promise((resolve, reject) => this.#requests.push({ channel, answers, resolve, reject }));
  }

  #over(error: Error): void {
    if (this.#end !== undefined) return;
    this.#end = error;
    this.reader = undefined;
    const requests = this.#requests;
    this.#requests = [];
    for (const request of requests) request.reject(error);
    this.#ended(error);
    for (const closed of this.#whenClosed) closed();
  }

  #clientProperties(): MethodArguments<"connection.start-ok">["clientProperties"] {
    const { connectionName, product, version } = this.#login;
    const capabilities = tableOf({
      "basic.nack": true,
      publisher_confirms: true,
      consumer_cancel_notify: true,
      "connection.blocked": true,
      authentication_failure_close: true,
    });
    return tableOf({
      product,
      version,
      connection_name: connectionName,
      capabilities: { type: "F", value: capabilities },
    });
  }
}

/** The lower of two limits, of which 0 is none. */
function lower(a: number, b: number): number {
  return a === 0 || b === 0 ? Math.max(a, b) : Math.min(a, b);
}
