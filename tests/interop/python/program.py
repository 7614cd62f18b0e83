"""pika through the patterns of ../README.md: HOST:PORT and the patterns wanted; a line for each."""

import ssl
import sys
import threading
import time
import os
import pika

LIMIT_SECONDS = 20

TOPIC_BINDINGS = {"orange": ["*.orange.*"], "rabbit": ["*.*.rabbit", "lazy.#"]}
TOPIC_ROUTES = {
    "quick.orange.rabbit": ["orange", "rabbit"],
    "lazy.orange.elephant": ["orange", "rabbit"],
    "quick.orange.fox": ["orange"],
    "lazy.brown.fox": ["rabbit"],
    "lazy.pink.rabbit": ["rabbit"],
    "quick.brown.fox": [],
    "orange": [],
    "quick.orange.new.rabbit": [],
    "lazy.orange.new.rabbit": ["rabbit"],
    "lazy": ["rabbit"],
}


def ssl_options(host):
    """For TLS, if ENTREPOT_INTEROP_TLS names a folder with the files that it takes."""
    folder = os.environ.get("ENTREPOT_INTEROP_TLS")
    if folder is None:
        return None
    context = ssl.create_default_context(cafile=os.path.join(folder, "ca.pem"))
    context.load_cert_chain(os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem"))
    return pika.SSLOptions(context, host)


def equal(actual, expected, what=""):
    if actual != expected:
        raise AssertionError(f"{what} expected {expected!r}, got {actual!r}")


def numbers(count, start=0):
    return [str(each) for each in range(start, start + count)]


def until(connection, done):
    """Lets the connection work until `done` holds."""
    end = time.monotonic() + LIMIT_SECONDS
    while not done():
        if time.monotonic() > end:
            raise AssertionError(f"not done after {LIMIT_SECONDS} s")
        connection.process_data_events(time_limit=0.05)


def collect(channel, queue):
    received = []
    channel.basic_consume(queue, lambda ch, method, props, body: received.append((method, props, body.decode())), auto_ack=True)
    return received


def bodies(received):
    return [body for _, _, body in received]


def work_queue(connection, prefix):
    queue = prefix + "tasks"
    publisher = connection.channel()
    publisher.confirm_delivery()
    publisher.queue_declare(queue, durable=True)
    for each in numbers(40):
        publisher.basic_publish("", queue, each.encode(), pika.BasicProperties(delivery_mode=2))

    # The first worker keeps what it gets; what it had not acknowledged comes again when its channel closes.
    quitter = connection.channel()
    quitter.basic_qos(prefetch_count=1)
    kept = []
    quitter.basic_consume(queue, lambda ch, method, props, body: kept.append(body.decode()))
    until(connection, lambda: kept)
    equal(kept, ["0"])

    done = []

    def worker(name):
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)

        def take(ch, method, props, body):
            done.append((name, method.redelivered, body.decode()))
            ch.basic_ack(method.delivery_tag)

        channel.basic_consume(queue, take)

    worker(1)
    worker(2)
    until(connection, lambda: len(done) >= 39)
    equal(len(kept), 1, "prefetch of 1:")
    quitter.close()
    until(connection, lambda: len(done) >= 40)
    equal(sorted(body for _, _, body in done), sorted(numbers(40)))
    equal({name for name, _, _ in done}, {1, 2})
    for _, redelivered, body in done:
        equal(redelivered, body == "0", f"redelivered of {body}:")
    publisher.queue_delete(queue)


def publish_subscribe(connection, prefix):
    exchange = prefix + "news"
    channel = connection.channel()
    channel.exchange_declare(exchange, "fanout")
    subscribers = []
    for _ in range(2):
        queue = channel.queue_declare("", exclusive=True).method.queue
        assert queue.startswith("amq.gen-"), queue
        channel.queue_bind(queue, exchange)
        subscribers.append(collect(channel, queue))
    for each in numbers(10):
        channel.basic_publish(exchange, "", each.encode(), pika.BasicProperties(app_id="interop"))
    until(connection, lambda: all(len(received) >= 10 for received in subscribers))
    for received in subscribers:
        equal(bodies(received), numbers(10))
        equal(received[0][1].app_id, "interop")
        equal(received[0][0].exchange, exchange)
    channel.exchange_delete(exchange)


def routing(connection, prefix):
    exchange = prefix + "logs"
    channel = connection.channel()
    channel.confirm_delivery()
    channel.exchange_declare(exchange, "direct")
    for name, severities in {"alarm": ["error"], "all": ["info", "warning", "error"]}.items():
        channel.queue_declare(prefix + name, exclusive=True)
        for severity in severities:
            channel.queue_bind(prefix + name, exchange, severity)
    returned = []
    for severity in ["info", "error", "debug", "warning", "error"]:
        try:
            channel.basic_publish(exchange, severity, severity.encode(), mandatory=True)
        except pika.exceptions.UnroutableError as error:
            returned += [(each.method.reply_code, each.method.reply_text, each.body) for each in error.messages]
    equal(returned, [(312, "NO_ROUTE", b"debug")])
    alarm, everything = collect(channel, prefix + "alarm"), collect(channel, prefix + "all")
    until(connection, lambda: len(alarm) >= 2 and len(everything) >= 4)
    equal(bodies(alarm), ["error", "error"])
    equal(bodies(everything), ["info", "error", "warning", "error"])
    channel.exchange_delete(exchange)


def topics(connection, prefix):
    exchange = prefix + "animals"
    channel = connection.channel()
    channel.confirm_delivery()
    channel.exchange_declare(exchange, "topic", durable=True)
    for name, patterns in TOPIC_BINDINGS.items():
        channel.queue_declare(prefix + name, exclusive=True)
        for pattern in patterns:
            channel.queue_bind(prefix + name, exchange, pattern)
    for key in TOPIC_ROUTES:
        channel.basic_publish(exchange, key, key.encode())
    for name in TOPIC_BINDINGS:
        expected = [key for key, names in TOPIC_ROUTES.items() if name in names]
        received = collect(channel, prefix + name)
        until(connection, lambda: len(received) >= len(expected))
        equal(bodies(received), expected)
    channel.exchange_delete(exchange)


def serve(connection, queue):
    server = connection.channel()
    server.queue_declare(queue, auto_delete=True)

    def answer(ch, method, props, body):
        reply = pika.BasicProperties(correlation_id=props.correlation_id)
        ch.basic_publish("", props.reply_to, str(int(body) ** 2).encode(), reply)
        ch.basic_ack(method.delivery_tag)

    server.basic_consume(queue, answer)


def call(connection, client, queue, reply_to):
    replies = collect(client, reply_to)
    for each in numbers(20):
        client.basic_publish("", queue, each.encode(), pika.BasicProperties(correlation_id="call-" + each, reply_to=reply_to))
    until(connection, lambda: len(replies) >= 20)
    for _, props, body in replies:
        equal(body, str(int(props.correlation_id[len("call-"):]) ** 2))


def rpc(connection, prefix):
    serve(connection, prefix + "square")
    client = connection.channel()
    call(connection, client, prefix + "square", client.queue_declare("", exclusive=True).method.queue)


def direct_reply_to(connection, prefix):
    serve(connection, prefix + "square")
    call(connection, connection.channel(), prefix + "square", "amq.rabbitmq.reply-to")


def retry_dead_letter(connection, prefix):
    work, wait, parked, failed = (prefix + name for name in ["work", "wait", "parked", "failed"])
    channel = connection.channel()
    channel.confirm_delivery()
    channel.exchange_declare(failed, "topic", durable=True)
    retry = {"x-dead-letter-exchange": failed, "x-dead-letter-routing-key": "retry"}
    again = {"x-message-ttl": 150, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": work}
    channel.queue_declare(work, durable=True, arguments=retry)
    channel.queue_declare(wait, durable=True, arguments=again)
    channel.queue_declare(parked, durable=True)
    channel.queue_bind(wait, failed, "retry")
    channel.basic_publish("", work, b"flaky", pika.BasicProperties(delivery_mode=2, headers={"tries": "3"}))
    channel.basic_publish("", work, b"hopeless", pika.BasicProperties(delivery_mode=2))

    accepted, waits, rejected_at = [], [], [0.0]

    def take(ch, method, props, body):
        deaths = (props.headers or {}).get("x-death", [])
        rejections = sum(death["count"] for death in deaths if death["queue"] == work and death["reason"] == "rejected")
        if body == b"flaky":
            if rejections:
                waits.append(time.monotonic() - rejected_at[0])
            rejected_at[0] = time.monotonic()
        if rejections < 2:
            ch.basic_nack(method.delivery_tag, requeue=False)
            return
        if body == b"hopeless":
            ch.basic_publish("", parked, body)
        ch.basic_ack(method.delivery_tag)
        accepted.append((props, body))

    # A channel of its own: with confirms on, publishing waits, which a consumer's callback must not do to its own channel.
    worker = connection.channel()
    worker.basic_consume(work, take)
    until(connection, lambda: len(accepted) >= 2)
    headers = next(props.headers for props, body in accepted if body == b"flaky")
    equal(
        [(death["queue"], death["reason"], death["count"]) for death in headers["x-death"]],
        [(wait, "expired", 2), (work, "rejected", 2)],
    )
    equal(headers["x-first-death-queue"], work)
    equal(headers["x-first-death-reason"], "rejected")
    equal(headers["x-first-death-exchange"], "")
    equal(headers["tries"], "3")
    assert all(each >= 0.14 for each in waits), waits
    worker.close()
    equal(channel.basic_get(parked, auto_ack=True)[2], b"hopeless")
    for queue in [work, wait, parked]:
        channel.queue_delete(queue)
    channel.exchange_delete(failed)


def confirms(connection, prefix):
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare(prefix + "all", durable=True)
    # This client waits for each confirm.
    for each in numbers(500):
        channel.basic_publish("", prefix + "all", each.encode(), pika.BasicProperties(delivery_mode=2))
    equal(channel.queue_declare(prefix + "all", passive=True).method.message_count, 500)
    equal(channel.queue_purge(prefix + "all").method.message_count, 500)
    channel.queue_delete(prefix + "all")

    channel.queue_declare(prefix + "full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    channel.basic_publish("", prefix + "full", b"fits")
    try:
        channel.basic_publish("", prefix + "full", b"does not fit")
        raise AssertionError("a full queue confirmed")
    except pika.exceptions.NackError:
        pass
    equal(channel.queue_delete(prefix + "full").method.message_count, 1)


def stream_replay(connection, prefix):
    stream = prefix + "events"
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare(stream, durable=True, arguments={"x-queue-type": "stream"})
    for each in numbers(50):
        channel.basic_publish("", stream, each.encode(), pika.BasicProperties(headers={"n": int(each)}))

    def read(start, count):
        reader = connection.channel()
        reader.basic_qos(prefetch_count=10)
        received = []

        def take(ch, method, props, body):
            received.append((method, props, body.decode()))
            ch.basic_ack(method.delivery_tag)

        reader.basic_consume(stream, take, arguments={"x-stream-offset": start})
        until(connection, lambda: len(received) >= count)
        reader.close()
        return received

    for _ in range(2):
        everything = read("first", 50)
        equal(bodies(everything), numbers(50))
        equal([props.headers["x-stream-offset"] for _, props, _ in everything], list(range(50)))
    equal(bodies(read(20, 30)), numbers(30, 20))
    channel.queue_delete(stream)


PATTERNS = [
    work_queue,
    publish_subscribe,
    routing,
    topics,
    rpc,
    direct_reply_to,
    retry_dead_letter,
    confirms,
    stream_replay,
]


def main():
    host, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:5672").rsplit(":", 1)
    wanted = sys.argv[2:]
    status = 0
    # A client that waits inside a call for ever must not hold up the test.
    watchdog = threading.Timer(len(PATTERNS) * LIMIT_SECONDS / 2, lambda: os._exit(2))
    watchdog.daemon = True
    watchdog.start()
    for pattern in PATTERNS:
        name = pattern.__name__.replace("_", "-")
        if wanted and name not in wanted:
            continue
        try:
            parameters = pika.ConnectionParameters(
                host, int(port), blocked_connection_timeout=LIMIT_SECONDS, ssl_options=ssl_options(host)
            )
            connection = pika.BlockingConnection(parameters)
            pattern(connection, f"interop.{name}.{os.getpid()}.")
            connection.close()
            print(f"ok {name}", flush=True)
        except Exception as error:  # pylint: disable=broad-except
            status = 1
            print(f"not ok {name} {type(error).__name__}: {error}".replace("\n", " "), flush=True)
    sys.exit(status)


main()
