"""One member of a group that reads "in", and writes a line for each of its messages to the same partition of "out", in
transactions that hold the group's offsets (KIP-447): `value attempt`.

HOST:PORT and a name that no other member ever has. It says `committed COUNT`, `aborted ATTEMPT REASON`, and
`fenced ATTEMPT REASON` before it ends because its producer is no longer the one: another has to take its place then. Between the
steps of a transaction it waits a little, so that whoever stops or kills it finds it in the midst of one as often as not.
"""

import random
import signal
import sys
import time
import uuid

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

address, name = sys.argv[1:3]
step_s = 30
is_over = False


def end(*_):
    global is_over
    is_over = True


def say(*words):
    print(*words, flush=True)


def reason(error):
    return error.args[0].name()


def again(action):
    """Does it until it is done, or until it cannot be done any more."""
    until = time.monotonic() + 60
    while True:
        try:
            return action()
        except KafkaException as error:
            may_pass = error.args[0].retriable() or error.args[0].code() == KafkaError.UNSTABLE_OFFSET_COMMIT
            if not may_pass or time.monotonic() > until:
                raise
            time.sleep(0.1)


def committed(consumer, partitions):
    found = consumer.committed(partitions, step_s)
    for each in found:
        if each.error is not None:
            raise KafkaException(each.error)
    return found


def places(consumer, partitions):
    """Where the group is; a partition without an offset is read from its beginning."""
    return [TopicPartition(each.topic, each.partition, max(each.offset, 0)) for each in committed(consumer, partitions)]


class Assignment:
    """Who it is in the group, as of the generation from which its messages are.

    It asks for the offsets itself: librdkafka 2.16, asked again for an assignment while it waits for a transaction that moves them,
    takes "unstable" for "none", and begins at auto.offset.reset.
    """

    def __init__(self):
        self.metadata = None

    def assigned(self, consumer, partitions):
        self.metadata = consumer.consumer_group_metadata()
        consumer.assign(again(lambda: places(consumer, partitions)))


def rewind(consumer):
    """What was taken since the last commit was not done."""
    partitions = consumer.assignment()
    if partitions:
        for each in again(lambda: places(consumer, partitions)):
            consumer.seek(each)


def transform(consumer, producer, metadata, messages):
    attempt = uuid.uuid4().hex
    try:
        producer.begin_transaction()
        for message in messages:
            value = message.value() + b" " + attempt.encode()
            producer.produce("out", partition=message.partition(), value=value)
        producer.poll(0)
        time.sleep(random.random() * 0.05)
        ends = {}
        for message in messages:
            ends[message.partition()] = message.offset() + 1
        offsets = [TopicPartition("in", partition, offset) for partition, offset in ends.items()]
        again(lambda: producer.send_offsets_to_transaction(offsets, metadata, step_s))
        # Here a member that is stopped still ends its transaction when it goes on, and nobody may have read old offsets meanwhile.
        time.sleep(random.random() * 0.2)
        if random.random() < 0.1:
            again(lambda: producer.abort_transaction(step_s))
            say("aborted", attempt, "ON_PURPOSE")
            rewind(consumer)
            return
        again(lambda: producer.commit_transaction(step_s))
        say("committed", len(messages))
    except KafkaException as error:
        if error.args[0].fatal():
            say("fenced", attempt, reason(error))
            sys.exit(3)
        again(lambda: producer.abort_transaction(step_s))
        say("aborted", attempt, reason(error))
        rewind(consumer)


def main():
    signal.signal(signal.SIGTERM, end)
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "shared",
            "client.id": name,
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "session.timeout.ms": 2000,
            "heartbeat.interval.ms": 300,
            "reconnect.backoff.max.ms": 500,
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": address,
            # With its default, "rebootstrap", librdkafka 2.16 gives up its only broker when that has gone, and waits for good for a
            # coordinator that it remembers by the broker's old entry.
            "metadata.recovery.strategy": "none",
            "transactional.id": name,
            "transaction.timeout.ms": 4000,
            "linger.ms": 0,
            "reconnect.backoff.max.ms": 500,
        }
    )
    again(lambda: producer.init_transactions(step_s))
    assignment = Assignment()
    consumer.subscribe(["in"], on_assign=assignment.assigned)
    while not is_over:
        messages = consumer.consume(1 + random.randrange(1000), 0.2)
        taken = [message for message in messages if message.error() is None]
        for message in messages:
            if message.error() is not None and message.error().fatal():
                raise KafkaException(message.error())
        if taken:
            transform(consumer, producer, assignment.metadata, taken)
    consumer.close()


try:
    main()
except KafkaException as error:
    # Its place is taken by another, as if it had been killed.
    say("fenced", "-", reason(error))
    sys.exit(3)
