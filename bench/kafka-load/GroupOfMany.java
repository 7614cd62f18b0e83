import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;

/**
 * A group whose members, each with its own connections and thread, all join at once; later one leaves. Both are timed
 * until the last change after which the members own all partitions together, each once, and nothing changes for two seconds.
 * The first round warms up.
 */
final class GroupOfMany {
  private static final long QUIET_NS = 2_000_000_000L;
  /**
   * Members beat each 3 s (heartbeat.interval.ms) and commit each 5 s (auto.commit.interval.ms), all at the same time, as they
   * have joined at the same time: how soon they learn that one has left depends on where in both it leaves.
   */
  private static final long PERIOD_MS = 15_000;
  /** The first heartbeats are over by then. */
  private static final long SETTLING_MS = 2000;
  private static final double GOLDEN = (Math.sqrt(5) - 1) / 2;
  private static final long LIMIT_NS = 120_000_000_000L;

  /** What each member owns, and when that last changed. */
  private final int[] owned;
  private long changedNs;
  private long leftNs;

  private GroupOfMany(int members) {
    owned = new int[members];
  }

  static void run(Load load) throws Exception {
    int rounds = load.number("rounds");
    double[] joinMs = new double[rounds];
    double[] leaveMs = new double[rounds];
    for (int round = 0; round <= rounds; round++) {
      if (round == 1) load.begin();
      double[] times = new GroupOfMany(load.number("members")).round(load, round);
      if (round == 0) continue;
      joinMs[round - 1] = times[0];
      leaveMs[round - 1] = times[1];
    }
    load.end();
    load.put("joinMs", middle(joinMs));
    load.put("leaveMs", Arrays.stream(leaveMs).average().orElseThrow());
    load.put("messages", 0);
    load.put("publishedBytes", 0);
  }

  private double[] round(Load load, int round) throws Exception {
    int partitions = load.number("partitions");
    Crew crew = new Crew();
    CountDownLatch ready = new CountDownLatch(owned.length);
    CountDownLatch go = new CountDownLatch(1);
    List<KafkaConsumer<byte[], byte[]>> consumers = new ArrayList<>();
    for (int index = 0; index < owned.length; index++)
      consumers.add(Settings.consumer(load, load.text("topic") + "-" + round));
    CountDownLatch leave = new CountDownLatch(1);
    for (int index = 0; index < owned.length; index++) {
      int own = index;
      crew.start("member-" + index, () -> {
        try (KafkaConsumer<byte[], byte[]> consumer = consumers.get(own)) {
          consumer.subscribe(List.of(load.text("topic")), new Listener(own));
          ready.countDown();
          go.await();
          while (!crew.isOver() && !(own == 0 && leave.getCount() == 0)) consumer.poll(Duration.ofMillis(50));
          if (own == 0) leaves();
        }
      });
    }
    ready.await();
    long startNs = System.nanoTime();
    go.countDown();
    double joinMs = settledMs(crew, partitions, 0, startNs);
    // Each round of each turn at another part of the period, and wherever they end they are spread over it.
    int rounds = load.number("turn") * load.number("rounds") + round;
    Thread.sleep(SETTLING_MS + (long) (PERIOD_MS * (rounds * GOLDEN % 1)));
    leave.countDown();
    double leaveMs = settledMs(crew, partitions, 1, leavingNs(crew));
    crew.finish();
    return new double[] {joinMs, leaveMs};
  }

  private synchronized void leaves() {
    leftNs = System.nanoTime();
    notifyAll();
  }

  /** When the member that is to leave does so: it ends the poll that it is in first. */
  private synchronized long leavingNs(Crew crew) throws Exception {
    while (leftNs == 0) {
      crew.check();
      wait(10);
    }
    return leftNs;
  }

  /** From `startNs` until the members from `first` on own all, for good. */
  private double settledMs(Crew crew, int partitions, int first, long startNs) throws Exception {
    while (true) {
      Thread.sleep(1);
      crew.check();
      long nowNs = System.nanoTime();
      synchronized (this) {
        boolean isWhole = Arrays.stream(owned, first, owned.length).sum() == partitions;
        if (first > 0 && owned[0] > 0) isWhole = false;
        if (isWhole && changedNs > startNs && nowNs - changedNs > QUIET_NS) return (changedNs - startNs) / 1e6;
      }
      if (nowNs - startNs > LIMIT_NS) throw new Exception("the group has not settled");
    }
  }

  private static double middle(double[] values) {
    Arrays.sort(values);
    return (values[(values.length - 1) / 2] + values[values.length / 2]) / 2;
  }

  private final class Listener implements ConsumerRebalanceListener {
    private final int member;

    Listener(int member) {
      this.member = member;
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
      change(partitions.size());
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
      change(-partitions.size());
    }

    private void change(int by) {
      synchronized (GroupOfMany.this) {
        owned[member] += by;
        changedNs = System.nanoTime();
      }
    }
  }
}
