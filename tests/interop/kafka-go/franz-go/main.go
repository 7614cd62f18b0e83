// franz-go through the patterns of ../../README.md: HOST:PORT and the patterns wanted; a line for each.
package main

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	. "entrepot/tests/interop/kafka/program"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

func main() {
	Run(
		Pattern{"records", records},
		Pattern{"compression", compression},
		Pattern{"group", group},
		Pattern{"resume", resume},
		Pattern{"times", times},
		Pattern{"idempotent", idempotent},
		Pattern{"transactions", transactions},
		Pattern{"transform", transform},
		Pattern{"admin", admin},
		Pattern{"groups-admin", groupsAdmin},
	)
}

// open logs in over TLS if ENTREPOT_INTEROP_TLS names a folder with ca.pem.
func open(more ...kgo.Opt) *kgo.Client {
	options := []kgo.Opt{
		kgo.SeedBrokers(Address),
		kgo.ClientID("interop"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.FetchMaxWait(200 * time.Millisecond),
	}
	if mechanism, over := Login(); over != nil {
		login := scram.Auth{User: "guest", Pass: "guest"}
		mechanisms := map[string]sasl.Mechanism{
			"SCRAM-SHA-256": login.AsSha256Mechanism(),
			"SCRAM-SHA-512": login.AsSha512Mechanism(),
		}
		options = append(options, kgo.DialTLSConfig(over), kgo.SASL(mechanisms[mechanism]))
	}
	return Must(kgo.NewClient(append(options, more...)...))
}

func withAdmin(run func(admin *kadm.Client)) {
	client := open()
	defer client.Close()
	run(kadm.NewClient(client))
}

func createTopic(ctx context.Context, topic string, partitions int32) {
	withAdmin(func(admin *kadm.Client) {
		Must(admin.CreateTopic(ctx, partitions, 1, nil, topic))
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
	Check(client.ProduceSync(ctx, records...).FirstErr())
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
			Check(failure.Err)
		}
		received = append(received, fetches.Records()...)
	}
	Equal(len(received), count)
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
			Timestamp: Start.Add(time.Duration(n) * time.Millisecond),
			Headers:   []kgo.RecordHeader{{Key: "n", Value: []byte(number)}, {Key: "n", Value: []byte("again")}, {Key: "none"}},
		})
	}
	all = append(all, &kgo.Record{Topic: topic, Key: []byte("tombstone")})
	produce(ctx, all, kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	partitionByKey := map[string]int32{}
	for _, record := range readAll(ctx, topic, 31) {
		key := string(record.Key)
		if known, isKnown := partitionByKey[key]; isKnown {
			Equal(record.Partition, known)
		}
		partitionByKey[key] = record.Partition
		if key == "tombstone" {
			Equal(record.Value == nil, true)
			continue
		}
		n := Must(strconv.Atoi(string(record.Value)))
		Equal(key, "key-"+strconv.Itoa(n%5))
		Equal(record.Timestamp.UnixMilli(), Start.UnixMilli()+int64(n))
		Equal(len(record.Headers), 3)
		Equal(string(record.Headers[0].Value), string(record.Value))
		Equal(string(record.Headers[1].Value), "again")
		Equal(record.Headers[2].Value == nil, true)
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
		for _, each := range Numbers(50, 0) {
			bodies = append(bodies, fmt.Sprintf("%d %s %s", index, each, strings.Repeat("x", 500)))
		}
		produce(ctx, messages(topic, 0, bodies), kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(20*time.Millisecond))
		expected = append(expected, bodies...)
	}
	Equal(values(readAll(ctx, topic, 250)), expected)
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
			Check(ctx.Err())
			for _, which := range alive {
				short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
				received[which] = append(received[which], clients[which].PollFetches(short).Records()...)
				cancel()
			}
		}
	}
	pollUntil(func() bool { return len(assigned[0].get()) == 2 && len(assigned[1].get()) == 2 }, 0, 1)
	for partition := range 4 {
		produce(ctx, messages(topic, int32(partition), Numbers(10, partition*10)))
	}
	pollUntil(func() bool { return len(received[0])+len(received[1]) >= 40 }, 0, 1)
	Equal(len(received[0]), 20)
	var all []int
	for _, each := range append(values(received[0]), values(received[1])...) {
		all = append(all, Must(strconv.Atoi(each)))
	}
	sort.Ints(all)
	for index, each := range all {
		Equal(each, index)
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
	produce(ctx, messages(topic, 0, Numbers(20, 0)))
	first := open(member(topic, prefix+"group")...)
	received := take(ctx, first, 20)
	Check(first.CommitRecords(ctx, received[11]))
	first.Close()
	second := open(member(topic, prefix+"group")...)
	defer second.Close()
	Equal(values(take(ctx, second, 8)), Numbers(8, 12))
	second.SetOffsets(map[string]map[int32]kgo.EpochOffset{topic: {0: {Epoch: -1, Offset: 5}}})
	Equal(values(take(ctx, second, 15)), Numbers(15, 5))
}

func times(ctx context.Context, prefix string) {
	topic := prefix + "topic"
	createTopic(ctx, topic, 1)
	all := messages(topic, 0, Numbers(10, 0))
	for index, record := range all {
		record.Timestamp = Start.Add(time.Duration(index) * time.Second)
	}
	produce(ctx, all)
	withAdmin(func(admin *kadm.Client) {
		offset := func(listed kadm.ListedOffsets, err error) int64 {
			Check(err)
			found, _ := listed.Lookup(topic, 0)
			Check(found.Err)
			return found.Offset
		}
		Equal(offset(admin.ListStartOffsets(ctx, topic)), int64(0))
		Equal(offset(admin.ListEndOffsets(ctx, topic)), int64(10))
		for after, expected := range map[int64]int64{0: 0, 3500: 4, 9000: 9, 9001: 10} {
			Equal(offset(admin.ListOffsetsAfterMilli(ctx, Start.UnixMilli()+after, topic)), expected)
		}
	})
}

func idempotent(ctx context.Context, prefix string) {
	topic := prefix + "topic"
	createTopic(ctx, topic, 1)
	produce(ctx, messages(topic, 0, Numbers(5000, 0)), kgo.ProducerBatchMaxBytes(2000))
	Equal(values(readAll(ctx, topic, 5000)), Numbers(5000, 0))
}

func transactions(ctx context.Context, prefix string) {
	topic := prefix + "topic"
	createTopic(ctx, topic, 1)
	producer := open(kgo.TransactionalID(prefix + "id"))
	defer producer.Close()
	for index, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		Check(producer.BeginTransaction())
		Check(producer.ProduceSync(ctx, messages(topic, 0, Numbers(5, index*5))...).FirstErr())
		Check(producer.EndTransaction(ctx, end))
	}
	committed := append(Numbers(5, 0), Numbers(5, 10)...)
	Equal(values(readAll(ctx, topic, 10)), committed)
	Equal(values(readAll(ctx, topic, 15, kgo.FetchIsolationLevel(kgo.ReadUncommitted()))), Numbers(15, 0))
	// Another producer of the same transactional id ends what the first has open, and fences it.
	Check(producer.BeginTransaction())
	Check(producer.ProduceSync(ctx, messages(topic, 0, []string{"never"})...).FirstErr())
	successor := open(kgo.TransactionalID(prefix + "id"))
	defer successor.Close()
	Check(successor.BeginTransaction())
	Check(successor.ProduceSync(ctx, messages(topic, 0, []string{"end"})...).FirstErr())
	err := producer.EndTransaction(ctx, kgo.TryCommit)
	if !errors.Is(err, kerr.ProducerFenced) && !errors.Is(err, kerr.InvalidProducerEpoch) {
		panic(fmt.Sprintf("it was not fenced: %v", err))
	}
	Check(successor.EndTransaction(ctx, kgo.TryCommit))
	Equal(values(readAll(ctx, topic, 11)), append(committed, "end"))
}

func transform(ctx context.Context, prefix string) {
	source, target := prefix+"in", prefix+"out"
	createTopic(ctx, source, 1)
	createTopic(ctx, target, 1)
	produce(ctx, messages(source, 0, Numbers(20, 0)))
	options := []kgo.Opt{
		kgo.SeedBrokers(Address),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.TransactionalID(prefix + "id"),
	}
	session := Must(kgo.NewGroupTransactSession(append(options, member(source, prefix+"group")...)...))
	defer session.Close()
	for attempt := 0; attempt < 3; attempt++ {
		var received []*kgo.Record
		for count := 20; len(received) < count; {
			fetches := session.PollFetches(ctx)
			Check(fetches.Err())
			received = append(received, fetches.Records()...)
		}
		Equal(received[0].Offset, int64(0))
		Check(session.Begin())
		for _, record := range received {
			session.Produce(ctx, &kgo.Record{Topic: target, Value: append(record.Value, '!')}, nil)
		}
		committed := Must(session.End(ctx, kgo.TransactionEndTry(attempt > 0)))
		Equal(committed, attempt > 0)
		if committed {
			break
		}
	}
	var expected []string
	for _, each := range Numbers(20, 0) {
		expected = append(expected, each+"!")
	}
	Equal(values(readAll(ctx, target, 20)), expected)
	withAdmin(func(admin *kadm.Client) {
		offset, _ := Must(admin.FetchOffsets(ctx, prefix+"group")).Lookup(source, 0)
		Equal(offset.At, int64(20))
	})
}

func admin(ctx context.Context, prefix string) {
	topic := prefix + "topic"
	withAdmin(func(admin *kadm.Client) {
		configs := map[string]*string{"retention.ms": kadm.StringPtr("3600000")}
		Must(admin.CreateTopic(ctx, 2, 1, configs, topic))
		_, err := admin.CreateTopic(ctx, 2, 1, configs, topic)
		Equal(errors.Is(err, kerr.TopicAlreadyExists), true)
		configured := func() string {
			resource := Must(Must(admin.DescribeTopicConfigs(ctx, topic)).On(topic, nil))
			for _, config := range resource.Configs {
				if config.Key == "retention.ms" {
					return config.MaybeValue()
				}
			}
			return ""
		}
		Equal(configured(), "3600000")
		change := kadm.AlterConfig{Op: kadm.SetConfig, Name: "retention.ms", Value: kadm.StringPtr("7200000")}
		Check(Must(Must(admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{change}, topic)).On(topic, nil)).Err)
		Equal(configured(), "7200000")
		Check(Must(Must(admin.UpdatePartitions(ctx, 5, topic)).On(topic, nil)).Err)
		Equal(len(Must(admin.ListTopics(ctx, topic))[topic].Partitions), 5)
		produce(ctx, messages(topic, 4, Numbers(10, 0)))
		deleted := Must(admin.DeleteRecords(ctx, kadm.Offsets{topic: {4: {Topic: topic, Partition: 4, At: 6}}}))
		Equal(deleted[topic][4].LowWatermark, int64(6))
		Check(Must(Must(admin.DeleteTopics(ctx, topic)).On(topic, nil)).Err)
		Equal(Must(admin.ListTopics(ctx)).Has(topic), false)
	})
}

func groupsAdmin(ctx context.Context, prefix string) {
	topic, group := prefix+"topic", prefix+"group"
	createTopic(ctx, topic, 1)
	produce(ctx, messages(topic, 0, Numbers(5, 0)))
	withAdmin(func(admin *kadm.Client) {
		consumer := open(member(topic, group)...)
		take(ctx, consumer, 5)
		described := Must(Must(admin.DescribeGroups(ctx, group)).On(group, nil))
		Equal(described.State, "Stable")
		Equal(len(described.Members), 1)
		Equal(described.Members[0].ClientID, "interop")
		deleted := Must(admin.DeleteGroups(ctx, group))
		Equal(errors.Is(deleted[group].Err, kerr.NonEmptyGroup), true)
		consumer.Close()
		Check(admin.CommitAllOffsets(ctx, group, kadm.OffsetsFromRecords(kgo.Record{Topic: topic, Offset: 2})))
		offset, _ := Must(admin.FetchOffsets(ctx, group)).Lookup(topic, 0)
		Equal(offset.At, int64(3))
		Check(Must(admin.DeleteGroups(ctx, group))[group].Err)
		_, isThere := Must(admin.ListGroups(ctx))[group]
		Equal(isThere, false)
	})
}
