import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What Kafka's own load tools do not measure. bench/kafka-load.ts compiles these files and runs
 *
 *     java Load NAME --bootstrap HOST:PORT [--OPTION VALUE]...
 *
 * On standard output come a line `begin` when warming up is over, a line `end` when the measured time is, so that the
 * bench can look at what the broker and this process used in between (for that it waits until its standard input ends),
 * and at last the figures as one line of JSON. A load that loses, doubles or reorders anything fails: it says so on
 * standard error and ends with 1.
 */
public final class Load {
  private final Map<String, String> options = new LinkedHashMap<>();
  private final Map<String, Number> figures = new LinkedHashMap<>();

  private Load(String[] args) {
    for (int at = 1; at + 1 < args.length; at += 2) options.put(args[at].substring(2), args[at + 1]);
  }

  public static void main(String[] args) {
    Load load = new Load(args);
    try {
      switch (args[0]) {
        case "end-to-end" -> EndToEnd.run(load);
        case "many-producers" -> ManyProducers.run(load);
        case "tail" -> Tail.run(load);
        case "transform" -> Transform.run(load);
        case "group" -> GroupOfMany.run(load);
        default -> throw new IllegalArgumentException("no load is called " + args[0]);
      }
      System.out.println(load.json());
    } catch (Throwable failure) {
      failure.printStackTrace();
      System.exit(1);
    }
    // Threads of clients that were not closed do not hold up the end.
    System.exit(0);
  }

  String text(String name) {
    String value = options.get(name);
    if (value == null) throw new IllegalArgumentException("--" + name + " is missing");
    return value;
  }

  int number(String name) {
    return Integer.parseInt(text(name));
  }

  /** Of a client: where to connect to, and what was given as `--producer.linger.ms 0` with this prefix. */
  Map<String, Object> client(String prefix, String... more) {
    Map<String, Object> settings = new LinkedHashMap<>();
    settings.put("bootstrap.servers", text("bootstrap"));
    for (int at = 0; at < more.length; at += 2) settings.put(more[at], more[at + 1]);
    options.forEach((name, value) -> {
      if (name.startsWith(prefix + ".")) settings.put(name.substring(prefix.length() + 1), value);
    });
    return settings;
  }

  void put(String name, Number value) {
    figures.put(name, value);
  }

  void begin() {
    mark("begin");
  }

  void end() throws IOException {
    mark("end");
    while (System.in.read() >= 0) {}
  }

  private static void mark(String word) {
    System.out.println(word);
    System.out.flush();
  }

  private String json() {
    StringBuilder text = new StringBuilder("{");
    figures.forEach((name, value) -> {
      if (text.length() > 1) text.append(',');
      text.append('"').append(name).append("\":").append(value);
    });
    return text.append('}').toString();
  }
}
