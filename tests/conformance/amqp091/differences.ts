/**
 * Where Entrepot differs from RabbitMQ 3.10 on purpose. `differences` replace single lines of a golden transcript, in
 * order; `rewrites` say once what newer RabbitMQs do everywhere. Each has its reason. What no longer applies fails the
 * test, so that the list cannot rot; what is merely not built yet does not belong here.
 */
export interface Difference {
  /** The golden file, as `family/scenario.txt`. */
  readonly golden: string;
  readonly reason: string;
  /** Whole lines as RabbitMQ 3.10 gives them, and what stands in their place here. */
  readonly lines: readonly (readonly [rabbitmq: string, entrepot: string])[];
}

export interface Rewrite {
  readonly reason: string;
  readonly pattern: RegExp;
  readonly replacement: string;
}

const close = (who: string, code: number, text: string, classId: number, methodId: number): string =>
  `${who} < ${who.endsWith("0") ? "connection" : "channel"}.close reply-code=${code} reply-text=${JSON.stringify(text)}` +
  ` class-id=${classId} method-id=${methodId}`;

const crashed = (who: string): string => close(who, 541, "INTERNAL_ERROR", 0, 0);

const unknownMethod = (who: string, classId: number, methodId: number): readonly [string, string] => [
  `${who}${classId === 99 ? 0 : 1} < socket closed`,
  close(`${who}0`, 503, `COMMAND_INVALID - unknown method ${classId}.${methodId}`, classId, methodId),
];

const undecodable = (who: string, bytes: string): readonly [string, string] => [
  `${who}1 < socket closed`,
  close(`${who}0`, 501, `FRAME_ERROR - cannot decode <<0,0,1,113,0,0,0,0,${bytes}>>`, 50, 10),
];

const badOffset = (who: string, value: string): readonly [string, string] => [
  crashed(`${who}0`),
  close(
    `${who}1`,
    406,
    `PRECONDITION_FAILED - invalid arg 'x-stream-offset' for queue 'q' in vhost '/': {invalid_stream_offset_arg,${value}}`,
    60,
    20,
  ),
];

const badAge = (who: string): readonly [string, string] => [
  crashed(`${who}0`),
  close(
    `${who}1`,
    406,
    "PRECONDITION_FAILED - invalid arg 'x-max-age' for queue 'q' in vhost '/': invalid_max_age",
    50,
    10,
  ),
];

const tracedPublish = (queues: string): string =>
  '-- basic.get-ok delivery-tag=1 redelivered=false exchange="amq.rabbitmq.trace" routing-key="publish." message-count=3' +
  ' | headers={channel=I:1, connection="...", exchange_name="", node="...", properties={content_type="text/plain",' +
  ' delivery_mode=I:2, headers={CC=["elsewhere"], a=I:1}, message_id="m", priority=I:3, timestamp=I:5},' +
  ` routed_queues=[${queues}], routing_keys=["q", "elsewhere"], user="tenant", vhost="traced"} | "one"`;

const DECLARED = '< queue.declare-ok queue="q" message-count=0 consumer-count=0';

export const differences: readonly Difference[] = [
  {
    golden: "connection/the-handshake-of-an-ordinary-client.txt",
    reason: "RabbitMQ 4 offers ANONYMOUS, which 3.10 did not have.",
    lines: [["-- mechanisms: AMQPLAIN PLAIN", "-- mechanisms: AMQPLAIN ANONYMOUS PLAIN"]],
  },
  {
    golden: "connection/a-frame-over-the-agreed-size-in-the-handshake.txt",
    reason:
      "3.10 takes 4,096 bytes before the tune, which is too little for a token as password; newer ones take more.",
    lines: [["a0 < socket closed", "a0 < connection.tune channel-max=2047 frame-max=131072 heartbeat=60"]],
  },
  {
    golden: "connection/an-unknown-class-or-method-ends-the-connection.txt",
    reason: "RabbitMQ's reader crashes and closes without a word; here the client is told what it sent.",
    lines: [
      unknownMethod("a", 60, 999),
      unknownMethod("b", 999, 10),
      unknownMethod("c", 0, 0),
      unknownMethod("d", 10, 99),
    ],
  },
  {
    golden: "connection/an-unknown-method-on-channel-0-ends-the-connection.txt",
    reason: "RabbitMQ's reader crashes and closes without a word; here the client is told what it sent.",
    lines: [unknownMethod("a", 99, 99)],
  },
  {
    golden: "connection/a-table-whose-length-or-types-are-wrong.txt",
    reason: "RabbitMQ's reader crashes in a table; here it is the same refusal as for any undecodable method.",
    lines: [undecodable("b", "4,1,97,63,1"), undecodable("c", "4,1,97,73,1"), undecodable("d", "2,9,97")],
  },
  {
    golden: "queue-arguments/an-x-max-age-without-a-number-breaks-the-connection.txt",
    reason: "RabbitMQ's channel crashes on these; here they are refused as every other bad age is.",
    lines: [badAge("a"), badAge("b"), badAge("c")],
  },
  {
    golden: "queue-arguments/an-unknown-x-queue-master-locator-breaks-the-connection.txt",
    reason: "RabbitMQ's channel crashes on these; here the argument is accepted and ignored, whatever it says.",
    lines: [
      [crashed("a0"), `a1 ${DECLARED}`],
      [crashed("b0"), `b1 ${DECLARED}`],
    ],
  },
  {
    golden: "queue-arguments/a-classic-queue-has-no-leader-locator.txt",
    reason: "RabbitMQ 4 takes this argument for classic queues, 3.10 did not yet.",
    lines: [
      [
        close(
          "a1",
          406,
          "PRECONDITION_FAILED - invalid arg 'x-queue-leader-locator' for queue 'q' in vhost '/' of queue type rabbit_classic_queue",
          50,
          10,
        ),
        `a1 ${DECLARED}`,
      ],
    ],
  },
  {
    golden: "routing/a-hash-header-that-is-no-string-breaks-the-connection.txt",
    reason: "RabbitMQ's channel crashes on it; here the argument is ignored.",
    lines: [[crashed("a0"), "a1 < exchange.declare-ok"]],
  },
  {
    golden: "stream/an-offset-specification-that-makes-no-sense-is-refused.txt",
    reason: "RabbitMQ 3.10's channel crashes on these; newer ones refuse them so.",
    lines: [
      badOffset("a", '{longstr,<<"nosuch">>}'),
      badOffset("b", "{longstr,<<>>}"),
      badOffset("c", "{bool,true}"),
      badOffset("d", "{double,1.5}"),
      badOffset("e", "{void,undefined}"),
      badOffset("f", "{array,[{signedint,1}]}"),
    ],
  },
  {
    golden: "limits/an-expired-message-of-a-low-priority-waits-for-the-head-as-well.txt",
    reason: "Here each priority is a line of its own, with its own head to expire.",
    lines: [["a1 = q: 2 ready, 0 consumers", "a1 = q: 1 ready, 0 consumers"]],
  },
  {
    golden: "tenants/the-firehose-copies-what-is-published-and-what-is-delivered.txt",
    reason:
      "At the default exchange RabbitMQ lists every key as a queue; here those that the message went to are listed.",
    lines: [[tracedPublish('"q", "elsewhere"'), tracedPublish('"q"')]],
  },
];

export const rewrites: readonly Rewrite[] = [
  {
    reason: "Since 3.13 RabbitMQ names the last death beside the first.",
    pattern:
      /(x-death=\[\{count=l:\d+, exchange=("[^"]*"),.*? queue=("[^"]*"), reason=("[^"]*").*?x-first-death-reason="[^"]*")/g,
    replacement: "$1, x-last-death-exchange=$2, x-last-death-queue=$3, x-last-death-reason=$4",
  },
];
