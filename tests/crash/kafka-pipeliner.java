import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.Semaphore;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Java's producer as it is when nobody configures it: idempotent, up to five requests under way at once, each with a batch for
 * every partition that has one. HOST:PORT, a topic and how many partitions it has. It sends to all of them, as fast as it is
 * answered, until its standard input ends, and then waits for the rest. A value is `SEQUENCE padding`, and sequences count from 0
 * in each partition. It says
 *
 * <pre>
 * acked PARTITION SEQUENCE OFFSET     as it was told
 * failed PARTITION SEQUENCE REASON
 * ended IN_FLIGHT REPEATED            most requests under way at once; records that were sent more than once
 * </pre>
 */
public final class Pipeliner {
  /** Of records that are not acknowledged: enough for five requests of full batches, and as many again behind them. */
  private static final int OUTSTANDING_MAX = 8000;

  private static final int PADDING_MAX = 300;
  private static final int TICK_MS = 5;

  private static final PrintStream out =
      new PrintStream(
          new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 1 << 16), false, StandardCharsets.UTF_8);
  private static final Semaphore room = new Semaphore(OUTSTANDING_MAX);
  private static final String padding = "x".repeat(PADDING_MAX);

  private static volatile boolean isOver = false;
  private static volatile double inFlightMax = 0;

  public static void main(String[] args) throws Exception {
    String topic = args[1];
    int partitions = Integer.parseInt(args[2]);
    var producer =
        new KafkaProducer<>(
            Map.<String, Object>of("bootstrap.servers", args[0]), new StringSerializer(), new StringSerializer());
    daemon(Pipeliner::listen);
    daemon(() -> watch(producer));
    for (long sequence = 0; !isOver; sequence++)
      for (int partition = 0; partition < partitions; partition++) send(producer, topic, partition, sequence);
    producer.flush();
    out.println("ended " + (int) inFlightMax + " " + (long) metric(producer, "record-retry-total"));
    producer.close();
    out.flush();
    System.exit(0);
  }

  private static void send(KafkaProducer<String, String> producer, String topic, int partition, long sequence)
      throws InterruptedException {
    room.acquire();
    String value = sequence + " " + padding.substring(0, (int) (sequence % PADDING_MAX));
    producer.send(
        new ProducerRecord<>(topic, partition, null, value),
        (told, failure) -> {
          room.release();
          if (failure == null) out.println("acked " + partition + " " + sequence + " " + told.offset());
          else out.println("failed " + partition + " " + sequence + " " + failure);
        });
  }

  private static void listen() throws Exception {
    while (System.in.read() >= 0) {}
    isOver = true;
  }

  /** Says what there is to say, and looks how many requests are under way. */
  private static void watch(KafkaProducer<String, String> producer) throws Exception {
    while (true) {
      inFlightMax = Math.max(inFlightMax, metric(producer, "requests-in-flight"));
      out.flush();
      Thread.sleep(TICK_MS);
    }
  }

  private static double metric(KafkaProducer<String, String> producer, String name) {
    for (var each : producer.metrics().entrySet()) {
      var key = each.getKey();
      if (key.name().equals(name) && key.group().equals("producer-metrics")) return (double) each.getValue().metricValue();
    }
    throw new AssertionError("the client does not count " + name);
  }

  private interface Work {
    void run() throws Exception;
  }

  private static void daemon(Work work) {
    var thread =
        new Thread(
            () -> {
              try {
                work.run();
              } catch (Throwable failure) {
                failure.printStackTrace();
                System.exit(1);
              }
            });
    thread.setDaemon(true);
    thread.start();
  }
}
