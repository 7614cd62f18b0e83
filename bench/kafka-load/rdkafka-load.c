/* Produces and consumes with librdkafka as fast as it can:
 *
 *     rdkafka-load produce HOST:PORT TOPIC COUNT BYTES     idempotent, acks=all, its other defaults
 *     rdkafka-load consume HOST:PORT TOPIC COUNT           partition 0 from its beginning, without a group
 *
 * Producing, a tenth of COUNT warms up; then it prints `begin`, produces COUNT, waits until all are acknowledged, and prints
 * `end`. Consuming, it prints `begin` at the first message. Behind `end` it waits for the end of its standard input, so that
 * who measures can look at it. At last comes a line of JSON: the rate, and, of producing, how long messages took from produce()
 * to their acknowledgement. Ends with 1 if a message was not acknowledged, or did not come where it was next.
 */

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Of each power of two, so many classes of latencies. */
#define PARTS 16

static long failed;
static long latencies[64 * PARTS];

static void took(long long us) {
  int power = 0;
  long long rest = us < 1 ? 1 : us;
  for (; rest >= 2 * PARTS; power++) rest /= 2;
  latencies[power * PARTS + (int)rest]++;
}

/* From the begin of a class on. */
static double latency_ms(double share) {
  long all = 0;
  for (int at = 0; at < 64 * PARTS; at++) all += latencies[at];
  double left = all * share;
  for (int power = 0, at = 0; at < 64 * PARTS; at++) {
    left -= latencies[at];
    power = at < 2 * PARTS ? 0 : at / PARTS - 1;
    if (left <= 0) return (double)(at - power * PARTS) * (double)(1LL << power) / 1000;
  }
  return 0;
}

static void delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
  (void)client;
  (void)opaque;
  took(rd_kafka_message_latency(message));
  if (message->err && failed++ == 0) fprintf(stderr, "not delivered: %s\n", rd_kafka_err2str(message->err));
}

static void set(rd_kafka_conf_t *settings, const char *name, const char *value) {
  char why[512];
  if (rd_kafka_conf_set(settings, name, value, why, sizeof why) == RD_KAFKA_CONF_OK) return;
  fprintf(stderr, "%s\n", why);
  exit(1);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

static void mark(const char *word) {
  puts(word);
  fflush(stdout);
}

static void mark_end(void) {
  mark("end");
  while (getchar() != EOF) {
  }
}

static void produce(rd_kafka_t *client, rd_kafka_topic_t *topic, long count, void *value, size_t bytes) {
  for (long sent = 0; sent < count && failed == 0;) {
    if (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, value, bytes, NULL, 0, NULL) == 0) {
      if (++sent % 1000 == 0) rd_kafka_poll(client, 0);
    } else if (rd_kafka_last_error() == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      rd_kafka_poll(client, 1);
    } else {
      fprintf(stderr, "%s\n", rd_kafka_err2str(rd_kafka_last_error()));
      exit(1);
    }
  }
  if (rd_kafka_flush(client, 60000) != RD_KAFKA_RESP_ERR_NO_ERROR || failed > 0) exit(1);
}

static rd_kafka_t *make(rd_kafka_type_t kind, rd_kafka_conf_t *settings, const char *bootstrap) {
  char why[512];
  set(settings, "bootstrap.servers", bootstrap);
  rd_kafka_t *client = rd_kafka_new(kind, settings, why, sizeof why);
  if (client == NULL) {
    fprintf(stderr, "%s\n", why);
    exit(1);
  }
  return client;
}

static int measure_produce(const char *bootstrap, const char *name, long count, size_t bytes) {
  rd_kafka_conf_t *settings = rd_kafka_conf_new();
  set(settings, "enable.idempotence", "true");
  rd_kafka_conf_set_dr_msg_cb(settings, delivered);
  rd_kafka_t *client = make(RD_KAFKA_PRODUCER, settings, bootstrap);
  rd_kafka_topic_t *topic = rd_kafka_topic_new(client, name, NULL);
  void *value = calloc(1, bytes);
  produce(client, topic, count / 10, value, bytes);
  memset(latencies, 0, sizeof latencies);
  mark("begin");
  double start = seconds();
  produce(client, topic, count, value, bytes);
  double elapsed = seconds() - start;
  mark_end();
  printf("{\"perSecond\":%.1f,\"messages\":%ld,\"publishedBytes\":%ld,\"p50Ms\":%.3f,\"p99Ms\":%.3f}\n", count / elapsed, count,
         (count + count / 10) * (long)bytes, latency_ms(0.5), latency_ms(0.99));
  return 0;
}

struct reading {
  long next;
  double start;
};

static void received(rd_kafka_message_t *message, void *opaque) {
  struct reading *reading = opaque;
  if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) return;
  if (message->err || message->offset != reading->next) {
    fprintf(stderr, "offset %ld was next: %s, %ld\n", reading->next, rd_kafka_err2str(message->err), (long)message->offset);
    exit(1);
  }
  if (reading->next++ > 0) return;
  mark("begin");
  reading->start = seconds();
}

static int measure_consume(const char *bootstrap, const char *name, long count) {
  rd_kafka_t *client = make(RD_KAFKA_CONSUMER, rd_kafka_conf_new(), bootstrap);
  rd_kafka_topic_t *topic = rd_kafka_topic_new(client, name, NULL);
  if (rd_kafka_consume_start(topic, 0, RD_KAFKA_OFFSET_BEGINNING) != 0) return 1;
  struct reading reading = {0, 0};
  double last = seconds();
  for (long before = 0; reading.next < count; before = reading.next) {
    rd_kafka_consume_callback(topic, 0, 1000, received, &reading);
    if (reading.next > before) last = seconds();
    if (seconds() - last > 60) {
      fprintf(stderr, "received %ld of %ld\n", reading.next, count);
      return 1;
    }
  }
  double elapsed = seconds() - reading.start;
  mark_end();
  printf("{\"perSecond\":%.1f,\"messages\":%ld,\"publishedBytes\":0}\n", reading.next / elapsed, reading.next);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 6 && strcmp(argv[1], "produce") == 0)
    return measure_produce(argv[2], argv[3], atol(argv[4]), (size_t)atol(argv[5]));
  if (argc == 5 && strcmp(argv[1], "consume") == 0) return measure_consume(argv[2], argv[3], atol(argv[4]));
  return 2;
}
