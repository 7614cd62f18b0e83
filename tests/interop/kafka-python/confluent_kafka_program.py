"""confluent-kafka (librdkafka) through the patterns of ../README.md: HOST:PORT and the patterns wanted; a line for each."""

import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
)
from patterns import LIMIT_SECONDS, START_MS, equal, login, numbers, run_patterns


def settings(address, **more):
    result = {"bootstrap.servers": address, "client.id": "interop", "log_level": 0}
    if secured := login():
        ca, mechanism = secured
        result |= {
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": ca,
            "sasl.mechanism": mechanism,
            "sasl.username": "guest",
            "sasl.password": "guest",
        }
    return result | {name.replace("_", "."): value for name, value in more.items()}


def refused(action):
    try:
        action()
    except KafkaException as error:
        return error.args[0].name()
    raise AssertionError("it was not refused")


def create_topic(address, topic, partitions, **more):
    client = AdminClient(settings(address))
    for future in client.create_topics([NewTopic(topic, partitions, 1, **more)]).values():
        future.result()


def produce(address, topic, bodies, partition=0, **more):
    errors = []
    producer = Producer(settings(address, **more))
    for body in bodies:
        producer.produce(topic, body, partition=partition, on_delivery=lambda error, _: error and errors.append(error))
    equal(producer.flush(LIMIT_SECONDS), 0, "not produced")
    equal(errors, [])


def consumer_of(address, group, **more):
    times = {"session_timeout_ms": 20_000, "heartbeat_interval_ms": 300}
    plain = {"group_id": group, "enable_auto_commit": False, "auto_offset_reset": "earliest"}
    return Consumer(settings(address, **(plain | times | more)))


def take(consumer, count):
    """The next messages, and no more within half a second."""
    received = []
    end = time.monotonic() + LIMIT_SECONDS
    while len(received) < count:
        if time.monotonic() > end:
            raise AssertionError(f"{len(received)} of {count} came")
        message = consumer.poll(0.2)
        if message is not None:
            if message.error():
                raise KafkaException(message.error())
            received.append(message)
    extra = consumer.poll(0.5)
    equal(extra and extra.value(), None, "one too many")
    return received


def values(received):
    return [message.value().decode() for message in received]


def read_all(address, topic, count, **more):
    consumer = consumer_of(address, f"{topic}.{count}.{len(more)}", **more)
    consumer.subscribe([topic])
    received = take(consumer, count)
    consumer.close()
    return received


def records(address, prefix):
    topic = f"{prefix}topic"
    create_topic(address, topic, 3)
    producer = Producer(settings(address))
    for n in range(30):
        headers = [("n", str(n)), ("n", b"again"), ("none", None), ("bytes", b"\0\xff\n")]
        producer.produce(topic, str(n), key=f"key-{n % 5}", timestamp=START_MS + n, headers=headers)
    producer.produce(topic, None, key="tombstone")
    equal(producer.flush(LIMIT_SECONDS), 0)
    partition_by_key = {}
    for message in read_all(address, topic, 31):
        key = message.key().decode()
        equal(partition_by_key.setdefault(key, message.partition()), message.partition())
        if key == "tombstone":
            equal(message.value(), None)
            continue
        n = int(message.value())
        equal(key, f"key-{n % 5}")
        equal(message.timestamp()[1], START_MS + n)
        equal(message.headers(), [("n", str(n).encode()), ("n", b"again"), ("none", None), ("bytes", b"\0\xff\n")])


def compression(address, prefix):
    topic = f"{prefix}topic"
    create_topic(address, topic, 1)
    expected = []
    for kind in ["none", "gzip", "snappy", "lz4", "zstd"]:
        bodies = [f"{kind} {each} {'x' * 500}" for each in numbers(50)]
        produce(address, topic, bodies, compression_type=kind, linger_ms=20)
        expected += bodies
    equal(values(read_all(address, topic, 250)), expected)


def group(address, prefix):
    topic = f"{prefix}topic"
    create_topic(address, topic, 4)
    received = {0: [], 1: []}
    members = [consumer_of(address, f"{prefix}group") for _ in received]
    for member in members:
        member.subscribe([topic])

    def poll_until(done, alive=(0, 1)):
        end = time.monotonic() + LIMIT_SECONDS
        while not done():
            if time.monotonic() > end:
                raise AssertionError("not done")
            for which in alive:
                message = members[which].poll(0.05)
                if message is not None and not message.error():
                    received[which].append(message)

    poll_until(lambda: all(len(member.assignment()) == 2 for member in members))
    equal(sorted(each.partition for member in members for each in member.assignment()), [0, 1, 2, 3])
    for partition in range(4):
        produce(address, topic, numbers(10, partition * 10), partition)
    poll_until(lambda: sum(map(len, received.values())) >= 40)
    equal([len(each) for each in received.values()], [20, 20])
    equal(sorted(int(each) for each in values(received[0] + received[1])), list(range(40)))
    left = {each.partition for each in members[1].assignment()}
    members[1].close()
    # Nothing was committed, so who is left gets all of what the other one had.
    poll_until(lambda: len([each for each in received[0] if each.partition() in left]) >= 20, alive=(0,))
    members[0].close()


def resume(address, prefix):
    topic = f"{prefix}topic"
    create_topic(address, topic, 1)
    produce(address, topic, numbers(20))
    first = consumer_of(address, f"{prefix}group")
    first.subscribe([topic])
    take(first, 20)
    first.commit(offsets=[TopicPartition(topic, 0, 12, metadata="twelve")], asynchronous=False)
    equal(first.committed([TopicPartition(topic, 0)])[0].metadata, "twelve")
    first.close()
    second = consumer_of(address, f"{prefix}group")
    second.subscribe([topic])
    equal(values(take(second, 8)), numbers(8, 12))
    second.seek(TopicPartition(topic, 0, 5))
    equal(values(take(second, 15)), numbers(15, 5))
    second.close()


def times(address, prefix):
    topic = f"{prefix}topic"
    create_topic(address, topic, 1)
    producer = Producer(settings(address))
    for n in range(10):
        producer.produce(topic, str(n), partition=0, timestamp=START_MS + n * 1000)
    producer.flush(LIMIT_SECONDS)
    consumer = consumer_of(address, f"{prefix}group")
    equal(consumer.get_watermark_offsets(TopicPartition(topic, 0)), (0, 10))
    found = [
        consumer.offsets_for_times([TopicPartition(topic, 0, START_MS + after)])[0].offset
        for after in [-1, 0, 3500, 9000, 9001]
    ]
    equal(found, [0, 0, 4, 9, -1])
    consumer.close()


def idempotent(address, prefix):
    topic = f"{prefix}topic"
    create_topic(address, topic, 1)
    produce(address, topic, numbers(5000), enable_idempotence=True, acks="all", batch_num_messages=50)
    equal(values(read_all(address, topic, 5000)), numbers(5000))


def transactional(address, prefix):
    producer = Producer(settings(address, transactional_id=f"{prefix}id"))
    producer.init_transactions(LIMIT_SECONDS)
    return producer


def transactions(address, prefix):
    topic = f"{prefix}topic"
    create_topic(address, topic, 1)
    producer = transactional(address, prefix)
    for first, end in [(0, producer.commit_transaction), (5, producer.abort_transaction), (10, producer.commit_transaction)]:
        producer.begin_transaction()
        for body in numbers(5, first):
            producer.produce(topic, body)
        producer.flush(LIMIT_SECONDS)
        end(LIMIT_SECONDS)
    committed = numbers(5) + numbers(5, 10)
    equal(values(read_all(address, topic, 10)), committed)
    equal(values(read_all(address, topic, 15, isolation_level="read_uncommitted")), numbers(15))
    # Another producer of the same transactional id ends what the first has open, and fences it.
    producer.begin_transaction()
    producer.produce(topic, "never")
    producer.flush(LIMIT_SECONDS)
    successor = transactional(address, prefix)
    equal(refused(lambda: producer.commit_transaction(LIMIT_SECONDS)), "_FENCED")
    successor.begin_transaction()
    successor.produce(topic, "end")
    successor.commit_transaction(LIMIT_SECONDS)
    equal(values(read_all(address, topic, 11)), committed + ["end"])


def transform(address, prefix):
    source, target = f"{prefix}in", f"{prefix}out"
    create_topic(address, source, 1)
    create_topic(address, target, 1)
    produce(address, source, numbers(20))
    producer = transactional(address, prefix)
    for start in [0, 10]:
        consumer = consumer_of(address, f"{prefix}group")
        consumer.subscribe([source])
        received = take(consumer, 20 - start)
        equal(received[0].offset(), start)
        for end in [producer.abort_transaction, producer.commit_transaction]:
            producer.begin_transaction()
            for message in received[:10]:
                producer.produce(target, message.value() + b"!")
            offsets = [TopicPartition(source, 0, start + 10)]
            producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), LIMIT_SECONDS)
            end(LIMIT_SECONDS)
        consumer.close()
    equal(values(read_all(address, target, 20)), [f"{each}!" for each in numbers(20)])


def admin(address, prefix):
    topic = f"{prefix}topic"
    client = AdminClient(settings(address))
    create_topic(address, topic, 2, config={"retention.ms": "3600000"})
    equal(refused(lambda: create_topic(address, topic, 2)), "TOPIC_ALREADY_EXISTS")
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)

    def configured():
        return client.describe_configs([resource])[resource].result()["retention.ms"].value

    equal(configured(), "3600000")
    entry = ConfigEntry("retention.ms", "7200000", incremental_operation=AlterConfigOpType.SET)
    change = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    client.incremental_alter_configs([change])[change].result()
    equal(configured(), "7200000")
    client.create_partitions([NewPartitions(topic, 5)])[topic].result()
    equal(len(client.list_topics(topic, timeout=LIMIT_SECONDS).topics[topic].partitions), 5)
    produce(address, topic, numbers(10), 4)
    [deleted] = client.delete_records([TopicPartition(topic, 4, 6)]).values()
    equal(deleted.result().low_watermark, 6)
    client.delete_topics([topic])[topic].result()
    equal(topic in client.list_topics(timeout=LIMIT_SECONDS).topics, False)


def groups_admin(address, prefix):
    topic, group_id = f"{prefix}topic", f"{prefix}group"
    create_topic(address, topic, 1)
    produce(address, topic, numbers(5))
    client = AdminClient(settings(address))
    consumer = consumer_of(address, group_id)
    consumer.subscribe([topic])
    take(consumer, 5)
    described = client.describe_consumer_groups([group_id])[group_id].result()
    equal((described.state.name, [each.client_id for each in described.members]), ("STABLE", ["interop"]))
    equal(refused(lambda: client.delete_consumer_groups([group_id])[group_id].result()), "NON_EMPTY_GROUP")
    consumer.close()
    wanted = ConsumerGroupTopicPartitions(group_id, [TopicPartition(topic, 0, 3)])
    client.alter_consumer_group_offsets([wanted])[group_id].result()
    listed = client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group_id)])[group_id].result()
    equal([(each.partition, each.offset) for each in listed.topic_partitions], [(0, 3)])
    client.delete_consumer_groups([group_id])[group_id].result()
    equal(group_id in [each.group_id for each in client.list_consumer_groups().result().valid], False)


run_patterns(
    {
        "records": records,
        "compression": compression,
        "group": group,
        "resume": resume,
        "times": times,
        "idempotent": idempotent,
        "transactions": transactions,
        "transform": transform,
        "admin": admin,
        "groups-admin": groups_admin,
    }
)
