import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/**
 * Reads committed messages of one topic, writes each to another, and commits both sides in one transaction each
 * --commit-ms. The first topic is filled before; who has read --records of it begins again. Counted is what is committed.
 */
final class Transform {
  /**
   * Behind those that are read. A consumer reads ahead, and a fetch that is sent at a topic's end waits there for 500 ms
   * (fetch.max.wait.ms), before which it sends none from the beginning.
   */
  private static final int MORE = 50_000;

  private Transform() {}

  static void run(Load load) throws Exception {
    String from = load.text("topic");
    int bytes = load.number("bytes");
    int records = load.number("records");
    Crew filling = new Crew();
    try (KafkaProducer<byte[], byte[]> producer = Settings.producer(load)) {
      for (int sent = 0; sent < records + MORE && !filling.isOver(); sent++)
        producer.send(new ProducerRecord<>(from, new byte[bytes]), filling);
    }
    filling.check();
    Crew crew = new Crew();
    crew.start("transformer", () -> transform(load, records, crew));
    // Joining the group, and making the topics of the first transaction, is not what is measured.
    while (crew.counted.sum() == 0) {
      crew.check();
      Thread.sleep(5);
    }
    crew.measure(load);
    crew.finish();
    load.put("publishedBytes", (records + MORE + crew.counted.sum()) * bytes);
  }

  private static void transform(Load load, int records, Crew crew) throws Exception {
    String from = load.text("topic");
    String to = load.text("to");
    long commitNs = load.number("commit-ms") * 1_000_000L;
    String[] reading = {"enable.auto.commit", "false", "auto.offset.reset", "earliest", "isolation.level", "read_committed"};
    try (KafkaConsumer<byte[], byte[]> consumer = Settings.consumer(load, from + "-transformers", reading);
        KafkaProducer<byte[], byte[]> producer = Settings.producer(load, "transactional.id", from + "-transformer")) {
      consumer.subscribe(List.of(from));
      producer.initTransactions();
      long seen = 0;
      while (!crew.isOver()) {
        // The transaction begins with the first message, not with the wait for it.
        ConsumerRecords<byte[], byte[]> batch = consumer.poll(Duration.ofMillis(100));
        if (batch.isEmpty()) continue;
        producer.beginTransaction();
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        long untilNs = System.nanoTime() + commitNs;
        int inside = 0;
        while (true) {
          for (ConsumerRecord<byte[], byte[]> record : batch) producer.send(new ProducerRecord<>(to, record.key(), record.value()));
          inside += batch.count();
          offsets.putAll(batch.nextOffsets());
          long leftMs = (untilNs - System.nanoTime()) / 1_000_000;
          if (leftMs <= 0 || seen + inside >= records) break;
          batch = consumer.poll(Duration.ofMillis(leftMs));
        }
        producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
        producer.commitTransaction();
        crew.counted.add(inside);
        seen += inside;
        if (seen > records + MORE) throw new Exception("read " + seen + " of " + (records + MORE));
        if (seen >= records) {
          consumer.seekToBeginning(consumer.assignment());
          seen = 0;
        }
      }
    }
  }
}
