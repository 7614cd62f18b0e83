import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.LongAdder;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.RecordMetadata;

/** The threads of a load: when they are to end, what was acknowledged to them or received, how long that took, and their first failure. */
final class Crew implements Callback {
  interface Body {
    void run() throws Exception;
  }

  private static final int LATENCY_MAX_MS = 60_000;

  /** What `measure` counts. */
  final LongAdder counted = new LongAdder();
  /** By ms: how many messages took so long, from their time on. */
  private volatile AtomicIntegerArray latencies = new AtomicIntegerArray(LATENCY_MAX_MS);
  /** Of loads that say when their messages were made. */
  private volatile boolean hasLatencies;
  private final AtomicReference<Throwable> failure = new AtomicReference<>();
  private final List<Thread> threads = new ArrayList<>();
  private volatile boolean isOver;

  Thread start(String name, Body body) {
    Thread thread = new Thread(() -> {
      try {
        body.run();
      } catch (Throwable thrown) {
        fail(thrown);
      }
    }, name);
    thread.setDaemon(true);
    threads.add(thread);
    thread.start();
    return thread;
  }

  @Override
  public void onCompletion(RecordMetadata metadata, Exception thrown) {
    if (thrown == null) {
      counted.increment();
      took(metadata.timestamp());
    } else if (!isOver) fail(thrown); // What is given up at the end is no failure; who needs it counts.
  }

  /** A message of this time is acknowledged, or there, by now. */
  void took(long sinceMs) {
    if (!hasLatencies) hasLatencies = true;
    latencies.incrementAndGet((int) Math.max(0, Math.min(System.currentTimeMillis() - sinceMs, LATENCY_MAX_MS - 1)));
  }

  private static int atShare(AtomicIntegerArray latencies, double share) {
    long all = 0;
    for (int ms = 0; ms < LATENCY_MAX_MS; ms++) all += latencies.get(ms);
    double left = all * share;
    int ms = 0;
    for (left -= latencies.get(0); left > 0 && ms < LATENCY_MAX_MS - 1; ) left -= latencies.get(++ms);
    return ms;
  }

  void fail(Throwable thrown) {
    failure.compareAndSet(null, thrown);
    isOver = true;
  }

  boolean isOver() {
    return isOver;
  }

  void check() throws Exception {
    if (failure.get() != null) throw new Exception(failure.get());
  }

  /** Warms up for --warm-up-seconds and counts for --seconds; puts the rate as `perSecond`, and latencies; returns the count. */
  long measure(Load load) throws Exception {
    pass(load.number("warm-up-seconds"));
    latencies = new AtomicIntegerArray(LATENCY_MAX_MS);
    load.begin();
    long startNs = System.nanoTime();
    long before = counted.sum();
    pass(load.number("seconds"));
    long measured = counted.sum() - before;
    double seconds = (System.nanoTime() - startNs) / 1e9;
    AtomicIntegerArray taken = latencies;
    latencies = new AtomicIntegerArray(LATENCY_MAX_MS);
    load.end();
    if (measured == 0) throw new Exception("nothing was acknowledged or received in " + seconds + " s");
    load.put("perSecond", measured / seconds);
    load.put("messages", measured);
    if (hasLatencies) {
      load.put("p50Ms", atShare(taken, 0.5));
      load.put("p99Ms", atShare(taken, 0.99));
    }
    return measured;
  }

  private void pass(int seconds) throws Exception {
    long untilNs = System.nanoTime() + seconds * 1_000_000_000L;
    while (System.nanoTime() < untilNs) {
      check();
      Thread.sleep(5);
    }
  }

  /** Tells all to end, and waits for them. */
  void finish() throws Exception {
    isOver = true;
    for (Thread thread : threads) {
      thread.join(60_000);
      if (thread.isAlive()) throw new Exception(thread.getName() + " does not end");
    }
    check();
  }
}
