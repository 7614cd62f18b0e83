import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * The time from when a message was due to be sent until the consumer has it, at a fixed rate. Each message holds that
 * time and its number. Due, not sent: a producer that falls behind must not hide it.
 */
final class EndToEnd {
  private EndToEnd() {}

  static void run(Load load) throws Exception {
    int rate = load.number("rate");
    int warmUp = rate * load.number("warm-up-seconds");
    int total = warmUp + rate * load.number("seconds");
    byte[] value = new byte[load.number("bytes")];
    String topic = load.text("topic");
    long[] latencyNs = new long[total];
    Crew crew = new Crew();
    CountDownLatch assigned = new CountDownLatch(1);
    Thread reader = crew.start("reader", () -> read(load, latencyNs, assigned));
    while (!assigned.await(10, TimeUnit.MILLISECONDS)) crew.check();
    try (KafkaProducer<byte[], byte[]> producer = Settings.producer(load)) {
      long startNs = System.nanoTime();
      for (int sent = 0; sent < total && !crew.isOver(); sent++) {
        long dueNs = startNs + sent * 1_000_000_000L / rate;
        if (sent == warmUp) load.begin();
        for (long left = dueNs - System.nanoTime(); left > 0; left = dueNs - System.nanoTime()) LockSupport.parkNanos(left);
        ByteBuffer.wrap(value).putLong(dueNs).putInt(sent);
        producer.send(new ProducerRecord<>(topic, value.clone()), crew);
      }
      crew.check();
      load.end();
    }
    reader.join(30_000);
    crew.check();
    if (reader.isAlive()) throw new Exception("not all of " + total + " messages came within 30 s");
    long[] measured = Arrays.copyOfRange(latencyNs, warmUp, total);
    Arrays.sort(measured);
    load.put("p50Ms", atMs(measured, 0.5));
    load.put("p99Ms", atMs(measured, 0.99));
    load.put("p999Ms", atMs(measured, 0.999));
    load.put("maxMs", measured[measured.length - 1] / 1e6);
    load.put("messages", total - warmUp);
    load.put("publishedBytes", (long) total * value.length);
  }

  private static void read(Load load, long[] latencyNs, CountDownLatch assigned) throws Exception {
    String topic = load.text("topic");
    try (KafkaConsumer<byte[], byte[]> consumer = Settings.consumer(load, topic + "-readers")) {
      consumer.subscribe(List.of(topic));
      while (consumer.assignment().isEmpty()) consumer.poll(Duration.ofMillis(100));
      // Asks for the position, so that what comes from now on is not before it.
      consumer.assignment().forEach(consumer::position);
      assigned.countDown();
      for (int next = 0; next < latencyNs.length; ) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
          ByteBuffer value = ByteBuffer.wrap(record.value());
          long dueNs = value.getLong();
          int number = value.getInt();
          if (number != next) throw new Exception("message " + number + " came where " + next + " was next");
          latencyNs[next++] = System.nanoTime() - dueNs;
        }
      }
    }
  }

  private static double atMs(long[] sorted, double share) {
    return sorted[Math.max(0, (int) Math.ceil(sorted.length * share) - 1)] / 1e6;
  }
}
