package interop;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Produced;

/** org.apache.kafka:kafka-clients through the patterns of ../README.md: HOST:PORT and the patterns wanted; a line for each. */
public final class Program {
  private static final int LIMIT_SECONDS = 60;
  /** Of messages that say their time themselves: not so old that they are due to go. */
  static final long START_MS = System.currentTimeMillis() - 3_600_000;

  private static String address;

  private interface Pattern {
    void run(String prefix) throws Exception;
  }

  /** Logs in over TLS if ENTREPOT_INTEROP_TLS names a folder with ca.pem. */
  static Map<String, Object> settings(Object... more) {
    Map<String, Object> all = new HashMap<>();
    all.put("bootstrap.servers", address);
    all.put("client.id", "interop");
    String folder = System.getenv("ENTREPOT_INTEROP_TLS");
    if (folder != null) {
      all.put("security.protocol", "SASL_SSL");
      all.put("ssl.truststore.type", "PEM");
      all.put("ssl.truststore.location", Path.of(folder, "ca.pem").toString());
      put(all, login(System.getenv("ENTREPOT_INTEROP_SASL"), "guest", "guest"));
    }
    put(all, more);
    return all;
  }

  private static void put(Map<String, Object> all, Object... more) {
    for (int at = 0; at < more.length; at += 2) all.put((String) more[at], more[at + 1]);
  }

  /** The settings by which a user logs in. */
  static Object[] login(String mechanism, String user, String password) {
    String module = mechanism.equals("PLAIN") ? "plain.PlainLoginModule" : "scram.ScramLoginModule";
    String text = "org.apache.kafka.common.security.%s required username=\"%s\" password=\"%s\";";
    return new Object[] {"sasl.mechanism", mechanism, "sasl.jaas.config", text.formatted(module, user, password)};
  }

  static void equal(Object actual, Object expected) {
    if (!Objects.deepEquals(actual, expected)) throw new AssertionError("expected " + expected + ", got " + actual);
  }

  static void until(BooleanSupplier done) throws InterruptedException {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
    while (!done.getAsBoolean()) {
      if (System.nanoTime() > end) throw new AssertionError("not done after " + LIMIT_SECONDS + " s");
      Thread.sleep(20);
    }
  }

  private static List<String> numbers(int count, int from) {
    return IntStream.range(from, from + count).mapToObj(Integer::toString).toList();
  }

  private static List<String> plus(List<String> first, List<String> second) {
    List<String> all = new ArrayList<>(first);
    all.addAll(second);
    return all;
  }

  static void createTopic(String topic, int partitions) throws Exception {
    try (Admin admin = Admin.create(settings())) {
      admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
    }
  }

  static KafkaProducer<String, String> producer(Object... more) {
    return new KafkaProducer<>(settings(more), new StringSerializer(), new StringSerializer());
  }

  private static void produce(String topic, int partition, List<String> bodies, Object... more) throws Exception {
    try (KafkaProducer<String, String> producer = producer(more)) {
      List<java.util.concurrent.Future<RecordMetadata>> sent = new ArrayList<>();
      for (String body : bodies) sent.add(producer.send(new ProducerRecord<>(topic, partition, null, body)));
      producer.flush();
      for (var each : sent) each.get();
    }
  }

  static KafkaConsumer<String, String> consumer(String group, Object... more) {
    Object[] plain = {
      "group.id", group, "enable.auto.commit", "false", "auto.offset.reset", "earliest", "heartbeat.interval.ms", 300,
      "session.timeout.ms", 20_000, "isolation.level", "read_committed"
    };
    Object[] all = Arrays.copyOf(plain, plain.length + more.length);
    System.arraycopy(more, 0, all, plain.length, more.length);
    return new KafkaConsumer<>(settings(all), new StringDeserializer(), new StringDeserializer());
  }

  static List<ConsumerRecord<String, String>> take(KafkaConsumer<String, String> consumer, int count)
      throws InterruptedException {
    List<ConsumerRecord<String, String>> received = new ArrayList<>();
    until(() -> {
      consumer.poll(Duration.ofMillis(100)).forEach(received::add);
      return received.size() >= count;
    });
    equal(received.size(), count);
    return received;
  }

  static List<String> values(List<ConsumerRecord<String, String>> received) {
    return received.stream().map(ConsumerRecord::value).toList();
  }

  static List<ConsumerRecord<String, String>> readAll(String topic, int count, Object... more)
      throws InterruptedException {
    try (KafkaConsumer<String, String> consumer = consumer(topic + "." + count, more)) {
      consumer.subscribe(List.of(topic));
      return take(consumer, count);
    }
  }

  private static void records(String prefix) throws Exception {
    String topic = prefix + "topic";
    createTopic(topic, 3);
    try (KafkaProducer<String, String> producer = producer()) {
      for (int n = 0; n < 30; n++) {
        var sent = new ProducerRecord<>(topic, null, START_MS + n, "key-" + n % 5, Integer.toString(n));
        sent.headers().add("n", Integer.toString(n).getBytes()).add("n", "again".getBytes()).add("none", null);
        producer.send(sent);
      }
      producer.send(new ProducerRecord<>(topic, "tombstone", null));
    }
    Map<String, Integer> partitionByKey = new HashMap<>();
    for (var each : readAll(topic, 31)) {
      equal(each.partition(), Objects.requireNonNullElse(partitionByKey.putIfAbsent(each.key(), each.partition()), each.partition()));
      if (each.key().equals("tombstone")) {
        equal(each.value(), null);
        continue;
      }
      int n = Integer.parseInt(each.value());
      equal(each.key(), "key-" + n % 5);
      equal(each.timestamp(), START_MS + n);
      var headers = each.headers().toArray();
      equal(headers.length, 3);
      equal(new String(headers[0].value(), StandardCharsets.UTF_8), each.value());
      equal(new String(headers[1].value(), StandardCharsets.UTF_8), "again");
      equal(headers[2].value(), null);
    }
  }

  private static void compression(String prefix) throws Exception {
    String topic = prefix + "topic";
    createTopic(topic, 1);
    List<String> expected = new ArrayList<>();
    for (String kind : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
      List<String> bodies = numbers(50, 0).stream().map(each -> kind + " " + each + " " + "x".repeat(500)).toList();
      produce(topic, 0, bodies, "compression.type", kind, "linger.ms", 20);
      expected.addAll(bodies);
    }
    equal(values(readAll(topic, 250)), expected);
  }

  private static void group(String prefix) throws Exception {
    String topic = prefix + "topic";
    createTopic(topic, 4);
    List<KafkaConsumer<String, String>> members = List.of(consumer(prefix + "group"), consumer(prefix + "group"));
    List<List<ConsumerRecord<String, String>>> received = List.of(new ArrayList<>(), new ArrayList<>());
    for (var member : members) member.subscribe(List.of(topic));
    BooleanSupplier poll = () -> {
      for (int which : List.of(0, 1)) members.get(which).poll(Duration.ofMillis(50)).forEach(received.get(which)::add);
      return true;
    };
    until(() -> poll.getAsBoolean() && members.stream().allMatch(each -> each.assignment().size() == 2));
    for (int partition = 0; partition < 4; partition++) produce(topic, partition, numbers(10, partition * 10));
    until(() -> poll.getAsBoolean() && received.get(0).size() + received.get(1).size() >= 40);
    equal(received.get(0).size(), 20);
    var all = plus(values(received.get(0)), values(received.get(1)));
    equal(all.stream().map(Integer::valueOf).sorted().toList(), IntStream.range(0, 40).boxed().toList());
    Set<TopicPartition> left = members.get(1).assignment();
    members.get(1).close();
    // Nothing was committed, so who is left gets all of what the other one had.
    until(() -> {
      members.get(0).poll(Duration.ofMillis(50)).forEach(received.get(0)::add);
      return received.get(0).stream().filter(each -> left.contains(new TopicPartition(topic, each.partition()))).count() >= 20;
    });
    members.get(0).close();
  }

  private static void resume(String prefix) throws Exception {
    String topic = prefix + "topic";
    TopicPartition partition = new TopicPartition(topic, 0);
    createTopic(topic, 1);
    produce(topic, 0, numbers(20, 0));
    try (KafkaConsumer<String, String> first = consumer(prefix + "group")) {
      first.subscribe(List.of(topic));
      take(first, 20);
      first.commitSync(Map.of(partition, new OffsetAndMetadata(12, "twelve")));
      equal(first.committed(Set.of(partition)).get(partition).metadata(), "twelve");
    }
    try (KafkaConsumer<String, String> second = consumer(prefix + "group")) {
      second.subscribe(List.of(topic));
      equal(values(take(second, 8)), numbers(8, 12));
      second.seek(partition, 5);
      equal(values(take(second, 15)), numbers(15, 5));
    }
  }

  private static void times(String prefix) throws Exception {
    String topic = prefix + "topic";
    TopicPartition partition = new TopicPartition(topic, 0);
    createTopic(topic, 1);
    try (KafkaProducer<String, String> producer = producer()) {
      for (int n = 0; n < 10; n++) producer.send(new ProducerRecord<>(topic, 0, START_MS + n * 1000, null, Integer.toString(n)));
    }
    try (KafkaConsumer<String, String> consumer = consumer(prefix + "group")) {
      equal(consumer.beginningOffsets(Set.of(partition)).get(partition), 0L);
      equal(consumer.endOffsets(Set.of(partition)).get(partition), 10L);
      for (var each : Map.of(0, 0L, 3500, 4L, 9000, 9L).entrySet()) {
        equal(consumer.offsetsForTimes(Map.of(partition, START_MS + each.getKey())).get(partition).offset(), each.getValue());
      }
      equal(consumer.offsetsForTimes(Map.of(partition, START_MS + 9001)).get(partition), null);
    }
  }

  private static void idempotent(String prefix) throws Exception {
    String topic = prefix + "topic";
    createTopic(topic, 1);
    produce(topic, 0, numbers(5000, 0), "batch.size", 1000, "enable.idempotence", true);
    equal(values(readAll(topic, 5000)), numbers(5000, 0));
  }

  private static KafkaProducer<String, String> transactional(String prefix) {
    KafkaProducer<String, String> producer = producer("transactional.id", prefix + "id");
    producer.initTransactions();
    return producer;
  }

  private static void transactions(String prefix) throws Exception {
    String topic = prefix + "topic";
    createTopic(topic, 1);
    KafkaProducer<String, String> producer = transactional(prefix);
    for (int from : List.of(0, 5, 10)) {
      producer.beginTransaction();
      for (String body : numbers(5, from)) producer.send(new ProducerRecord<>(topic, body));
      producer.flush();
      if (from == 5) producer.abortTransaction();
      else producer.commitTransaction();
    }
    List<String> committed = plus(numbers(5, 0), numbers(5, 10));
    equal(values(readAll(topic, 10)), committed);
    equal(values(readAll(topic, 15, "isolation.level", "read_uncommitted", "group.id", prefix + "dirty")), numbers(15, 0));
    // Another producer of the same transactional id ends what the first has open, and fences it.
    producer.beginTransaction();
    producer.send(new ProducerRecord<>(topic, "never"));
    producer.flush();
    try (KafkaProducer<String, String> successor = transactional(prefix)) {
      successor.beginTransaction();
      successor.send(new ProducerRecord<>(topic, "end"));
      try {
        producer.commitTransaction();
        throw new AssertionError("it was not fenced");
      } catch (ProducerFencedException | InvalidProducerEpochException expected) {
        // As it has to be.
      }
      successor.commitTransaction();
    }
    producer.close(Duration.ZERO);
    equal(values(readAll(topic, 11)), plus(committed, List.of("end")));
  }

  private static void transform(String prefix) throws Exception {
    String source = prefix + "in";
    String target = prefix + "out";
    createTopic(source, 1);
    createTopic(target, 1);
    produce(source, 0, numbers(20, 0));
    try (KafkaProducer<String, String> producer = transactional(prefix)) {
      for (int from : List.of(0, 10)) {
        try (KafkaConsumer<String, String> consumer = consumer(prefix + "group")) {
          consumer.subscribe(List.of(source));
          var received = take(consumer, 20 - from);
          equal(received.get(0).offset(), (long) from);
          for (boolean isLast : List.of(false, true)) {
            producer.beginTransaction();
            for (var each : received.subList(0, 10)) producer.send(new ProducerRecord<>(target, each.value() + "!"));
            var offsets = Map.of(new TopicPartition(source, 0), new OffsetAndMetadata(from + 10));
            producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
            if (isLast) producer.commitTransaction();
            else producer.abortTransaction();
          }
        }
      }
    }
    equal(values(readAll(target, 20)), numbers(20, 0).stream().map(each -> each + "!").toList());
  }

  interface Action {
    void run() throws Exception;
  }

  static void refused(Class<? extends KafkaException> reason, Action action) throws Exception {
    try {
      action.run();
    } catch (ExecutionException error) {
      equal(error.getCause().getClass(), reason);
      return;
    }
    throw new AssertionError("it was not refused");
  }

  private static void admin(String prefix) throws Exception {
    String topic = prefix + "topic";
    ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
    try (Admin admin = Admin.create(settings())) {
      NewTopic asked = new NewTopic(topic, 2, (short) 1).configs(Map.of("retention.ms", "3600000"));
      equal(admin.createTopics(List.of(asked)).numPartitions(topic).get(), 2);
      refused(TopicExistsException.class, () -> admin.createTopics(List.of(asked)).all().get());
      equal(admin.describeConfigs(List.of(resource)).all().get().get(resource).get("retention.ms").value(), "3600000");
      AlterConfigOp change = new AlterConfigOp(new ConfigEntry("retention.ms", "7200000"), AlterConfigOp.OpType.SET);
      admin.incrementalAlterConfigs(Map.of(resource, List.of(change))).all().get();
      equal(admin.describeConfigs(List.of(resource)).all().get().get(resource).get("retention.ms").value(), "7200000");
      admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get();
      equal(admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size(), 5);
      produce(topic, 4, numbers(10, 0));
      TopicPartition last = new TopicPartition(topic, 4);
      var deleted = admin.deleteRecords(Map.of(last, RecordsToDelete.beforeOffset(6)));
      equal(deleted.lowWatermarks().get(last).get().lowWatermark(), 6L);
      admin.deleteTopics(List.of(topic)).all().get();
      equal(admin.listTopics().names().get().contains(topic), false);
    }
  }

  private static void groupsAdmin(String prefix) throws Exception {
    String topic = prefix + "topic";
    String group = prefix + "group";
    createTopic(topic, 1);
    produce(topic, 0, numbers(5, 0));
    try (Admin admin = Admin.create(settings())) {
      try (KafkaConsumer<String, String> consumer = consumer(group)) {
        consumer.subscribe(List.of(topic));
        take(consumer, 5);
        var described = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
        equal(described.groupState().toString(), "Stable");
        equal(described.members().iterator().next().clientId(), "interop");
        refused(GroupNotEmptyException.class, () -> admin.deleteConsumerGroups(List.of(group)).all().get());
      }
      TopicPartition partition = new TopicPartition(topic, 0);
      admin.alterConsumerGroupOffsets(group, Map.of(partition, new OffsetAndMetadata(3))).all().get();
      var offsets = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
      equal(offsets.get(partition).offset(), 3L);
      admin.deleteConsumerGroups(List.of(group)).all().get();
      equal(admin.listGroups().all().get().stream().anyMatch(each -> each.groupId().equals(group)), false);
    }
  }

  private static KafkaStreams wordCount(String prefix, Path state) {
    StreamsBuilder builder = new StreamsBuilder();
    builder.stream(prefix + "lines", Consumed.with(Serdes.String(), Serdes.String()))
        .flatMapValues(line -> List.of(line.split(" ")))
        .groupBy((key, word) -> word, Grouped.with(Serdes.String(), Serdes.String()))
        .count()
        .toStream()
        .to(prefix + "counts", Produced.with(Serdes.String(), Serdes.Long()));
    Properties properties = new Properties();
    properties.putAll(settings());
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, prefix + "count");
    properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
    properties.put(StreamsConfig.STATE_DIR_CONFIG, state.toString());
    properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
    properties.put(StreamsConfig.consumerPrefix("heartbeat.interval.ms"), 300);
    return new KafkaStreams(builder.build(), properties);
  }

  private static void streamsWordCount(String prefix) throws Exception {
    createTopic(prefix + "lines", 2);
    createTopic(prefix + "counts", 1);
    Path state = Files.createTempDirectory("interop-streams");
    Map<String, Long> counts = new HashMap<>();
    List<String> seen = new ArrayList<>();
    Object[] longs = {"value.deserializer", "org.apache.kafka.common.serialization.LongDeserializer"};
    Map<String, Object> reading = settings(longs);
    reading.put("key.deserializer", StringDeserializer.class.getName());
    reading.put("isolation.level", "read_committed");
    reading.put("auto.offset.reset", "earliest");
    try (KafkaConsumer<String, Long> results = new KafkaConsumer<>(reading)) {
      TopicPartition partition = new TopicPartition(prefix + "counts", 0);
      results.assign(List.of(partition));
      results.seekToBeginning(List.of(partition));
      for (long round = 1; round <= 2; round++) {
        for (int at = 0; at < 2; at++) produce(prefix + "lines", at, IntStream.range(0, 50).mapToObj(n -> "a b a w" + n % 5).toList());
        KafkaStreams streams = wordCount(prefix, state);
        streams.start();
        Map<String, Long> expected = new HashMap<>(Map.of("a", 200 * round, "b", 100 * round));
        for (int word = 0; word < 5; word++) expected.put("w" + word, 20 * round);
        until(() -> {
          results.poll(Duration.ofMillis(100)).forEach(each -> {
            counts.put(each.key(), each.value());
            seen.add(each.key() + " " + each.value());
          });
          return counts.equals(expected);
        });
        streams.close(Duration.ofSeconds(20));
      }
    }
    equal(seen.size(), 800);
    equal(seen.stream().distinct().count(), 800L);
    try (var files = Files.walk(state)) {
      for (Path each : files.sorted((a, b) -> b.compareTo(a)).toList()) Files.delete(each);
    }
  }

  public static void main(String[] args) {
    Map<String, Pattern> patterns = new LinkedHashMap<>();
    patterns.put("records", Program::records);
    patterns.put("compression", Program::compression);
    patterns.put("group", Program::group);
    patterns.put("resume", Program::resume);
    patterns.put("times", Program::times);
    patterns.put("idempotent", Program::idempotent);
    patterns.put("transactions", Program::transactions);
    patterns.put("transform", Program::transform);
    patterns.put("admin", Program::admin);
    patterns.put("groups-admin", Program::groupsAdmin);
    patterns.put("streams-word-count", Program::streamsWordCount);
    patterns.put("static-membership", Features::staticMembership);
    patterns.put("delete-offsets", Features::deleteOffsets);
    patterns.put("compaction", Features::compaction);
    patterns.put("append-time", Features::appendTime);
    patterns.put("list-offsets", Features::listOffsets);
    patterns.put("logins", Features::logins);
    patterns.put("permissions", Features::permissions);
    address = args[0];
    Set<String> wanted = Arrays.stream(args).skip(1).collect(Collectors.toSet());
    int status = 0;
    for (var each : patterns.entrySet()) {
      if (!wanted.isEmpty() && !wanted.contains(each.getKey())) continue;
      String prefix = "interop." + each.getKey() + "." + ProcessHandle.current().pid() + ".";
      try {
        CompletableFuture.runAsync(() -> {
          try {
            each.getValue().run(prefix);
          } catch (Exception error) {
            throw new RuntimeException(error);
          }
        }).get(2 * LIMIT_SECONDS, TimeUnit.SECONDS);
        System.out.println("ok " + each.getKey());
      } catch (Exception error) {
        status = 1;
        System.out.println("not ok " + each.getKey() + " " + String.valueOf(error).replace('\n', ' '));
      }
    }
    System.exit(status);
  }
}
