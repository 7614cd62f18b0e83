import java.nio.ByteBuffer;
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
    CountDownLatch ready = new CountDownLatch(producers);
    for (int index = 0; index < producers; index++) {
      int own = index;
      crew.start("producer-" + index, () -> {
        Semaphore outstanding = new Semaphore(load.number("outstanding"));
        Callback done = (metadata, failure) -> {
          crew.onCompletion(metadata, failure);
          outstanding.release();
        };
        try (KafkaProducer<byte[], byte[]> producer = Settings.producer(load)) {
          // Connected, and with its id, before warming up begins.
          producer.send(new ProducerRecord<>(topic, value), crew).get();
          ready.countDown();
          for (long number = own; !crew.isOver(); number += producers) {
            byte[] key = keyed ? ByteBuffer.allocate(8).putLong(number).array() : null;
            if (outstanding.tryAcquire(100, TimeUnit.MILLISECONDS))
              producer.send(new ProducerRecord<>(topic, key, value), done);
          }
        }
      });
    }
    while (!ready.await(10, TimeUnit.MILLISECONDS)) crew.check();
    crew.measure(load);
    crew.finish();
    load.put("publishedBytes", crew.counted.sum() * value.length);
  }
}
