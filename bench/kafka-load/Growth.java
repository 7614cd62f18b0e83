import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.LongAdder;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/**
 * The work of the curves: --producers, each with a connection of its own, publish messages of --bytes to the --partitions of a
 * topic in turn, and --readers each read all of it at its end, while --held messages lie in it from before. At most --outstanding
 * messages of all producers together are not acknowledged. The value begins with the time of the send. Few threads serve all
 * producers: a thread for each of a thousand would measure the scheduler.
 */
final class Growth {
  private static final int threadsMax = 4;

  private final Load load;
  private final String topic;
  private final int bytes;
  private final int partitions;
  private final Crew writers = new Crew();
  private final Crew readers = new Crew();
  private final LongAdder sent = new LongAdder();
  private final Latencies acknowledged = new Latencies();
  private final Latencies received = new Latencies();

  private Growth(Load load) {
    this.load = load;
    topic = load.text("topic");
    bytes = load.number("bytes");
    partitions = load.number("partitions");
  }

  static void run(Load load) throws Exception {
    new Growth(load).run();
  }

  private void run() throws Exception {
    hold(load.number("held"));
    int readerCount = load.number("readers");
    CountDownLatch reading = new CountDownLatch(readerCount);
    for (int index = 0; index < readerCount; index++) readers.start("reader-" + index, () -> read(reading));
    while (!reading.await(10, TimeUnit.MILLISECONDS)) readers.check();

    int producers = load.number("producers");
    int threads = Math.min(threadsMax, producers);
    int each = Math.max(1, load.number("outstanding") / threads);
    CountDownLatch connected = new CountDownLatch(threads);
    for (int index = 0; index < threads; index++) {
      int own = producers / threads + (index < producers % threads ? 1 : 0);
      int first = index;
      writers.start("writer-" + index, () -> write(own, first, threads, each, connected));
    }
    while (!connected.await(10, TimeUnit.MILLISECONDS)) writers.check();
    acknowledged.clearAfter(load.number("warm-up-seconds"));
    received.clearAfter(load.number("warm-up-seconds"));
    readers.measure(load);
    acknowledged.put(load, "ack");
    received.put(load, "receipt");
    writers.finish();
    long untilNs = System.nanoTime() + 60_000_000_000L;
    while (readers.counted.sum() < sent.sum() * readerCount) {
      readers.check();
      if (System.nanoTime() > untilNs)
        throw new Exception("received " + readers.counted.sum() + " of " + sent.sum() * readerCount);
      Thread.sleep(5);
    }
    Thread.sleep(100);
    if (readers.counted.sum() > sent.sum() * readerCount) throw new Exception("some were received twice");
    readers.finish();
    load.put("publishedBytes", (sent.sum() + load.number("held")) * bytes);
  }

  private void hold(int count) throws Exception {
    Crew crew = new Crew();
    try (KafkaProducer<byte[], byte[]> producer = Settings.producer(load)) {
      byte[] value = new byte[bytes];
      for (int number = 0; number < count; number++)
        producer.send(new ProducerRecord<>(topic, number % partitions, null, value), crew);
    }
    crew.check();
  }

  private void write(int own, int first, int step, int each, CountDownLatch connected) throws Exception {
    List<KafkaProducer<byte[], byte[]>> producers = new ArrayList<>();
    try {
      for (int index = 0; index < own; index++) {
        KafkaProducer<byte[], byte[]> producer = Settings.producer(load);
        producers.add(producer);
        // Connected, and with its id, before warming up begins.
        send(producer, first % partitions, null);
        producer.flush();
      }
      connected.countDown();
      Semaphore outstanding = new Semaphore(each);
      for (long number = first; !writers.isOver(); ) {
        if (!outstanding.tryAcquire(100, TimeUnit.MILLISECONDS)) continue;
        send(producers.get((int) (number / step % own)), (int) (number % partitions), outstanding);
        number += step;
      }
    } finally {
      for (KafkaProducer<byte[], byte[]> producer : producers) producer.close();
    }
  }

  private void send(KafkaProducer<byte[], byte[]> producer, int partition, Semaphore outstanding) {
    byte[] value = new byte[bytes];
    long startNs = System.nanoTime();
    ByteBuffer.wrap(value).putLong(startNs);
    sent.increment();
    producer.send(new ProducerRecord<>(topic, partition, null, value), (metadata, failure) -> {
      writers.onCompletion(metadata, failure);
      acknowledged.record(System.nanoTime() - startNs);
      if (outstanding != null) outstanding.release();
    });
  }

  private void read(CountDownLatch reading) throws Exception {
    List<TopicPartition> all = new ArrayList<>();
    for (int partition = 0; partition < partitions; partition++) all.add(new TopicPartition(topic, partition));
    try (KafkaConsumer<byte[], byte[]> consumer = Settings.consumer(load, topic + "-nobody", "enable.auto.commit", "false")) {
      consumer.assign(all);
      consumer.seekToEnd(all);
      all.forEach(consumer::position);
      reading.countDown();
      while (!readers.isOver()) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
          received.record(System.nanoTime() - ByteBuffer.wrap(record.value()).getLong());
          readers.counted.increment();
        }
      }
    }
  }

  /** Counts by size: 32 classes for each doubling of a microsecond. */
  private static final class Latencies {
    private static final int classes = 32;
    private final AtomicLongArray counts = new AtomicLongArray(classes * 40);
    private volatile long fromNs = Long.MAX_VALUE;

    /** What comes before is not counted. */
    void clearAfter(int seconds) {
      fromNs = System.nanoTime() + seconds * 1_000_000_000L;
    }

    void record(long ns) {
      if (System.nanoTime() < fromNs) return;
      double us = Math.max(1, ns / 1e3);
      counts.incrementAndGet(Math.min(counts.length() - 1, (int) (Math.log(us) / Math.log(2) * classes)));
    }

    void put(Load load, String name) {
      long total = 0;
      for (int at = 0; at < counts.length(); at++) total += counts.get(at);
      load.put(name + "P50Us", quantile(total, 0.5));
      load.put(name + "P99Us", quantile(total, 0.99));
    }

    private long quantile(long total, double share) {
      long left = Math.max(1, (long) Math.ceil(total * share));
      for (int at = 0; at < counts.length(); at++) {
        left -= counts.get(at);
        if (left <= 0) return Math.round(Math.pow(2, (at + 0.5) / classes));
      }
      return 0;
    }
  }
}
