import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.OutOfOrderSequenceException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * What kafka-member.py is, by Java's client, which has an epoch for each transaction (KIP-890) and adds partitions and groups to it by
 * writing to them. HOST:PORT and a name that no other member ever has; it says the same.
 */
final class Member {
  private static final int RETRY_MS = 100;
  private static final int STEP_MS = 50;
  private static final int OPEN_MS = 200;
  private static final double ABORTS = 0.1;
  private static final int POLLED_MIN = 50;
  private static final int POLLED_MORE = 950;

  private static final PrintStream out =
      new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
  private static final Random random = new Random();
  private static final CountDownLatch ended = new CountDownLatch(1);
  private static volatile boolean isOver = false;

  public static void main(String[] args) throws Exception {
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  isOver = true;
                  try {
                    ended.await(10, TimeUnit.SECONDS);
                  } catch (InterruptedException stopped) {
                    Thread.currentThread().interrupt();
                  }
                }));
    try {
      run(args[0], args[1]);
    } catch (KafkaException failure) {
      // Its place is taken by another, as if it had been killed.
      out.println("fenced - " + reason(failure));
      Runtime.getRuntime().halt(3);
    } finally {
      ended.countDown();
    }
  }

  private static void run(String address, String name) throws Exception {
    var reading = new HashMap<String, Object>();
    reading.put("bootstrap.servers", address);
    reading.put("group.id", "shared");
    reading.put("client.id", name);
    reading.put("enable.auto.commit", false);
    reading.put("auto.offset.reset", "earliest");
    reading.put("isolation.level", "read_committed");
    reading.put("session.timeout.ms", 2000);
    reading.put("heartbeat.interval.ms", 300);
    reading.put("max.poll.records", POLLED_MIN + random.nextInt(POLLED_MORE));
    reading.put("reconnect.backoff.max.ms", 500);
    Map<String, Object> writing =
        Map.of(
            "bootstrap.servers", address,
            "transactional.id", name,
            "transaction.timeout.ms", 4000,
            "linger.ms", 0,
            "reconnect.backoff.max.ms", 500);
    try (var consumer = new KafkaConsumer<>(reading, new StringDeserializer(), new StringDeserializer());
        var producer = new KafkaProducer<>(writing, new StringSerializer(), new StringSerializer())) {
      again(producer::initTransactions);
      consumer.subscribe(List.of("in"));
      while (!isOver) {
        ConsumerRecords<String, String> messages = consumer.poll(Duration.ofMillis(200));
        // Who it is in the group as of the generation from which they are: that changes in poll alone.
        if (!messages.isEmpty()) transform(consumer, producer, consumer.groupMetadata(), messages);
      }
    }
  }

  private static void transform(
      KafkaConsumer<String, String> consumer,
      KafkaProducer<String, String> producer,
      ConsumerGroupMetadata member,
      ConsumerRecords<String, String> messages)
      throws Exception {
    String attempt = UUID.randomUUID().toString();
    try {
      producer.beginTransaction();
      for (ConsumerRecord<String, String> message : messages)
        producer.send(new ProducerRecord<>("out", message.partition(), null, message.value() + " " + attempt));
      Thread.sleep(random.nextInt(STEP_MS));
      again(() -> producer.sendOffsetsToTransaction(messages.nextOffsets(), member));
      // Here a member that is stopped still ends its transaction when it goes on, and nobody may have read old offsets meanwhile.
      Thread.sleep(random.nextInt(OPEN_MS));
      if (random.nextDouble() < ABORTS) {
        again(producer::abortTransaction);
        out.println("aborted " + attempt + " ON_PURPOSE");
        rewind(consumer);
        return;
      }
      again(producer::commitTransaction);
      out.println("committed " + messages.count());
    } catch (KafkaException failure) {
      if (isFatal(failure)) {
        out.println("fenced " + attempt + " " + reason(failure));
        Runtime.getRuntime().halt(3);
      }
      again(producer::abortTransaction);
      out.println("aborted " + attempt + " " + reason(failure));
      rewind(consumer);
    }
  }

  /** What was taken since the last commit was not done. */
  private static void rewind(KafkaConsumer<String, String> consumer) throws Exception {
    var partitions = consumer.assignment();
    if (partitions.isEmpty()) return;
    var places = new HashMap<TopicPartition, OffsetAndMetadata>();
    again(() -> places.putAll(consumer.committed(partitions)));
    for (TopicPartition partition : partitions) {
      OffsetAndMetadata place = places.get(partition);
      consumer.seek(partition, place == null ? 0 : place.offset());
    }
  }

  private interface Action {
    void run();
  }

  /** Does it until it is done, or until it cannot be done any more: what has taken too long may be asked for again. */
  private static void again(Action action) throws Exception {
    while (true) {
      try {
        action.run();
        return;
      } catch (TimeoutException late) {
        Thread.sleep(RETRY_MS);
      }
    }
  }

  private static boolean isFatal(KafkaException failure) {
    return failure instanceof ProducerFencedException
        || failure instanceof OutOfOrderSequenceException
        || failure instanceof AuthorizationException
        || failure instanceof UnsupportedVersionException;
  }

  private static String reason(KafkaException failure) {
    Throwable cause = failure.getClass() == KafkaException.class && failure.getCause() != null ? failure.getCause() : failure;
    return cause.getClass().getSimpleName();
  }
}
