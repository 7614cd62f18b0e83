/**
 * Kafka's commands in a test suite's hands: what is produced and committed may go wrong, and what was produced is noted; of
 * members of groups it is remembered over which connections they speak. All other commands are as they are.
 */

import { entryMessages } from "./entry-messages.ts";
import type { FaultKind } from "./faults.ts";
import { heldBatch } from "./held-entry.ts";
import { socketName, type Party } from "./party.ts";
import { publishedMessage, type PublishedMessage } from "./published.ts";
import type { Tried } from "./tried.ts";
import type { Queue } from "../broker/api.ts";
import { errorCode, errorText, type ErrorName } from "../protocols/kafka/codec/errors.ts";
import type { OffsetCommitRequest } from "../protocols/kafka/codec/messages/group-offsets.ts";
import type { HeartbeatRequest, JoinGroupRequest, SyncGroupRequest } from "../protocols/kafka/codec/messages/groups.ts";
import type { ProduceRequest } from "../protocols/kafka/codec/messages/produce.ts";
import type { EndTxnRequest, TxnOffsetCommitRequest } from "../protocols/kafka/codec/messages/transactions.ts";
import { BatchView } from "../protocols/kafka/codec/record-batch.ts";
import type { Call, Command } from "../protocols/kafka/command.ts";
import { batchFormatId } from "../protocols/kafka/mapping/format.ts";

type Handle<Request> = (request: Request, call: Call, go: () => void) => void;

interface Produced {
  readonly topic: string;
  readonly queue: Queue;
  readonly bytes: Buffer;
  /** Where it would come to stand: what is there already is not appended again. */
  readonly nextOffset: number;
}

/** Of one producer: what is durable of its transaction that is not decided. */
interface Undecided {
  readonly epoch: number;
  readonly messages: PublishedMessage[];
}

export class TriedCommands {
  readonly #tried: Tried;
  /** By namespace, for each numbers its producers from the same on, and by the producer's number. */
  readonly #undecided = new Map<string, Map<number, Undecided>>();

  constructor(tried: Tried) {
    this.#tried = tried;
  }

  /** Of all, those that are tried are put in. */
  through(commands: readonly Command[]): readonly Command[] {
    const handleByName: Readonly<Record<string, Handle<never>>> = {
      Produce: (request: ProduceRequest, call, go) => this.#produce(request, call, go),
      OffsetCommit: (request: OffsetCommitRequest, call, go) => this.#commit(request, call, go),
      TxnOffsetCommit: (request: TxnOffsetCommitRequest, call, go) => this.#commit(request, call, go),
      EndTxn: (request: EndTxnRequest, call, go) => this.#endTransaction(request, call, go),
      JoinGroup: (request: JoinGroupRequest, call, go) => this.#memberSpoke(request, call, go),
      Heartbeat: (request: HeartbeatRequest, call, go) => this.#memberSpoke(request, call, go),
      SyncGroup: (request: SyncGroupRequest, call, go) => this.#memberSpoke(request, call, go),
    };
    return commands.map((command) => {
      const handle = handleByName[command.name];
      if (handle === undefined) return command;
      return { ...command, handle: (request, call) => handle(request, call, () => command.handle(request, call)) };
    });
  }

  forgetNamespace(namespace: string): void {
    this.#undecided.delete(namespace);
  }

  #memberSpoke({ memberId }: { readonly memberId: string }, call: Call, go: () => void): void {
    this.#tried.sockets.memberSpoke(memberId, socketName(call.connection.address));
    go();
  }

  #produce(request: ProduceRequest, call: Call, go: () => void): void {
    const { faults, sockets } = this.#tried;
    const by = partyOf(call);
    const produced = producedBy(request, call);
    const fault = sockets.isCut(by.socket)
      ? lost
      : faults.take(
          "publish",
          by,
          produced.map(({ topic }) => topic),
        );
    if (fault?.what === "cut") {
      sockets.cut(by.socket);
      call.respondNothing();
      return;
    }
    if (fault?.what === "refuse") return refuse(request, call, fault);
    const { broker } = call.server;
    if (fault?.what === "delay") sockets.hold(by.socket, broker.clock, fault.ms);
    go();
    const { ticket } = broker;
    for (const one of produced) if (one.queue.nextOffset > one.nextOffset) this.#note(one, call, by, ticket);
    if (fault?.what === "lose-confirm") broker.whenDurable(ticket, () => void sockets.cut(by.socket));
  }

  #note({ topic, bytes, nextOffset }: Produced, { server }: Call, by: Party, ticket: number): void {
    const view = new BatchView().set(bytes, 0);
    const nowMs = server.broker.clock.now();
    const batch = heldBatch(bytes, batchFormatId, nextOffset, view.count, nowMs);
    const messages = entryMessages(server.broker, batch, topic).map((seen) => publishedMessage(seen, by, [topic]));
    const { isTransactional, producerId, producerEpoch } = view;
    // What a crash loses is published again, by who was not told that it was.
    server.broker.whenDurable(ticket, () => {
      if (isTransactional) this.#undecidedOf(by.namespace, producerId, producerEpoch).push(...messages);
      else this.#add(messages);
    });
  }

  /** Of an epoch that is over nothing is decided any more: its transaction has timed out. */
  #undecidedOf(namespace: string, producerId: number, epoch: number): PublishedMessage[] {
    let byProducer = this.#undecided.get(namespace);
    if (byProducer === undefined) this.#undecided.set(namespace, (byProducer = new Map()));
    let undecided = byProducer.get(producerId);
    if (undecided?.epoch !== epoch) byProducer.set(producerId, (undecided = { epoch, messages: [] }));
    return undecided.messages;
  }

  #endTransaction(request: EndTxnRequest, { server }: Call, go: () => void): void {
    const { transactionalId, producerId, producerEpoch, committed } = request;
    const isOngoing = (): boolean => server.transactions.find(transactionalId)?.state.phase === "Ongoing";
    const wasOngoing = isOngoing();
    go();
    if (!wasOngoing || isOngoing()) return;
    const { namespace } = server.settings;
    server.broker.whenDurable(server.broker.ticket, () => {
      const messages = this.#undecidedOf(namespace, producerId, producerEpoch);
      this.#undecided.get(namespace)?.delete(producerId);
      if (committed) this.#add(messages);
    });
  }

  #add(messages: readonly PublishedMessage[]): void {
    for (const message of messages) this.#tried.published.add(message);
  }

  #commit(request: OffsetCommitRequest | TxnOffsetCommitRequest, call: Call, go: () => void): void {
    const { faults, sockets } = this.#tried;
    const by = partyOf(call);
    sockets.memberSpoke(request.memberId, by.socket);
    const names = request.topics.map((topic) => topicOf(topic, call));
    const fault = sockets.isCut(by.socket) ? lost : faults.take("ack", by, names);
    if (fault === undefined) return go();
    if (fault.what === "cut") {
      sockets.cut(by.socket);
      call.respondNothing();
      return;
    }
    const topics = request.topics.map((topic) => ({
      ...topic,
      partitions: topic.partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        errorCode: errorCode.ILLEGAL_GENERATION,
      })),
    }));
    call.respond({ topics });
  }
}

/** What a connection that was cut had sent and the broker has not read, in truth. */
const lost: FaultKind = { what: "cut" };

function partyOf({ connection, clientId, identity, server }: Call): Party {
  return {
    protocol: "kafka",
    socket: socketName(connection.address),
    client: clientId ?? "",
    user: identity.name,
    namespace: server.settings.namespace,
  };
}

function producedBy(request: ProduceRequest, call: Call): Produced[] {
  const produced: Produced[] = [];
  for (const data of request.topicData) {
    const topic = topicOf(data, call);
    const partitions = call.server.topics.find(topic)?.partitions;
    for (const { index, records } of data.partitionData) {
      const queue = partitions?.[index];
      if (queue === undefined || records === null) continue;
      // The request's bytes are gone when it has been handled.
      produced.push({ topic, queue, bytes: Buffer.from(records), nextOffset: queue.nextOffset });
    }
  }
  return produced;
}

/** Later versions say a topic by its id. */
function topicOf(asked: { readonly name?: string; readonly topicId?: string }, { server }: Call): string {
  const { name = "", topicId = "" } = asked;
  return name === "" ? (server.topics.findById(topicId)?.name ?? "") : name;
}

function refuse(request: ProduceRequest, call: Call, { error }: { readonly error: string }): void {
  if (request.acks === 0) {
    call.respondNothing();
    call.connection.end("what was produced was refused, as a test has asked for");
    return;
  }
  const code = errorCode[error as ErrorName];
  const responses = request.topicData.map(({ name, topicId, partitionData }) => ({
    name,
    topicId,
    partitionResponses: partitionData.map(({ index }) => ({
      index,
      errorCode: code,
      baseOffset: -1,
      errorMessage: errorText(code),
    })),
  }));
  call.respond({ responses });
}
