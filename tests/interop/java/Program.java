import com.rabbitmq.client.AMQP.BasicProperties;
import com.rabbitmq.client.BuiltinExchangeType;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.MessageProperties;
import com.rabbitmq.client.Return;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** com.rabbitmq:amqp-client through the patterns of ../README.md: HOST:PORT and the patterns wanted; a line for each. */
public final class Program {
  private static final int LIMIT_SECONDS = 20;

  private interface Pattern {
    void run(Connection connection, String prefix) throws Exception;
  }

  /** With ca.pem, and with cert.pem and key.pem of the client. */
  private static void useTls(ConnectionFactory factory, Path folder) throws Exception {
    CertificateFactory certificates = CertificateFactory.getInstance("X.509");
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    Certificate own = certificates.generateCertificate(Files.newInputStream(folder.resolve("cert.pem")));
    String pem = Files.readString(folder.resolve("key.pem")).replaceAll("-----[A-Z ]+-----|\\s", "");
    PrivateKey key = KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem)));
    store.setKeyEntry("own", key, new char[0], new Certificate[] {own});
    store.setCertificateEntry("ca", certificates.generateCertificate(Files.newInputStream(folder.resolve("ca.pem"))));
    KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    keys.init(store, new char[0]);
    TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(store);
    SSLContext context = SSLContext.getInstance("TLSv1.3");
    context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
    factory.useSslProtocol(context);
    factory.enableHostnameVerification();
  }

  public static void main(String[] arguments) throws Exception {
    String[] address = (arguments.length > 0 ? arguments[0] : "127.0.0.1:5672").split(":");
    Set<String> wanted = new HashSet<>(Arrays.asList(arguments).subList(Math.min(1, arguments.length), arguments.length));
    Map<String, Pattern> patterns = new LinkedHashMap<>();
    patterns.put("work-queue", Program::workQueue);
    patterns.put("publish-subscribe", Program::publishSubscribe);
    patterns.put("routing", Program::routing);
    patterns.put("topics", Program::topics);
    patterns.put("rpc", Program::rpc);
    patterns.put("direct-reply-to", Program::directReplyTo);
    patterns.put("retry-dead-letter", Program::retryDeadLetter);
    patterns.put("confirms", Program::confirms);
    patterns.put("stream-replay", Program::streamReplay);

    int status = 0;
    ConnectionFactory factory = new ConnectionFactory();
    factory.setHost(address[0]);
    factory.setPort(Integer.parseInt(address[1]));
    factory.setAutomaticRecoveryEnabled(false);
    String tls = System.getenv("ENTREPOT_INTEROP_TLS");
    if (tls != null) useTls(factory, Path.of(tls));
    for (Map.Entry<String, Pattern> each : patterns.entrySet()) {
      if (!wanted.isEmpty() && !wanted.contains(each.getKey())) continue;
      String prefix = "interop." + each.getKey() + "." + ProcessHandle.current().pid() + ".";
      CompletableFuture<Void> outcome = new CompletableFuture<>();
      Thread thread = new Thread(() -> {
        try (Connection connection = factory.newConnection()) {
          each.getValue().run(connection, prefix);
          outcome.complete(null);
        } catch (Throwable why) {
          outcome.completeExceptionally(why);
        }
      });
      thread.setDaemon(true);
      thread.start();
      try {
        outcome.get(LIMIT_SECONDS, TimeUnit.SECONDS);
        System.out.println("ok " + each.getKey());
      } catch (Exception why) {
        status = 1;
        Throwable cause = why.getCause() == null ? why : why.getCause();
        System.out.println("not ok " + each.getKey() + " " + String.valueOf(cause).replace('\n', ' '));
      }
    }
    System.exit(status);
  }

  private static void equal(Object actual, Object expected) {
    if (!Objects.equals(actual, expected)) throw new AssertionError("expected " + expected + ", got " + actual);
  }

  private static List<String> numbers(int count, int from) {
    return IntStream.range(from, from + count).mapToObj(String::valueOf).toList();
  }

  private static String text(Delivery delivery) {
    return new String(delivery.getBody());
  }

  private static void send(Channel channel, String queue, String body) throws Exception {
    channel.basicPublish("", queue, MessageProperties.PERSISTENT_TEXT_PLAIN, body.getBytes());
  }

  private static BlockingQueue<Delivery> collect(Channel channel, String queue) throws Exception {
    BlockingQueue<Delivery> received = new LinkedBlockingQueue<>();
    channel.basicConsume(queue, true, (tag, delivery) -> received.add(delivery), tag -> {});
    return received;
  }

  private static <T> List<T> take(BlockingQueue<T> from, int count) throws Exception {
    List<T> taken = new ArrayList<>();
    while (taken.size() < count) {
      T next = from.poll(LIMIT_SECONDS, TimeUnit.SECONDS);
      if (next == null) throw new AssertionError("got " + taken.size() + " of " + count);
      taken.add(next);
    }
    return taken;
  }

  private static List<String> texts(List<Delivery> deliveries) {
    return deliveries.stream().map(Program::text).toList();
  }

  private record Work(int worker, Delivery delivery) {}

  private static void workQueue(Connection connection, String prefix) throws Exception {
    String queue = prefix + "tasks";
    Channel publisher = connection.createChannel();
    publisher.confirmSelect();
    publisher.queueDeclare(queue, true, false, false, null);
    for (String each : numbers(40, 0)) send(publisher, queue, each);
    publisher.waitForConfirmsOrDie(LIMIT_SECONDS * 1000);

    // The first worker keeps what it gets; what it had not acknowledged comes again when its channel closes.
    Channel quitter = connection.createChannel();
    quitter.basicQos(1);
    BlockingQueue<Delivery> kept = new LinkedBlockingQueue<>();
    quitter.basicConsume(queue, false, (tag, delivery) -> kept.add(delivery), tag -> {});
    equal(text(take(kept, 1).get(0)), "0");

    BlockingQueue<Work> done = new LinkedBlockingQueue<>();
    for (int worker = 1; worker <= 2; worker++) {
      int name = worker;
      Channel channel = connection.createChannel();
      channel.basicQos(1);
      channel.basicConsume(queue, false, (tag, delivery) -> {
        done.add(new Work(name, delivery));
        channel.basicAck(delivery.getEnvelope().getDeliveryTag(), false);
      }, tag -> {});
    }
    List<Work> all = take(done, 39);
    equal(kept.size(), 0);
    quitter.close();
    all.addAll(take(done, 1));
    Set<String> bodies = new HashSet<>();
    Set<Integer> workers = new HashSet<>();
    for (Work each : all) {
      bodies.add(text(each.delivery()));
      workers.add(each.worker());
      equal(each.delivery().getEnvelope().isRedeliver(), text(each.delivery()).equals("0"));
    }
    equal(bodies, new HashSet<>(numbers(40, 0)));
    equal(workers.size(), 2);
    publisher.queueDelete(queue);
  }

  private static void publishSubscribe(Connection connection, String prefix) throws Exception {
    String exchange = prefix + "news";
    Channel channel = connection.createChannel();
    channel.exchangeDeclare(exchange, BuiltinExchangeType.FANOUT);
    List<BlockingQueue<Delivery>> subscribers = new ArrayList<>();
    for (int each = 0; each < 2; each++) {
      String queue = channel.queueDeclare().getQueue();
      equal(queue.startsWith("amq.gen-"), true);
      channel.queueBind(queue, exchange, "");
      subscribers.add(collect(channel, queue));
    }
    BasicProperties properties = new BasicProperties.Builder().appId("interop").build();
    for (String each : numbers(10, 0)) channel.basicPublish(exchange, "ignored", properties, each.getBytes());
    for (BlockingQueue<Delivery> subscriber : subscribers) {
      List<Delivery> received = take(subscriber, 10);
      equal(texts(received), numbers(10, 0));
      equal(received.get(0).getProperties().getAppId(), "interop");
      equal(received.get(0).getEnvelope().getExchange(), exchange);
    }
    channel.exchangeDelete(exchange);
  }

  private static void routing(Connection connection, String prefix) throws Exception {
    String exchange = prefix + "logs";
    Channel channel = connection.createChannel();
    channel.confirmSelect();
    channel.exchangeDeclare(exchange, BuiltinExchangeType.DIRECT);
    for (Map.Entry<String, List<String>> each :
        Map.of("alarm", List.of("error"), "all", List.of("info", "warning", "error")).entrySet()) {
      channel.queueDeclare(prefix + each.getKey(), false, true, false, null);
      for (String severity : each.getValue()) channel.queueBind(prefix + each.getKey(), exchange, severity);
    }
    BlockingQueue<Return> returned = new LinkedBlockingQueue<>();
    channel.addReturnListener((Return message) -> returned.add(message));
    for (String severity : List.of("info", "error", "debug", "warning", "error")) {
      channel.basicPublish(exchange, severity, true, null, severity.getBytes());
    }
    channel.waitForConfirmsOrDie(LIMIT_SECONDS * 1000);
    equal(texts(take(collect(channel, prefix + "alarm"), 2)), List.of("error", "error"));
    equal(texts(take(collect(channel, prefix + "all"), 4)), List.of("info", "error", "warning", "error"));
    Return back = take(returned, 1).get(0);
    equal(back.getReplyCode() + " " + back.getReplyText() + " " + back.getRoutingKey(), "312 NO_ROUTE debug");
    equal(returned.size(), 0);
    channel.exchangeDelete(exchange);
  }

  private static void topics(Connection connection, String prefix) throws Exception {
    String exchange = prefix + "animals";
    Map<String, String> routes = new LinkedHashMap<>();
    routes.put("quick.orange.rabbit", "orange rabbit");
    routes.put("lazy.orange.elephant", "orange rabbit");
    routes.put("quick.orange.fox", "orange");
    routes.put("lazy.brown.fox", "rabbit");
    routes.put("lazy.pink.rabbit", "rabbit");
    routes.put("quick.brown.fox", "");
    routes.put("orange", "");
    routes.put("quick.orange.new.rabbit", "");
    routes.put("lazy.orange.new.rabbit", "rabbit");
    routes.put("lazy", "rabbit");
    Map<String, List<String>> bindings = Map.of("orange", List.of("*.orange.*"), "rabbit", List.of("*.*.rabbit", "lazy.#"));
    Channel channel = connection.createChannel();
    channel.confirmSelect();
    channel.exchangeDeclare(exchange, BuiltinExchangeType.TOPIC, true);
    for (String name : bindings.keySet()) {
      channel.queueDeclare(prefix + name, false, true, false, null);
      for (String key : bindings.get(name)) channel.queueBind(prefix + name, exchange, key);
    }
    for (String key : routes.keySet()) channel.basicPublish(exchange, key, null, key.getBytes());
    channel.waitForConfirmsOrDie(LIMIT_SECONDS * 1000);
    for (String name : bindings.keySet()) {
      List<String> expected = routes.keySet().stream().filter(key -> routes.get(key).contains(name)).toList();
      equal(texts(take(collect(channel, prefix + name), expected.size())), expected);
    }
    channel.exchangeDelete(exchange);
  }

  private static String square(String number) {
    return String.valueOf(Integer.parseInt(number) * Integer.parseInt(number));
  }

  private static void serve(Connection connection, String queue) throws Exception {
    Channel server = connection.createChannel();
    server.queueDeclare(queue, false, false, true, null);
    server.basicConsume(queue, false, (tag, request) -> {
      String correlationId = request.getProperties().getCorrelationId();
      BasicProperties properties = new BasicProperties.Builder().correlationId(correlationId).build();
      server.basicPublish("", request.getProperties().getReplyTo(), properties, square(text(request)).getBytes());
      server.basicAck(request.getEnvelope().getDeliveryTag(), false);
    }, tag -> {});
  }

  private static void call(Channel client, String queue, String replyTo) throws Exception {
    BlockingQueue<Delivery> replies = collect(client, replyTo);
    for (String each : numbers(20, 0)) {
      BasicProperties properties = new BasicProperties.Builder().correlationId("call-" + each).replyTo(replyTo).build();
      client.basicPublish("", queue, properties, each.getBytes());
    }
    for (Delivery reply : take(replies, 20)) {
      equal(text(reply), square(reply.getProperties().getCorrelationId().substring("call-".length())));
    }
  }

  private static void rpc(Connection connection, String prefix) throws Exception {
    serve(connection, prefix + "square");
    Channel client = connection.createChannel();
    call(client, prefix + "square", client.queueDeclare().getQueue());
  }

  private static void directReplyTo(Connection connection, String prefix) throws Exception {
    serve(connection, prefix + "square");
    call(connection.createChannel(), prefix + "square", "amq.rabbitmq.reply-to");
  }

  @SuppressWarnings("unchecked")
  private static List<Map<String, Object>> deaths(Delivery delivery) {
    Map<String, Object> headers = delivery.getProperties().getHeaders();
    if (headers == null || !headers.containsKey("x-death")) return List.of();
    return (List<Map<String, Object>>) headers.get("x-death");
  }

  private static void retryDeadLetter(Connection connection, String prefix) throws Exception {
    String work = prefix + "work";
    String wait = prefix + "wait";
    String parked = prefix + "parked";
    String failed = prefix + "failed";
    Channel channel = connection.createChannel();
    channel.exchangeDeclare(failed, BuiltinExchangeType.TOPIC, true);
    channel.queueDeclare(work, true, false, false,
        Map.of("x-dead-letter-exchange", failed, "x-dead-letter-routing-key", "retry"));
    channel.queueDeclare(wait, true, false, false,
        Map.of("x-message-ttl", 150, "x-dead-letter-exchange", "", "x-dead-letter-routing-key", work));
    channel.queueDeclare(parked, true, false, false, null);
    channel.queueBind(wait, failed, "retry");
    BasicProperties properties = new BasicProperties.Builder().deliveryMode(2).headers(Map.of("tries", "3")).build();
    channel.basicPublish("", work, properties, "flaky".getBytes());
    send(channel, work, "hopeless");

    BlockingQueue<Delivery> accepted = new LinkedBlockingQueue<>();
    List<Long> waitsMs = new ArrayList<>();
    long[] rejectedAt = {0};
    channel.basicConsume(work, false, (tag, delivery) -> {
      long tagOf = delivery.getEnvelope().getDeliveryTag();
      long rejections = 0;
      for (Map<String, Object> death : deaths(delivery)) {
        boolean isOurs = death.get("queue").toString().equals(work) && death.get("reason").toString().equals("rejected");
        if (isOurs) rejections = (Long) death.get("count");
      }
      if (text(delivery).equals("flaky")) {
        if (rejections > 0) waitsMs.add((System.nanoTime() - rejectedAt[0]) / 1_000_000);
        rejectedAt[0] = System.nanoTime();
      }
      if (rejections < 2) {
        channel.basicNack(tagOf, false, false);
        return;
      }
      if (text(delivery).equals("hopeless")) channel.basicPublish("", parked, null, delivery.getBody());
      channel.basicAck(tagOf, false);
      accepted.add(delivery);
    }, tag -> {});
    List<Delivery> both = take(accepted, 2);
    Delivery last = text(both.get(0)).equals("flaky") ? both.get(0) : both.get(1);
    List<String> story = deaths(last).stream()
        .map(death -> death.get("queue") + " " + death.get("reason") + " " + death.get("count")).toList();
    equal(story, List.of(wait + " expired 2", work + " rejected 2"));
    Map<String, Object> headers = last.getProperties().getHeaders();
    equal(headers.get("x-first-death-queue").toString(), work);
    equal(headers.get("x-first-death-reason").toString(), "rejected");
    equal(headers.get("x-first-death-exchange").toString(), "");
    equal(headers.get("tries").toString(), "3");
    for (long waitMs : waitsMs) if (waitMs < 140) throw new AssertionError("it waited only " + waitMs + " ms");
    equal(new String(channel.basicGet(parked, true).getBody()), "hopeless");
    for (String queue : List.of(work, wait, parked)) channel.queueDelete(queue);
    channel.exchangeDelete(failed);
  }

  private static void confirms(Connection connection, String prefix) throws Exception {
    String all = prefix + "all";
    String full = prefix + "full";
    Channel channel = connection.createChannel();
    channel.confirmSelect();
    channel.queueDeclare(all, true, false, false, null);
    for (String each : numbers(500, 0)) send(channel, all, each);
    equal(channel.waitForConfirms(LIMIT_SECONDS * 1000), true);
    equal(channel.messageCount(all), 500L);
    equal(channel.queuePurge(all).getMessageCount(), 500);
    channel.queueDelete(all);

    channel.queueDeclare(full, false, false, false, Map.of("x-max-length", 1, "x-overflow", "reject-publish"));
    send(channel, full, "fits");
    equal(channel.waitForConfirms(LIMIT_SECONDS * 1000), true);
    send(channel, full, "does not fit");
    equal(channel.waitForConfirms(LIMIT_SECONDS * 1000), false);
    equal(channel.queueDelete(full).getMessageCount(), 1);
  }

  private static void read(Connection connection, String stream, Object from, int first, int count) throws Exception {
    Channel reader = connection.createChannel();
    reader.basicQos(10);
    BlockingQueue<Delivery> received = new LinkedBlockingQueue<>();
    reader.basicConsume(stream, false, Map.of("x-stream-offset", from), (tag, delivery) -> {
      reader.basicAck(delivery.getEnvelope().getDeliveryTag(), false);
      received.add(delivery);
    }, tag -> {});
    List<Delivery> all = take(received, count);
    equal(texts(all), numbers(count, first));
    equal(all.get(0).getProperties().getHeaders().get("x-stream-offset"), (long) first);
    reader.close();
  }

  private static void streamReplay(Connection connection, String prefix) throws Exception {
    String stream = prefix + "events";
    Channel channel = connection.createChannel();
    channel.confirmSelect();
    channel.queueDeclare(stream, true, false, false, Map.of("x-queue-type", "stream"));
    for (String each : numbers(50, 0)) send(channel, stream, each);
    channel.waitForConfirmsOrDie(LIMIT_SECONDS * 1000);
    read(connection, stream, "first", 0, 50);
    read(connection, stream, "first", 0, 50);
    read(connection, stream, 20, 20, 30);
    channel.queueDelete(stream);
  }
}
