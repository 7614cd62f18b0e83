/* Produces with librdkafka as fast as it can, idempotent, with acks=all and its other defaults:
 *
 *     rdkafka-load HOST:PORT TOPIC COUNT BYTES
 *
 * A tenth of COUNT warms up; then it prints `begin`, produces COUNT, waits until all are acknowledged, prints `end`, and the
 * rate as one line of JSON. Ends with 1 if one was not acknowledged.
 */

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long failed;

static void delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
  (void)client;
  (void)opaque;
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

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  long count = atol(argv[3]);
  size_t bytes = (size_t)atol(argv[4]);
  rd_kafka_conf_t *settings = rd_kafka_conf_new();
  set(settings, "bootstrap.servers", argv[1]);
  set(settings, "enable.idempotence", "true");
  rd_kafka_conf_set_dr_msg_cb(settings, delivered);
  char why[512];
  rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, settings, why, sizeof why);
  if (client == NULL) {
    fprintf(stderr, "%s\n", why);
    return 1;
  }
  rd_kafka_topic_t *topic = rd_kafka_topic_new(client, argv[2], NULL);
  void *value = calloc(1, bytes);
  produce(client, topic, count / 10, value, bytes);
  mark("begin");
  double start = seconds();
  produce(client, topic, count, value, bytes);
  double elapsed = seconds() - start;
  mark("end");
  printf("{\"perSecond\":%.1f,\"messages\":%ld,\"publishedBytes\":%ld}\n", count / elapsed, count,
         (count + count / 10) * (long)bytes);
  return 0;
}
