import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * Many producers, each with its own connection and thread, over a topic of many partitions. With keys, each producer's
 * messages are spread over all partitions one by one, so that a batch holds few of them; without, the client fills one
 * partition's batch after the other. Each has at most --outstanding messages that are not acknowledged: else what waits in a
 * hundred buffers would be minutes of work.
 */
final class ManyProducers {
  private ManyProducers() {}

  static void run(Load load) throws Exception {
    int producers = load.number("producers");
    byte[] value = new byte[load.number("bytes")];
    String topic = load.text("topic");
    boolean keyed = load.text("keys").equals("yes");
    Crew crew = new Crew();
    touchAll(load, topic, crew);
    CountDownLatch ready = new CountDownLatch(producers);
    for (int index = 0; index < producers; index++) {
      int own = index;
      crew.start("producer-" + index, () -> {
        Semaphore outstanding = new Semaphore(load.number("outstanding"));
        Callback done = (metadata, failure) -> {
          crew.onCompletion(metadata, failure);
          outstanding.release();
        };
        KafkaProducer<byte[], byte[]> producer = Settings.producer(load);
        try {
          // Connected, and with its id, before warming up begins.
          producer.send(new ProducerRecord<>(topic, value), crew).get();
          ready.countDown();
          for (long number = own; !crew.isOver(); number += producers) {
            byte[] key = keyed ? ByteBuffer.allocate(8).putLong(number).array() : null;
            if (outstanding.tryAcquire(100, TimeUnit.MILLISECONDS))
              producer.send(new ProducerRecord<>(topic, key, value), done);
          }
        } finally {
          // What is not acknowledged by then is no longer measured.
          producer.close(Duration.ofSeconds(5));
        }
      });
    }
    while (!ready.await(10, TimeUnit.MILLISECONDS)) crew.check();
    crew.measure(load);
    crew.finish();
    load.put("publishedBytes", crew.counted.sum() * value.length);
  }

  /** The first message of a partition makes files, on any broker: that is not what is measured. */
  private static void touchAll(Load load, String topic, Crew crew) throws Exception {
    try (KafkaProducer<byte[], byte[]> producer = Settings.producer(load)) {
      int partitions = producer.partitionsFor(topic).size();
      for (int partition = 0; partition < partitions; partition++)
        producer.send(new ProducerRecord<>(topic, partition, null, new byte[1]), crew);
    }
    crew.check();
  }
}
