/**
 * The way of a publish through a channel: method frame, header frame, body frames, then the broker.
 *
 * This decides how fast the broker is. A client mostly publishes to one exchange with one key, so when the method
 * frame's bytes are those of the publish before, exchange and key are not decoded again. Of the properties only
 * positions are found. A body that lies in one frame goes to the broker as a range of the chunk that came from the
 * socket; it is copied once, into the journal's block. Nothing is allocated per message, but where a feature needs it
 * (CC, a reply-to to be filled in, a transaction).
 *
 * What is kept beyond a chunk is copied: a head whose body is still to come, and a body in several frames, which is
 * gathered in a buffer of the channel that is given up when it was large.
 */

import type { Identity } from "../../../auth/identity.ts";
import { emptyPublication, type Exchange, type Publication, type PublishOutcome } from "../../../broker/api.ts";
import type { Channel } from "./channel.ts";
import { ContentHeader, ContentParts, parseContentHeader, parsePublish, PublishPositions } from "./codec-hot.ts";
import { exchangeDeclaration } from "../model/declaration.ts";
import { Fault, notFound } from "../model/errors.ts";
import { decodeTable, fieldValue, type FieldTable } from "../model/field-table.ts";
import { findField } from "../model/field-table-scan.ts";
import { amqpFormatId } from "../model/format.ts";
import { basicClassId } from "./frames.ts";
import { PropertyPositions, rewriteProperties, scanProperties, shortStringAt } from "../model/properties.ts";
import { tracePublish } from "../model/firehose.ts";
import { checkAccess, checkTopic, restrictsKeys } from "../model/permissions.ts";
import {
  checkUserId,
  internalRefused,
  readCopies,
  readExpiration,
  unknownDeliveryMode,
  withoutBcc,
} from "../model/publish-checks.ts";
import { isReplyAddress, replyToQueue } from "./reply-to.ts";
import { bytesOfText, textOfBytes } from "../../../base/byte-text.ts";
import { Malformed } from "../../../wire/input.ts";

const none = Buffer.alloc(0);
const keptBodyBytesMax = 65_536;

/** What a channel's next frame has to be. */
export type Expected = "method" | "header" | "body";

// Used for one message at a time by all channels of the thread.
const method = new PublishPositions();
const header = new ContentHeader();
const positions = new PropertyPositions();
const outcome: PublishOutcome = { routed: 0, refused: false, ticket: 0 };
const replyParts = new ContentParts();

function nameBytes(name: string): Buffer {
  return Buffer.from(name);
}
const ccName = nameBytes("CC");
const bccName = nameBytes("BCC");

export class Publishing {
  readonly #channel: Channel;
  /** The method frame of the last publish, to be compared with. */
  #method: Buffer = Buffer.alloc(64);
  #methodBytes = -1;
  #exchangeName = "";
  #routingKey = "";
  #isMandatory = false;
  #isImmediate = false;
  /** What the exchange's name led to last, and whether it is closed to publishers. */
  #exchange: Exchange | undefined;
  #isInternal = false;
  #isRestricted = false;
  /** Who may write to the exchange, as of which version. */
  #writer: Identity | undefined;
  #writerVersion = -1;
  /** The same for the routing key, where the exchange is a topic one. */
  #keyWriter: Identity | undefined;
  #keyWriterVersion = -1;

  #head: Buffer = none;
  #headStart = 0;
  #headEnd = 0;
  /** The head lies in `#keptHead`. */
  #isHeadKept = true;
  #keptHead: Buffer = none;
  #bodyBytes = 0;
  #body: Buffer = none;
  #gatheredBytes = 0;
  readonly #publication: Publication;

  constructor(channel: Channel) {
    this.#channel = channel;
    // The exchange is set before each use.
    this.#publication = emptyPublication(undefined as unknown as Exchange);
    this.#publication.format = amqpFormatId;
  }

  /** Takes the method frame's payload. False: it is malformed. */
  begin(buffer: Buffer, start: number, end: number): boolean {
    const length = end - start;
    if (length === this.#methodBytes && isSame(buffer, start, this.#method, length)) return true;
    if (!parsePublish(buffer, start, end, method)) return false;
    const exchangeName = buffer.toString("utf8", method.exchangeStart, method.exchangeEnd);
    if (exchangeName !== this.#exchangeName) {
      this.#exchange = undefined;
      this.#writer = undefined;
    }
    this.#keyWriter = undefined;
    this.#exchangeName = exchangeName;
    this.#routingKey = textOfBytes(buffer, method.routingKeyStart, method.routingKeyEnd);
    this.#isMandatory = method.isMandatory;
    this.#isImmediate = method.isImmediate;
    if (length > this.#method.length) this.#method = Buffer.allocUnsafeSlow(1024);
    buffer.copy(this.#method, 0, start, end);
    this.#methodBytes = length;
    return true;
  }

  /**
   * Takes the header frame's payload. `isStable`: the buffer stays as it is until `keepHead` is called.
   * @returns what has to come next, or why it cannot go on.
   */
  header(buffer: Buffer, start: number, end: number, isStable: boolean): Expected | Fault {
    if (!parseContentHeader(buffer, start, end, header)) {
      return new Fault("internalError", "");
    }
    if (header.classId !== basicClassId || header.weight !== 0) {
      const got = header.weight === 0 ? `one for class ${header.classId}` : "non content header frame";
      const text = `expected content header for class ${basicClassId}, got ${got} instead`;
      return new Fault("unexpectedFrame", text);
    }
    const bodyBytes = header.bodyBytes;
    const bytesMax = this.#channel.connection.hub.settings.messageBytesMax;
    if (bodyBytes > bytesMax) {
      const text = `message size ${bodyBytes} is larger than configured max size ${bytesMax}`;
      return new Fault("preconditionFailed", text);
    }
    this.#head = buffer;
    this.#headStart = header.headStart;
    this.#headEnd = header.headEnd;
    this.#isHeadKept = false;
    this.#bodyBytes = bodyBytes;
    this.#gatheredBytes = 0;
    if (bodyBytes === 0) return this.#complete(none, 0, 0) ?? "method";
    if (!isStable) this.keepHead();
    return "body";
  }

  /** The buffer with the head is about to be used for something else: copies what is needed of it. */
  keepHead(): void {
    if (this.#isHeadKept) return;
    const length = this.#headEnd - this.#headStart;
    if (length > this.#keptHead.length) this.#keptHead = Buffer.allocUnsafeSlow(Math.max(256, length));
    this.#head.copy(this.#keptHead, 0, this.#headStart, this.#headEnd);
    this.#head = this.#keptHead;
    this.#headStart = 0;
    this.#headEnd = length;
    this.#isHeadKept = true;
  }

  /** Takes a body frame's payload. */
  body(buffer: Buffer, start: number, end: number): Expected | Fault {
    const length = end - start;
    if (this.#gatheredBytes === 0 && length === this.#bodyBytes) return this.#complete(buffer, start, end) ?? "method";
    const gathered = this.#gatheredBytes + length;
    if (gathered > this.#bodyBytes) {
      return new Fault("frameError", `content body of ${gathered} bytes where ${this.#bodyBytes} were announced`);
    }
    const { connection } = this.#channel;
    if (connection.gatheredBytes + length > connection.hub.settings.messageBytesMax) {
      return new Fault("resourceError", "more content is under way on this connection than one message may have");
    }
    this.#gather(buffer, start, end, gathered);
    connection.gatheredBytes += length;
    if (gathered < this.#bodyBytes) return "body";
    connection.gatheredBytes -= gathered;
    this.#gatheredBytes = 0;
    const body = this.#body;
    const fault = this.#complete(body, 0, gathered);
    if (body.length > keptBodyBytesMax) this.#body = none;
    return fault ?? "method";
  }

  /** The channel ends: what was gathered is let go of. */
  abandon(): void {
    this.#channel.connection.gatheredBytes -= this.#gatheredBytes;
    this.#gatheredBytes = 0;
    this.#body = none;
  }

  /** Grows with what has come and not to what was announced, so that an announcement alone costs no memory. */
  #gather(buffer: Buffer, start: number, end: number, gathered: number): void {
    if (gathered > this.#body.length) {
      const grown = Math.min(this.#bodyBytes, Math.max(gathered, this.#body.length * 2, 4096));
      const body = Buffer.allocUnsafeSlow(grown);
      this.#body.copy(body, 0, 0, this.#gatheredBytes);
      this.#body = body;
    }
    buffer.copy(this.#body, this.#gatheredBytes, start, end);
    this.#gatheredBytes = gathered;
  }

  /** All of the message is there. */
  #complete(body: Buffer, bodyStart: number, bodyEnd: number): Fault | undefined {
    let fault = this.#findExchange() ?? this.#readHead();
    if (fault === undefined) {
      const publication = this.#publication;
      publication.body = body;
      publication.bodyStart = bodyStart;
      publication.bodyEnd = bodyEnd;
      const channel = this.#channel;
      channel.connection.hub.server.messageSizes.add(bodyEnd - bodyStart);
      if (channel.connection.virtualHost.record.isTracing) tracePublish(channel.tracedWay, publication);
      if (this.#exchangeName !== "" || !this.#replyDirectly(publication)) fault = this.#publish(publication);
      publication.body = none;
      publication.head = none;
    }
    this.#head = none;
    this.#isHeadKept = true;
    return fault;
  }

  #findExchange(): Fault | undefined {
    if (this.#isImmediate) return new Fault("notImplemented", "immediate=true");
    const { namespace, vhost, user } = this.#channel.connection;
    if (user !== this.#writer || user.version !== this.#writerVersion) {
      const refused = checkAccess(this.#channel.connection, "write", "exchange", this.#exchangeName);
      if (refused !== undefined) return refused;
      this.#writer = user;
      this.#writerVersion = user.version;
    }
    const exchange = namespace.exchange(this.#exchangeName);
    if (exchange === undefined) return notFound("exchange", this.#exchangeName, vhost);
    if (exchange !== this.#exchange) {
      this.#exchange = exchange;
      this.#isInternal = exchangeDeclaration(exchange).internal;
      this.#isRestricted = restrictsKeys(exchange);
    }
    if (this.#isInternal) {
      return internalRefused(this.#exchangeName, vhost);
    }
    if (this.#isRestricted && (user !== this.#keyWriter || user.version !== this.#keyWriterVersion)) {
      const refused = checkTopic(this.#channel.connection, "write", exchange, this.#routingKey);
      if (refused !== undefined) return refused;
      this.#keyWriter = user;
      this.#keyWriterVersion = user.version;
    }
    this.#publication.exchange = exchange;
    this.#publication.routingKey = this.#routingKey;
    return undefined;
  }

  /** Finds in the properties what the broker has to know. */
  #readHead(): Fault | undefined {
    const head = this.#head;
    const publication = this.#publication;
    publication.head = head;
    publication.headStart = this.#headStart;
    publication.headEnd = this.#headEnd;
    if (!scanProperties(head, this.#headStart, this.#headEnd, positions)) {
      return new Fault("internalError", "");
    }
    const mode = positions.deliveryMode >= 0 ? head[positions.deliveryMode]! : 1;
    if (mode !== 1 && mode !== 2) {
      return unknownDeliveryMode(mode);
    }
    publication.durable = mode === 2;
    publication.priority = positions.priority >= 0 ? head[positions.priority]! : 0;
    publication.ttlMs = -1;
    publication.deliverAtMs = 0;
    publication.dedupId = undefined;
    publication.extraKeys = undefined;
    if (positions.headers < 0 && positions.replyTo < 0 && positions.expiration < 0 && positions.userId < 0) {
      return undefined;
    }
    return this.#readRareProperties(head, publication);
  }

  #readRareProperties(head: Buffer, publication: Publication): Fault | undefined {
    let fault = this.#checkUser(head);
    if (fault === undefined && positions.expiration >= 0) fault = this.#readExpiration(head, publication);
    // The last two may replace the head, and so make the positions void.
    const headersAt = positions.headers;
    const headersEnd = positions.headersEnd;
    if (fault === undefined && positions.replyTo >= 0) fault = this.#fillInReplyTo(head, publication);
    if (fault === undefined && headersAt >= 0) fault = this.#readHeaders(head, headersAt, headersEnd, publication);
    return fault;
  }

  #checkUser(head: Buffer): Fault | undefined {
    if (positions.userId < 0) return undefined;
    return checkUserId(this.#channel.connection.user, shortStringAt(head, positions.userId));
  }

  #readExpiration(head: Buffer, publication: Publication): Fault | undefined {
    const ttlMs = readExpiration(shortStringAt(head, positions.expiration));
    if (ttlMs instanceof Fault) return ttlMs;
    publication.ttlMs = ttlMs;
    return undefined;
  }

  #fillInReplyTo(head: Buffer, publication: Publication): Fault | undefined {
    if (head[positions.replyTo] !== replyToQueue.length || shortStringAt(head, positions.replyTo) !== replyToQueue) {
      return undefined;
    }
    const address = this.#channel.replyAddress;
    if (address === undefined) return new Fault("preconditionFailed", "fast reply consumer does not exist");
    setHead(publication, rewriteProperties(head, this.#headStart, this.#headEnd, { replyTo: address }));
    return undefined;
  }

  #readHeaders(head: Buffer, at: number, end: number, publication: Publication): Fault | undefined {
    const hasCopies = findField(head, at, end, ccName) >= 0 || findField(head, at, end, bccName) >= 0;
    if (!hasCopies) return undefined;
    const table = decodeTable(head, at, end);
    if (table instanceof Malformed) return new Fault("internalError", "");
    return this.#readCopies(table, publication);
  }

  #readCopies(table: FieldTable, publication: Publication): Fault | undefined {
    const keys = readCopies(table);
    if (keys instanceof Fault) return keys;
    publication.extraKeys = keys;
    if (fieldValue(table, "BCC") !== undefined) {
      const { head, headStart, headEnd } = publication;
      setHead(publication, rewriteProperties(head, headStart, headEnd, { headers: withoutBcc(table) }));
    }
    return undefined;
  }

  /** To a channel that waits for replies, past the broker. False: it is no reply, or has copies that go their own ways. */
  #replyDirectly(publication: Publication): boolean {
    if (!isReplyAddress(this.#routingKey)) return false;
    const target = this.#channel.connection.hub.replyTargets.find(this.#routingKey);
    const channel = this.#channel;
    if (target !== undefined) target.deliverReply(partsOf(publication));
    replyParts.clear();
    if (publication.extraKeys !== undefined) return false;
    // Returned though it was delivered, as RabbitMQ does: it was not routed to a queue.
    if (this.#isMandatory) channel.returnMessage(partsOf(publication));
    replyParts.clear();
    channel.published(0, false);
    return true;
  }

  #publish(publication: Publication): Fault | undefined {
    const channel = this.#channel;
    if (channel.transaction !== undefined) return channel.transaction.publish(publication, this.#isMandatory);
    channel.connection.namespace.publish(publication, outcome);
    if (outcome.routed === 0) this.#unroutable(publication);
    // Where nothing was written (refused, seen before), it waits for what was before it and no more.
    const ticket = Math.min(outcome.ticket, channel.connection.hub.broker.ticket);
    channel.published(ticket, outcome.refused);
    return undefined;
  }

  #unroutable(publication: Publication): void {
    if (!this.#isMandatory) {
      this.#channel.counters.dropUnroutable++;
      return;
    }
    this.#channel.returnMessage(partsOf(publication));
    replyParts.clear();
  }
}

function setHead(publication: Publication, head: Buffer): void {
  publication.head = head;
  publication.headStart = 0;
  publication.headEnd = head.length;
}

/** The message as parts of frames to write. *Reused.* */
export function partsOf(publication: Publication): ContentParts {
  const names = bytesOfText(publication.exchange.name + publication.routingKey);
  const exchangeBytes = Buffer.byteLength(publication.exchange.name);
  // Names and body lie in different buffers, and a delivery's parts in one: this path is rare.
  const bodyBytes = publication.bodyEnd - publication.bodyStart;
  const source = Buffer.allocUnsafe(names.length + bodyBytes);
  names.copy(source, 0);
  publication.body.copy(source, names.length, publication.bodyStart, publication.bodyEnd);
  replyParts.source = source;
  replyParts.exchangeStart = 0;
  replyParts.exchangeEnd = exchangeBytes;
  replyParts.routingKeyStart = exchangeBytes;
  replyParts.routingKeyEnd = names.length;
  replyParts.bodyStart = names.length;
  replyParts.bodyEnd = source.length;
  replyParts.headSource = publication.head;
  replyParts.headStart = publication.headStart;
  replyParts.headEnd = publication.headEnd;
  return replyParts;
}

function isSame(buffer: Buffer, start: number, other: Buffer, length: number): boolean {
  for (let i = 0; i < length; i++) if (buffer[start + i] !== other[i]) return false;
  return true;
}
