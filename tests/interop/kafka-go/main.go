// franz-go through the patterns of ../README.md: HOST:PORT and the patterns wanted; a line for each.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

const limit = 60 * time.Second

// Of messages that say their time themselves: not so old that they are due to go.
var start = time.Now().Add(-time.Hour).Truncate(time.Millisecond)

var address string

type pattern struct {
	name string
	run  func(ctx context.Context, prefix string)
}

var patterns = []pattern{
	{"records", records},
	{"compression", compression},
	{"group", group},
	{"resume", resume},
	{"times", times},
	{"idempotent", idempotent},
	{"transactions", transactions},
	{"transform", transform},
	{"admin", admin},
	{"groups-admin", groupsAdmin},
}

func main() {
	address = os.Args[1]
	wanted := map[string]bool{}
	for _, argument := range os.Args[2:] {
		wanted[argument] = true
	}
	status := 0
	for _, each := range patterns {
		if len(wanted) > 0 && !wanted[each.name] {
			continue
		}
		outcome := make(chan error, 1)
		go func() { outcome <- attempt(each) }()
		var err error
		select {
		case err = <-outcome:
		case <-time.After(limit):
			err = fmt.Errorf("not done after %v", limit)
		}
		if err == nil {
			fmt.Println("ok", each.name)
		} else {
			status = 1
			fmt.Println("not ok", each.name, strings.ReplaceAll(err.Error(), "\n", " "))
		}
	}
	os.Exit(status)
}

// attempt runs a pattern. In a pattern whatever goes wrong panics, which keeps it readable.
func attempt(each pattern) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("%v", reason)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	each.run(ctx, fmt.Sprintf("interop.%s.%d.", each.name, os.Getpid()))
	return nil
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func equal(actual, expected any) {
	if !reflect.DeepEqual(actual, expected) {
		panic(fmt.Sprintf("expected %v, got %v", expected, actual))
	}
}

func numbers(count, from int) []string {
	all := make([]string, count)
	for index := range all {
		all[index] = strconv.Itoa(from + index)
	}
	return all
}

// open logs in over TLS if ENTREPOT_INTEROP_TLS names a folder with ca.pem.
func open(more ...kgo.Opt) *kgo.Client {
	options := []kgo.Opt{
		kgo.SeedBrokers(address),
		kgo.ClientID("interop"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.FetchMaxWait(200 * time.Millisecond),
	}
	if folder := os.Getenv("ENTREPOT_INTEROP_TLS"); folder != "" {
		authorities := x509.NewCertPool()
		authorities.AppendCertsFromPEM(must(os.ReadFile(filepath.Join(folder, "ca.pem"))))
		login := scram.Auth{User: "guest", Pass: "guest"}
		options = append(options, kgo.DialTLSConfig(&tls.Config{RootCAs: authorities}), kgo.SASL(login.AsSha512Mechanism()))
	}
	return must(kgo.NewClient(append(options, more...)...))
}

func withAdmin(run func(admin *kadm.Client)) {
	client := open()
	defer client.Close()
	run(kadm.NewClient(client))
}

func createTopic(ctx context.Context, topic string, partitions int32) {
	withAdmin(func(admin *kadm.Client) {
		must(admin.CreateTopic(ctx, partitions, 1, nil, topic))
	})
}

func messages(topic string, partition int32, bodies []string) []*kgo.Record {
	var all []*kgo.Record
	for _, body := range bodies {
		all = append(all, &kgo.Record{Topic: topic, Partition: partition, Value: []byte(body)})
	}
	return all
}

func produce(ctx context.Context, records []*kgo.Record, more ...kgo.Opt) {
	client := open(more...)
	defer client.Close()
	check(client.ProduceSync(ctx, records...).FirstErr())
}

func member(topic, group string, more ...kgo.Opt) []kgo.Opt {
	return append([]kgo.Opt{
		kgo.ConsumeTopics(topic),
		kgo.ConsumerGroup(group),
		kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.HeartbeatInterval(300 * time.Millisecond),
		kgo.SessionTimeout(20 * time.Second),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.Balancers(kgo.RangeBalancer()),
	}, more...)
}

// take gives the next messages.
func take(ctx context.Context, client *kgo.Client, count int) []*kgo.Record {
	var received []*kgo.Record
	for len(received) < count {
		fetches := client.PollFetches(ctx)
		for _, failure := range fetches.Errors() {
			check(failure.Err)
		}
		received = append(received, fetches.Records()...)
	}
	equal(len(received), count)
	return received
}

func values(received []*kgo.Record) []string {
	var all []string
	for _, each := range received {
		all = append(all, string(each.Value))
	}
	return all
}

func readAll(ctx context.Context, topic string, count int, more ...kgo.Opt) []*kgo.Record {
	options := append([]kgo.Opt{
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
	}, more...)
	client := open(options...)
	defer client.Close()
	return take(ctx, client, count)
}

func records(ctx context.Context, prefix string) {
	topic := prefix + "topic"
	createTopic(ctx, topic, 3)
	var all []*kgo.Record
	for n := range 30 {
		number := strconv.Itoa(n)
		all = append(all, &kgo.Record{
			Topic:     topic,
			Key:       []byte("key-" + strconv.Itoa(n%5)),
			Value:     []byte(number),
			Timestamp: start.Add(time.Duration(n) * time.Millisecond),
			Headers:   []kgo.RecordHeader{{Key: "n", Value: []byte(number)}, {Key: "n", Value: []byte("again")}, {Key: "none"}},
		})
	}
	all = append(all, &kgo.Record{Topic: topic, Key: []byte("tombstone")})
	produce(ctx, all, kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	partitionByKey := map[string]int32{}
	for _, record := range readAll(ctx, topic, 31) {
		key := string(record.Key)
		if known, isKnown := partitionByKey[key]; isKnown {
			equal(record.Partition, known)
		}
		partitionByKey[key] = record.Partition
		if key == "tombstone" {
			equal(record.Value == nil, true)
			continue
		}
		n := must(strconv.Atoi(string(record.Value)))
		equal(key, "key-"+strconv.Itoa(n%5))
		equal(record.Timestamp.UnixMilli(), start.UnixMilli()+int64(n))
		equal(len(record.Headers), 3)
		equal(string(record.Headers[0].Value), string(record.Value))
		equal(string(record.Headers[1].Value), "again")
		equal(record.Headers[2].Value == nil, true)
	}
}

func compression(ctx context.Context, prefix string) {
	topic := prefix + "topic"
	createTopic(ctx, topic, 1)
	codecs := []kgo.CompressionCodec{
		kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression(),
	}
	var expected []string
	for index, codec := range codecs {
		var bodies []string
		for _, each := range numbers(50, 0) {
			bodies = append(bodies, fmt.Sprintf("%d %s %s", index, each, strings.Repeat("x", 500)))
		}
		produce(ctx, messages(topic, 0, bodies), kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(20*time.Millisecond))
		expected = append(expected, bodies...)
	}
	equal(values(readAll(ctx, topic, 250)), expected)
}

// partitions is what a member of a group was given.
type partitions struct {
	mutex sync.Mutex
	held  []int32
}

func (p *partitions) set(held []int32) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.held = held
}

func (p *partitions) get() []int32 {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return append([]int32(nil), p.held...)
}

func group(ctx context.Context, prefix string) {
	topic := prefix + "topic"
	createTopic(ctx, topic, 4)
	var clients []*kgo.Client
	var assigned [2]partitions
	var received [2][]*kgo.Record
	for which := range assigned {
		clients = append(clients, open(member(topic, prefix+"group",
			kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, now map[string][]int32) { assigned[which].set(now[topic]) }),
			kgo.OnPartitionsRevoked(func(context.Context, *kgo.Client, map[string][]int32) { assigned[which].set(nil) }),
		)...))
	}
	pollUntil := func(done func() bool, alive ...int) {
		for !done() {
			check(ctx.Err())
			for _, which := range alive {
				short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
				received[which] = append(received[which], clients[which].PollFetches(short).Records()...)
				cancel()
			}
		}
	}
	pollUntil(func() bool { return len(assigned[0].get()) == 2 && len(assigned[1].get()) == 2 }, 0, 1)
	for partition := range 4 {
		produce(ctx, messages(topic, int32(partition), numbers(10, partition*10)))
	}
	pollUntil(func() bool { return len(received[0])+len(received[1]) >= 40 }, 0, 1)
	equal(len(received[0]), 20)
	var all []int
	for _, each := range append(values(received[0]), values(received[1])...) {
		all = append(all, must(strconv.Atoi(each)))
	}
	sort.Ints(all)
	for index, each := range all {
		equal(each, index)
	}
	left := assigned[1].get()
	clients[1].Close()
	// Nothing was committed, so who is left gets all of what the other one had.
	pollUntil(func() bool {
		count := 0
		for _, each := range received[0] {
			if each.Partition == left[0] || each.Partition == left[1] {
				count++
			}
		}
		return count >= 20
	}, 0)
	clients[0].Close()
}

func resume(ctx context.Context, prefix string) {
	topic := prefix + "topic"
	createTopic(ctx, topic, 1)
	produce(ctx, messages(topic, 0, numbers(20, 0)))
	first := open(member(topic, prefix+"group")...)
	received := take(ctx, first, 20)
	check(first.CommitRecords(ctx, received[11]))
	first.Close()
	second := open(member(topic, prefix+"group")...)
	defer second.Close()
	equal(values(take(ctx, second, 8)), numbers(8, 12))
	second.SetOffsets(map[string]map[int32]kgo.EpochOffset{topic: {0: {Epoch: -1, Offset: 5}}})
	equal(values(take(ctx, second, 15)), numbers(15, 5))
}

func times(ctx context.Context, prefix string) {
	topic := prefix + "topic"
	createTopic(ctx, topic, 1)
	all := messages(topic, 0, numbers(10, 0))
	for index, record := range all {
		record.Timestamp = start.Add(time.Duration(index) * time.Second)
	}
	produce(ctx, all)
	withAdmin(func(admin *kadm.Client) {
		offset := func(listed kadm.ListedOffsets, err error) int64 {
			check(err)
			found, _ := listed.Lookup(topic, 0)
			check(found.Err)
			return found.Offset
		}
		equal(offset(admin.ListStartOffsets(ctx, topic)), int64(0))
		equal(offset(admin.ListEndOffsets(ctx, topic)), int64(10))
		for after, expected := range map[int64]int64{0: 0, 3500: 4, 9000: 9, 9001: 10} {
			equal(offset(admin.ListOffsetsAfterMilli(ctx, start.UnixMilli()+after, topic)), expected)
		}
	})
}

func idempotent(ctx context.Context, prefix string) {
	topic := prefix + "topic"
	createTopic(ctx, topic, 1)
	produce(ctx, messages(topic, 0, numbers(5000, 0)), kgo.ProducerBatchMaxBytes(2000))
	equal(values(readAll(ctx, topic, 5000)), numbers(5000, 0))
}

func transactions(ctx context.Context, prefix string) {
	topic := prefix + "topic"
	createTopic(ctx, topic, 1)
	producer := open(kgo.TransactionalID(prefix + "id"))
	defer producer.Close()
	for index, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		check(producer.BeginTransaction())
		check(producer.ProduceSync(ctx, messages(topic, 0, numbers(5, index*5))...).FirstErr())
		check(producer.EndTransaction(ctx, end))
	}
	committed := append(numbers(5, 0), numbers(5, 10)...)
	equal(values(readAll(ctx, topic, 10)), committed)
	equal(values(readAll(ctx, topic, 15, kgo.FetchIsolationLevel(kgo.ReadUncommitted()))), numbers(15, 0))
	// Another producer of the same transactional id ends what the first has open, and fences it.
	check(producer.BeginTransaction())
	check(producer.ProduceSync(ctx, messages(topic, 0, []string{"never"})...).FirstErr())
	successor := open(kgo.TransactionalID(prefix + "id"))
	defer successor.Close()
	check(successor.BeginTransaction())
	check(successor.ProduceSync(ctx, messages(topic, 0, []string{"end"})...).FirstErr())
	err := producer.EndTransaction(ctx, kgo.TryCommit)
	if !errors.Is(err, kerr.ProducerFenced) && !errors.Is(err, kerr.InvalidProducerEpoch) {
		panic(fmt.Sprintf("it was not fenced: %v", err))
	}
	check(successor.EndTransaction(ctx, kgo.TryCommit))
	equal(values(readAll(ctx, topic, 11)), append(committed, "end"))
}

func transform(ctx context.Context, prefix string) {
	source, target := prefix+"in", prefix+"out"
	createTopic(ctx, source, 1)
	createTopic(ctx, target, 1)
	produce(ctx, messages(source, 0, numbers(20, 0)))
	options := []kgo.Opt{
		kgo.SeedBrokers(address),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.TransactionalID(prefix + "id"),
	}
	session := must(kgo.NewGroupTransactSession(append(options, member(source, prefix+"group")...)...))
	defer session.Close()
	for attempt := 0; attempt < 3; attempt++ {
		var received []*kgo.Record
		for count := 20; len(received) < count; {
			fetches := session.PollFetches(ctx)
			check(fetches.Err())
			received = append(received, fetches.Records()...)
		}
		equal(received[0].Offset, int64(0))
		check(session.Begin())
		for _, record := range received {
			session.Produce(ctx, &kgo.Record{Topic: target, Value: append(record.Value, '!')}, nil)
		}
		committed := must(session.End(ctx, kgo.TransactionEndTry(attempt > 0)))
		equal(committed, attempt > 0)
		if committed {
			break
		}
	}
	var expected []string
	for _, each := range numbers(20, 0) {
		expected = append(expected, each+"!")
	}
	equal(values(readAll(ctx, target, 20)), expected)
	withAdmin(func(admin *kadm.Client) {
		offset, _ := must(admin.FetchOffsets(ctx, prefix+"group")).Lookup(source, 0)
		equal(offset.At, int64(20))
	})
}

func admin(ctx context.Context, prefix string) {
	topic := prefix + "topic"
	withAdmin(func(admin *kadm.Client) {
		configs := map[string]*string{"retention.ms": kadm.StringPtr("3600000")}
		must(admin.CreateTopic(ctx, 2, 1, configs, topic))
		_, err := admin.CreateTopic(ctx, 2, 1, configs, topic)
		equal(errors.Is(err, kerr.TopicAlreadyExists), true)
		configured := func() string {
			resource := must(must(admin.DescribeTopicConfigs(ctx, topic)).On(topic, nil))
			for _, config := range resource.Configs {
				if config.Key == "retention.ms" {
					return config.MaybeValue()
				}
			}
			return ""
		}
		equal(configured(), "3600000")
		change := kadm.AlterConfig{Op: kadm.SetConfig, Name: "retention.ms", Value: kadm.StringPtr("7200000")}
		check(must(must(admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{change}, topic)).On(topic, nil)).Err)
		equal(configured(), "7200000")
		check(must(must(admin.UpdatePartitions(ctx, 5, topic)).On(topic, nil)).Err)
		equal(len(must(admin.ListTopics(ctx, topic))[topic].Partitions), 5)
		produce(ctx, messages(topic, 4, numbers(10, 0)))
		deleted := must(admin.DeleteRecords(ctx, kadm.Offsets{topic: {4: {Topic: topic, Partition: 4, At: 6}}}))
		equal(deleted[topic][4].LowWatermark, int64(6))
		check(must(must(admin.DeleteTopics(ctx, topic)).On(topic, nil)).Err)
		equal(must(admin.ListTopics(ctx)).Has(topic), false)
	})
}

func groupsAdmin(ctx context.Context, prefix string) {
	topic, group := prefix+"topic", prefix+"group"
	createTopic(ctx, topic, 1)
	produce(ctx, messages(topic, 0, numbers(5, 0)))
	withAdmin(func(admin *kadm.Client) {
		consumer := open(member(topic, group)...)
		take(ctx, consumer, 5)
		described := must(must(admin.DescribeGroups(ctx, group)).On(group, nil))
		equal(described.State, "Stable")
		equal(len(described.Members), 1)
		equal(described.Members[0].ClientID, "interop")
		deleted := must(admin.DeleteGroups(ctx, group))
		equal(errors.Is(deleted[group].Err, kerr.NonEmptyGroup), true)
		consumer.Close()
		check(admin.CommitAllOffsets(ctx, group, kadm.OffsetsFromRecords(kgo.Record{Topic: topic, Offset: 2})))
		offset, _ := must(admin.FetchOffsets(ctx, group)).Lookup(topic, 0)
		equal(offset.At, int64(3))
		check(must(admin.DeleteGroups(ctx, group))[group].Err)
		_, isThere := must(admin.ListGroups(ctx))[group]
		equal(isThere, false)
	})
}
