package interop;

import static interop.Program.*;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupAuthorizationException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.SaslAuthenticationException;
import org.apache.kafka.common.errors.TopicAuthorizationException;
import org.apache.kafka.common.record.TimestampType;

/** Patterns of ../README.md that only this client goes through. */
final class Features {
  private static void createConfigured(String topic, Map<String, String> configs) throws Exception {
    try (Admin admin = Admin.create(settings())) {
      admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1).configs(configs))).all().get();
    }
  }

  private static RecordMetadata send(String topic, Long timeMs, String key, String value, Object... more) throws Exception {
    try (KafkaProducer<String, String> producer = producer(more)) {
      return producer.send(new ProducerRecord<>(topic, 0, timeMs, key, value)).get();
    }
  }

  static void logins(String prefix) throws Exception {
    for (String mechanism : List.of("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")) {
      try (Admin admin = Admin.create(settings(login(mechanism, "guest", "guest")))) {
        equal(admin.describeCluster().nodes().get().size(), 1);
      }
      try (Admin admin = Admin.create(settings(login(mechanism, "guest", "wrong")))) {
        refused(SaslAuthenticationException.class, () -> admin.describeCluster().nodes().get());
      }
    }
  }

  /** By a user who may read and write what ends in `public`. */
  static void permissions(String prefix) throws Exception {
    String open = prefix + "public";
    String secret = prefix + "secret";
    Object[] limited = login("PLAIN", "limited", "limited");
    createTopic(open, 1);
    createTopic(secret, 1);
    send(secret, null, null, "by guest");
    send(open, null, null, "by limited", limited);
    refused(TopicAuthorizationException.class, () -> send(secret, null, null, "never", limited));
    try (Admin admin = Admin.create(settings(limited))) {
      NewTopic more = new NewTopic(prefix + "more.public", 1, (short) 1);
      refused(TopicAuthorizationException.class, () -> admin.createTopics(List.of(more)).all().get());
    }
    equal(values(readAll(secret, 1)), List.of("by guest"));
    try (KafkaConsumer<String, String> consumer = consumer(open, limited)) {
      consumer.subscribe(List.of(open));
      equal(values(take(consumer, 1)), List.of("by limited"));
    }
    try (KafkaConsumer<String, String> consumer = consumer(open, limited)) {
      consumer.assign(List.of(new TopicPartition(secret, 0)));
      equal(failure(TopicAuthorizationException.class, () -> take(consumer, 1)).unauthorizedTopics(), Set.of(secret));
    }
    try (KafkaConsumer<String, String> consumer = consumer(secret, limited)) {
      consumer.subscribe(List.of(open));
      equal(failure(GroupAuthorizationException.class, () -> take(consumer, 1)).groupId(), secret);
    }
  }

  private static <T extends Exception> T failure(Class<T> expected, Action action) throws Exception {
    try {
      action.run();
    } catch (Exception error) {
      equal(error.getClass(), expected);
      return expected.cast(error);
    }
    throw new AssertionError("it did not fail");
  }

  static void staticMembership(String prefix) throws Exception {
    String topic = prefix + "topic";
    createTopic(topic, 4);
    List<String> rebalances = new ArrayList<>();
    var listener = new ConsumerRebalanceListener() {
      @Override
      public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        rebalances.add("assigned " + partitions);
      }

      @Override
      public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        rebalances.add("revoked " + partitions);
      }
    };
    KafkaConsumer<String, String> stays = consumer(prefix + "group", "group.instance.id", "stays");
    KafkaConsumer<String, String> before = consumer(prefix + "group", "group.instance.id", "restarts");
    stays.subscribe(List.of(topic), listener);
    before.subscribe(List.of(topic));
    until(() -> {
      stays.poll(Duration.ofMillis(50));
      before.poll(Duration.ofMillis(50));
      return stays.assignment().size() == 2 && before.assignment().size() == 2;
    });
    Set<TopicPartition> held = Set.copyOf(before.assignment());
    int generation = stays.groupMetadata().generationId();
    List<String> known = List.copyOf(rebalances);
    before.close();
    try (stays; KafkaConsumer<String, String> after = consumer(prefix + "group", "group.instance.id", "restarts")) {
      after.subscribe(List.of(topic));
      until(() -> {
        stays.poll(Duration.ofMillis(50));
        after.poll(Duration.ofMillis(50));
        return !after.assignment().isEmpty();
      });
      equal(after.assignment(), held);
      // Its heartbeats, each 300 ms, would have told it of a rebalance by then.
      long end = System.nanoTime() + Duration.ofSeconds(1).toNanos();
      while (System.nanoTime() < end) stays.poll(Duration.ofMillis(50));
      equal(after.groupMetadata().generationId(), generation);
      equal(stays.groupMetadata().generationId(), generation);
      equal(rebalances, known);
    }
  }

  static void deleteOffsets(String prefix) throws Exception {
    String topic = prefix + "topic";
    String group = prefix + "group";
    createTopic(topic, 2);
    TopicPartition[] partitions = {new TopicPartition(topic, 0), new TopicPartition(topic, 1)};
    try (Admin admin = Admin.create(settings())) {
      try (KafkaConsumer<String, String> consumer = consumer(group)) {
        consumer.subscribe(List.of(topic));
        until(() -> {
          consumer.poll(Duration.ofMillis(50));
          return consumer.assignment().size() == 2;
        });
        consumer.commitSync(Map.of(partitions[0], new OffsetAndMetadata(0), partitions[1], new OffsetAndMetadata(0)));
        var whileSubscribed = admin.deleteConsumerGroupOffsets(group, Set.of(partitions[0]));
        refused(GroupSubscribedToTopicException.class, () -> whileSubscribed.partitionResult(partitions[0]).get());
      }
      admin.deleteConsumerGroupOffsets(group, Set.of(partitions[0])).all().get();
      var left = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
      equal(left, Map.of(partitions[1], new OffsetAndMetadata(0)));
    }
  }

  /** All that a topic of one partition holds of a key. Kafka compacts only what is behind its newest segment, so there is always more. */
  private static List<String> held(String topic, String key) throws Exception {
    long end = send(topic, null, "more", "x").offset() + 1;
    TopicPartition partition = new TopicPartition(topic, 0);
    List<String> found = new ArrayList<>();
    try (KafkaConsumer<String, String> consumer = consumer(topic)) {
      consumer.assign(List.of(partition));
      consumer.seekToBeginning(List.of(partition));
      while (consumer.position(partition) < end) {
        for (ConsumerRecord<String, String> each : consumer.poll(Duration.ofMillis(100))) {
          if (each.key().equals(key)) found.add(Objects.toString(each.value()));
        }
      }
    }
    return found;
  }

  private static void untilHeld(String topic, String key, List<String> expected) throws Exception {
    until(() -> {
      try {
        return held(topic, key).equals(expected);
      } catch (Exception error) {
        throw new RuntimeException(error);
      }
    });
  }

  static void compaction(String prefix) throws Exception {
    Map<String, List<String>> leftByRetention = Map.of("86400000", List.of("null"), "1", List.of());
    for (var each : leftByRetention.entrySet()) {
      String topic = prefix + each.getKey();
      // What has an effect on Kafka only: it would wait for longer than a test.
      Map<String, String> configs = new HashMap<>(Map.of("segment.ms", "100", "min.cleanable.dirty.ratio", "0.01"));
      configs.putAll(Map.of("cleanup.policy", "compact", "delete.retention.ms", each.getKey()));
      createConfigured(topic, configs);
      for (String key : List.of("kept", "gone")) send(topic, null, key, "old");
      send(topic, null, "kept", "new");
      send(topic, null, "gone", null);
      untilHeld(topic, "gone", each.getValue());
      untilHeld(topic, "kept", List.of("new"));
    }
  }

  static void appendTime(String prefix) throws Exception {
    String topic = prefix + "topic";
    createConfigured(topic, Map.of("message.timestamp.type", "LogAppendTime"));
    long before = System.currentTimeMillis();
    RecordMetadata sent = send(topic, START_MS, "key", "value");
    if (sent.timestamp() < before || sent.timestamp() > System.currentTimeMillis()) throw new AssertionError(sent.timestamp());
    ConsumerRecord<String, String> received = readAll(topic, 1).get(0);
    equal(received.timestampType(), TimestampType.LOG_APPEND_TIME);
    equal(received.timestamp(), sent.timestamp());
  }

  static void listOffsets(String prefix) throws Exception {
    String topic = prefix + "topic";
    TopicPartition partition = new TopicPartition(topic, 0);
    createTopic(topic, 1);
    try (Admin admin = Admin.create(settings())) {
      interface Asked {
        String at(OffsetSpec spec) throws Exception;
      }
      Asked asked = spec -> {
        ListOffsetsResultInfo found = admin.listOffsets(Map.of(partition, spec)).partitionResult(partition).get();
        return found.offset() + " " + (found.timestamp() < 0 ? "-" : found.timestamp() - START_MS);
      };
      equal(asked.at(OffsetSpec.maxTimestamp()), "-1 -");
      for (long afterMs : List.of(2000L, 9000L, 5000L)) send(topic, START_MS + afterMs, null, "x");
      equal(asked.at(OffsetSpec.maxTimestamp()), "1 9000");
      equal(asked.at(OffsetSpec.earliest()), "0 -");
      equal(asked.at(OffsetSpec.latest()), "3 -");
      equal(asked.at(OffsetSpec.forTimestamp(START_MS + 2001)), "1 9000");
      equal(asked.at(OffsetSpec.forTimestamp(START_MS + 9001)), "-1 -");
    }
  }

  private Features() {}
}
