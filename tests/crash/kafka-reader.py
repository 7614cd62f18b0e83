"""What a topic holds under read_committed: a line `partition value` for each message, up to a last one that is produced here.

HOST:PORT, the topic, and how many partitions it has.
"""

import sys
import uuid

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

address, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
partitions = range(count)
step_s = 30
last = uuid.uuid4().bytes

producer = Producer({"bootstrap.servers": address})
for partition in partitions:
    producer.produce(topic, partition=partition, value=last)
if producer.flush(step_s) > 0:
    sys.exit("a last message was not taken")

consumer = Consumer(
    {
        "bootstrap.servers": address,
        "group.id": "reader",
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
    }
)
consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
waiting = set(partitions)
while waiting:
    message = consumer.poll(step_s)
    if message is None:
        sys.exit(f"nothing came for {step_s} s, and {waiting} are not at their end")
    if message.error() is not None:
        raise KafkaException(message.error())
    if message.value() == last:
        waiting.discard(message.partition())
    else:
        print(message.partition(), message.value().decode())
consumer.close()
