"""kafka-python through some patterns of ../README.md, with its defaults: HOST:PORT and the patterns wanted; a line for each."""

import ssl
import time
from concurrent.futures import ThreadPoolExecutor

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import KafkaAdminClient
from patterns import LIMIT_SECONDS, START_MS, equal, login, numbers, run_patterns


def settings(address, **more):
    result = {"bootstrap_servers": address, "client_id": "interop"}
    if secured := login():
        ca, mechanism = secured
        result |= {
            "security_protocol": "SASL_SSL",
            "ssl_context": ssl.create_default_context(cafile=ca),
            "sasl_mechanism": mechanism,
            "sasl_plain_username": "guest",
            "sasl_plain_password": "guest",
        }
    return result | more


def create_topic(address, topic, partitions):
    admin = KafkaAdminClient(**settings(address))
    admin.create_topics({topic: {"num_partitions": partitions}})
    admin.close()


def produce(address, topic, messages):
    producer = KafkaProducer(**settings(address))
    for sent in [producer.send(topic, **message) for message in messages]:
        sent.get(LIMIT_SECONDS)
    producer.close()


def bodies(count, start=0, partition=0):
    return [{"value": each.encode(), "partition": partition} for each in numbers(count, start)]


def member_of(address, group, topic):
    return KafkaConsumer(
        topic, **settings(address, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest")
    )


def poll_until(done, *members):
    """
    Answers what came, by member. Each has a thread: of an assignment that arrives between two polls it knows nothing (3.0.12), and
    joins again.
    """
    received = [[] for _ in members]
    end = time.monotonic() + LIMIT_SECONDS

    def poll(mine, member):
        while not done(received):
            if time.monotonic() > end:
                raise AssertionError(f"not done; {[len(each) for each in received]} came")
            for batch in member.poll(200).values():
                mine += batch

    with ThreadPoolExecutor(len(members)) as pool:
        for polled in [pool.submit(poll, *each) for each in zip(received, members)]:
            polled.result()
    return received


def take(member, count):
    [received] = poll_until(lambda received: len(received[0]) >= count, member)
    equal(len(received), count)
    return received


def values(received):
    return [each.value.decode() for each in received]


def records(address, prefix):
    topic = f"{prefix}topic"
    create_topic(address, topic, 3)
    sent = [
        {
            "key": f"key-{n % 5}".encode(),
            "value": str(n).encode(),
            "timestamp_ms": START_MS + n,
            "headers": [("n", str(n).encode()), ("n", b"again"), ("bytes", b"\0\xff\n")],
        }
        for n in range(30)
    ]
    produce(address, topic, [*sent, {"key": b"tombstone"}])
    partition_by_key = {}
    consumer = member_of(address, f"{prefix}group", topic)
    for record in take(consumer, 31):
        equal(partition_by_key.setdefault(record.key, record.partition), record.partition)
        if record.key == b"tombstone":
            equal(record.value, None)
            continue
        expected = sent[int(record.value)]
        equal(record.key, expected["key"])
        equal(record.timestamp, expected["timestamp_ms"])
        equal([tuple(each) for each in record.headers], expected["headers"])
    consumer.close()


def group(address, prefix):
    topic = f"{prefix}topic"
    create_topic(address, topic, 4)
    members = [member_of(address, f"{prefix}group", topic) for _ in range(2)]
    poll_until(lambda _: all(len(member.assignment()) == 2 for member in members), *members)
    for partition in range(4):
        produce(address, topic, bodies(10, partition * 10, partition))
    received = poll_until(lambda received: sum(map(len, received)) >= 40, *members)
    equal([len(each) for each in received], [20, 20])
    equal(sorted(int(each) for each in values(received[0] + received[1])), list(range(40)))
    left = members[1].assignment()
    members[1].close()
    # Nothing was committed, so who is left gets all of what the other one had.

    def has_those_of_other(received):
        return len([each for each in received[0] if TopicPartition(topic, each.partition) in left]) >= 20

    poll_until(has_those_of_other, members[0])
    members[0].close()


def resume(address, prefix):
    topic, partition = f"{prefix}topic", TopicPartition(f"{prefix}topic", 0)
    create_topic(address, topic, 1)
    produce(address, topic, bodies(20))
    first = member_of(address, f"{prefix}group", topic)
    take(first, 20)
    first.commit({partition: OffsetAndMetadata(12, "twelve", -1)})
    equal(first.committed(partition, metadata=True).metadata, "twelve")
    first.close()
    second = member_of(address, f"{prefix}group", topic)
    equal(values(take(second, 8)), numbers(8, 12))
    second.seek(partition, 5)
    equal(values(take(second, 15)), numbers(15, 5))
    second.close()


run_patterns({"records": records, "group": group, "resume": resume})
