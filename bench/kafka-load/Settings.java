import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Clients with Kafka's defaults, but for what a load says. */
final class Settings {
  private Settings() {}

  /** Idempotent, with acks=all: the defaults. */
  static KafkaProducer<byte[], byte[]> producer(Load load, String... more) {
    return new KafkaProducer<>(load.client("producer", more), new ByteArraySerializer(), new ByteArraySerializer());
  }

  /** In a group of its own, so that nothing is left of an earlier run. */
  static KafkaConsumer<byte[], byte[]> consumer(Load load, String group, String... more) {
    Map<String, Object> settings = load.client("consumer", more);
    settings.put("group.id", group);
    return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }
}
