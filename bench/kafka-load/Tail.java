import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/** A consumer that reads a topic while one producer fills it as fast as it can; what the consumer received is counted. */
final class Tail {
  private Tail() {}

  static void run(Load load) throws Exception {
    String topic = load.text("topic");
    int bytes = load.number("bytes");
    Crew readers = new Crew();
    Crew writers = new Crew();
    CountDownLatch assigned = new CountDownLatch(1);
    LongAdder sent = new LongAdder();
    readers.start("reader", () -> read(load, readers, assigned));
    while (!assigned.await(10, TimeUnit.MILLISECONDS)) readers.check();
    writers.start("writer", () -> {
      try (KafkaProducer<byte[], byte[]> producer = Settings.producer(load)) {
        for (long number = 0; !writers.isOver(); number++) {
          byte[] value = new byte[bytes];
          ByteBuffer.wrap(value).putLong(number);
          producer.send(new ProducerRecord<>(topic, value), writers);
          sent.increment();
        }
      }
    });
    readers.measure(load);
    load.put("behind", writers.counted.sum() - readers.counted.sum());
    writers.finish();
    long untilNs = System.nanoTime() + 60_000_000_000L;
    while (readers.counted.sum() < sent.sum()) {
      readers.check();
      if (System.nanoTime() > untilNs) throw new Exception("received " + readers.counted.sum() + " of " + sent.sum());
      Thread.sleep(5);
    }
    readers.finish();
    load.put("publishedBytes", sent.sum() * bytes);
  }

  private static void read(Load load, Crew crew, CountDownLatch assigned) throws Exception {
    String topic = load.text("topic");
    try (KafkaConsumer<byte[], byte[]> consumer = Settings.consumer(load, topic + "-readers")) {
      consumer.subscribe(List.of(topic));
      while (consumer.assignment().isEmpty()) consumer.poll(Duration.ofMillis(100));
      consumer.assignment().forEach(consumer::position);
      assigned.countDown();
      for (long next = 0; !crew.isOver(); ) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
          long number = ByteBuffer.wrap(record.value()).getLong();
          if (number != next) throw new Exception("message " + number + " came where " + next + " was next");
          next++;
          crew.counted.increment();
          crew.took(record.timestamp());
        }
      }
    }
  }
}
