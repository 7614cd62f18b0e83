// sarama through some patterns of ../../README.md, with its defaults: HOST:PORT and the patterns wanted; a line for each.
package main

import (
	"context"
	"sort"
	"strconv"
	"sync"
	"time"

	. "entrepot/tests/interop/kafka/program"
	"github.com/IBM/sarama"
)

func main() {
	Run(Pattern{"records", records}, Pattern{"group", group}, Pattern{"resume", resume})
}

func settings() *sarama.Config {
	config := sarama.NewConfig()
	config.ClientID = "interop"
	config.Producer.Return.Successes = true // A SyncProducer is refused without it.
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	if mechanism, over := Login(); over != nil {
		config.Net.TLS.Enable, config.Net.TLS.Config = true, over
		config.Net.SASL.Enable, config.Net.SASL.Mechanism = true, sarama.SASLMechanism(mechanism)
		config.Net.SASL.User, config.Net.SASL.Password = "guest", "guest"
	}
	return config
}

func createTopic(topic string, partitions int32) {
	admin := Must(sarama.NewClusterAdmin([]string{Address}, settings()))
	defer admin.Close()
	Check(admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false))
}

func produce(messages []*sarama.ProducerMessage, config *sarama.Config) {
	producer := Must(sarama.NewSyncProducer([]string{Address}, config))
	defer producer.Close()
	Check(producer.SendMessages(messages))
}

// produceTo sends bodies to a partition.
func produceTo(topic string, partition int32, bodies []string) {
	config := settings()
	config.Producer.Partitioner = sarama.NewManualPartitioner
	var all []*sarama.ProducerMessage
	for _, body := range bodies {
		all = append(all, &sarama.ProducerMessage{Topic: topic, Partition: partition, Value: sarama.StringEncoder(body)})
	}
	produce(all, config)
}

// member of a group: a handler that hands on what comes, and says what it was given.
type member struct {
	client  sarama.ConsumerGroup
	leave   context.CancelFunc
	left    chan struct{}
	arrived chan *sarama.ConsumerMessage

	mutex   sync.Mutex
	session sarama.ConsumerGroupSession
}

func join(ctx context.Context, group, topic string) *member {
	ctx, leave := context.WithCancel(ctx)
	m := &member{leave: leave, left: make(chan struct{}), arrived: make(chan *sarama.ConsumerMessage, 1000)}
	m.client = Must(sarama.NewConsumerGroup([]string{Address}, group, settings()))
	go func() {
		defer close(m.left)
		// It comes back at each rebalance.
		for ctx.Err() == nil {
			if err := m.client.Consume(ctx, []string{topic}, m); err != nil {
				time.Sleep(100 * time.Millisecond)
			}
		}
	}()
	return m
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.session = session
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return m.Setup(nil) }

func (m *member) ConsumeClaim(_ sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		m.arrived <- message
	}
	return nil
}

// inSession is the session that it has, or nil.
func (m *member) inSession() sarama.ConsumerGroupSession {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.session
}

func (m *member) partitions(topic string) []int32 {
	if session := m.inSession(); session != nil {
		return session.Claims()[topic]
	}
	return nil
}

func (m *member) take(ctx context.Context, count int) []*sarama.ConsumerMessage {
	var received []*sarama.ConsumerMessage
	for len(received) < count {
		select {
		case message := <-m.arrived:
			received = append(received, message)
		case <-ctx.Done():
			panic(ctx.Err())
		}
	}
	return received
}

func (m *member) close() {
	m.leave()
	<-m.left
	Check(m.client.Close())
}

func values(received []*sarama.ConsumerMessage) []string {
	var all []string
	for _, each := range received {
		all = append(all, string(each.Value))
	}
	return all
}

func records(ctx context.Context, prefix string) {
	topic := prefix + "topic"
	createTopic(topic, 3)
	var all []*sarama.ProducerMessage
	for n := range 30 {
		number := strconv.Itoa(n)
		all = append(all, &sarama.ProducerMessage{
			Topic:     topic,
			Key:       sarama.StringEncoder("key-" + strconv.Itoa(n%5)),
			Value:     sarama.StringEncoder(number),
			Timestamp: Start.Add(time.Duration(n) * time.Millisecond),
			Headers: []sarama.RecordHeader{
				{Key: []byte("n"), Value: []byte(number)}, {Key: []byte("n"), Value: []byte("again")}, {Key: []byte("none")},
			},
		})
	}
	produce(append(all, &sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder("tombstone")}), settings())
	consumer := join(ctx, prefix+"group", topic)
	defer consumer.close()
	partitionByKey := map[string]int32{}
	for _, record := range consumer.take(ctx, 31) {
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

func group(ctx context.Context, prefix string) {
	topic := prefix + "topic"
	createTopic(topic, 4)
	members := [2]*member{join(ctx, prefix+"group", topic), join(ctx, prefix+"group", topic)}
	for len(members[0].partitions(topic)) != 2 || len(members[1].partitions(topic)) != 2 {
		Check(ctx.Err())
		time.Sleep(20 * time.Millisecond)
	}
	for partition := range 4 {
		produceTo(topic, int32(partition), Numbers(10, partition*10))
	}
	received := [2][]*sarama.ConsumerMessage{members[0].take(ctx, 20), members[1].take(ctx, 20)}
	var all []int
	for _, each := range append(values(received[0]), values(received[1])...) {
		all = append(all, Must(strconv.Atoi(each)))
	}
	sort.Ints(all)
	for index, each := range all {
		Equal(each, index)
	}
	left := map[int32]bool{}
	for _, partition := range members[1].partitions(topic) {
		left[partition] = true
	}
	members[1].close()
	// Nothing was committed, so who is left gets all of what the other one had.
	for count := 0; count < 20; {
		if left[members[0].take(ctx, 1)[0].Partition] {
			count++
		}
	}
	members[0].close()
}

func resume(ctx context.Context, prefix string) {
	topic, group := prefix+"topic", prefix+"group"
	createTopic(topic, 1)
	produceTo(topic, 0, Numbers(20, 0))
	first := join(ctx, group, topic)
	first.take(ctx, 20)
	first.inSession().MarkOffset(topic, 0, 12, "twelve")
	first.inSession().Commit()
	first.close()
	admin := Must(sarama.NewClusterAdmin([]string{Address}, settings()))
	defer admin.Close()
	offsets := Must(admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: {0}}))
	Equal(offsets.GetBlock(topic, 0).Metadata, "twelve")
	second := join(ctx, group, topic)
	Equal(values(second.take(ctx, 8)), Numbers(8, 12))
	// Going back is for the next session to see, here.
	second.inSession().ResetOffset(topic, 0, 5, "")
	second.close()
	third := join(ctx, group, topic)
	defer third.close()
	Equal(values(third.take(ctx, 15)), Numbers(15, 5))
}
