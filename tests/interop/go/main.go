// amqp091-go through the patterns of ../README.md: HOST:PORT and the patterns wanted; a line for each.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const limit = 20 * time.Second

type pattern struct {
	name string
	run  func(connection *amqp.Connection, prefix string)
}

var patterns = []pattern{
	{"work-queue", workQueue},
	{"publish-subscribe", publishSubscribe},
	{"routing", routing},
	{"topics", topics},
	{"rpc", rpc},
	{"direct-reply-to", directReplyTo},
	{"retry-dead-letter", retryDeadLetter},
	{"confirms", confirms},
	{"stream-replay", streamReplay},
}

func main() {
	address := "127.0.0.1:5672"
	wanted := map[string]bool{}
	for index, argument := range os.Args[1:] {
		if index == 0 {
			address = argument
		} else {
			wanted[argument] = true
		}
	}
	status := 0
	for _, each := range patterns {
		if len(wanted) > 0 && !wanted[each.name] {
			continue
		}
		outcome := make(chan error, 1)
		go func() { outcome <- attempt(each, address) }()
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

// attempt runs a pattern on a connection of its own. In a pattern whatever goes wrong panics, which keeps it readable.
func attempt(each pattern, address string) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("%v", reason)
		}
	}()
	connection := dial(address)
	defer connection.Close()
	each.run(connection, fmt.Sprintf("interop.%s.%d.", each.name, os.Getpid()))
	return nil
}

// dial speaks TLS if ENTREPOT_INTEROP_TLS names a folder with the files that it takes.
func dial(address string) *amqp.Connection {
	folder := os.Getenv("ENTREPOT_INTEROP_TLS")
	if folder == "" {
		return must(amqp.Dial("amqp://guest:guest@" + address + "/"))
	}
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(must(os.ReadFile(folder + "/ca.pem")))
	own := must(tls.LoadX509KeyPair(folder+"/cert.pem", folder+"/key.pem"))
	config := &tls.Config{RootCAs: authorities, Certificates: []tls.Certificate{own}}
	return must(amqp.DialTLS("amqps://guest:guest@"+address+"/", config))
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

func equal(what string, actual, expected any) {
	if !reflect.DeepEqual(actual, expected) {
		panic(fmt.Sprintf("%s: expected %v, got %v", what, expected, actual))
	}
}

func numbers(count, from int) []string {
	list := make([]string, count)
	for index := range list {
		list[index] = strconv.Itoa(from + index)
	}
	return list
}

func open(connection *amqp.Connection) *amqp.Channel { return must(connection.Channel()) }

func publish(channel *amqp.Channel, exchange, key string, message amqp.Publishing) {
	check(channel.PublishWithContext(context.Background(), exchange, key, false, false, message))
}

func send(channel *amqp.Channel, queue, body string) {
	publish(channel, "", queue, amqp.Publishing{Body: []byte(body), DeliveryMode: amqp.Persistent})
}

// confirmed publishes and waits for the confirm; false is a nack.
func confirmed(channel *amqp.Channel, exchange, key string, message amqp.Publishing) bool {
	confirmation := must(channel.PublishWithDeferredConfirmWithContext(context.Background(), exchange, key, false, false, message))
	return confirmation.Wait()
}

func consume(channel *amqp.Channel, queue string, autoAck bool, arguments amqp.Table) <-chan amqp.Delivery {
	return must(channel.Consume(queue, "", autoAck, false, false, false, arguments))
}

// take receives so many messages that need no acknowledgement.
func take(channel *amqp.Channel, queue string, count int) []amqp.Delivery {
	var received []amqp.Delivery
	deliveries := consume(channel, queue, true, nil)
	for len(received) < count {
		received = append(received, receive(deliveries))
	}
	return received
}

func receive(deliveries <-chan amqp.Delivery) amqp.Delivery {
	delivery, isOpen := <-deliveries
	if !isOpen {
		panic("the channel closed")
	}
	return delivery
}

func bodies(deliveries []amqp.Delivery) []string {
	list := make([]string, len(deliveries))
	for index, delivery := range deliveries {
		list[index] = string(delivery.Body)
	}
	return list
}

func workQueue(connection *amqp.Connection, prefix string) {
	queue := prefix + "tasks"
	publisher := open(connection)
	check(publisher.Confirm(false))
	must(publisher.QueueDeclare(queue, true, false, false, false, nil))
	for _, each := range numbers(40, 0) {
		message := amqp.Publishing{Body: []byte(each), DeliveryMode: amqp.Persistent}
		equal("confirm", confirmed(publisher, "", queue, message), true)
	}

	// The first worker keeps what it gets; what it had not acknowledged comes again when its channel closes.
	quitter := open(connection)
	check(quitter.Qos(1, 0, false))
	kept := consume(quitter, queue, false, nil)
	equal("first", string(receive(kept).Body), "0")

	type work struct {
		worker   int
		delivery amqp.Delivery
	}
	done := make(chan work, 100)
	for worker := 1; worker <= 2; worker++ {
		channel := open(connection)
		check(channel.Qos(1, 0, false))
		go func() {
			for delivery := range consume(channel, queue, false, nil) {
				done <- work{worker, delivery}
				_ = delivery.Ack(false)
			}
		}()
	}
	var all []work
	for len(all) < 39 {
		all = append(all, <-done)
	}
	equal("prefetch of 1, more", len(kept), 0)
	check(quitter.Close())
	all = append(all, <-done)
	var got []string
	workers := map[int]bool{}
	for _, each := range all {
		body := string(each.delivery.Body)
		got = append(got, body)
		workers[each.worker] = true
		equal("redelivered of "+body, each.delivery.Redelivered, body == "0")
	}
	expected := numbers(40, 0)
	sort.Strings(expected)
	sort.Strings(got)
	equal("all", got, expected)
	equal("workers", len(workers), 2)
	must(publisher.QueueDelete(queue, false, false, false))
}

func publishSubscribe(connection *amqp.Connection, prefix string) {
	exchange := prefix + "news"
	channel := open(connection)
	check(channel.ExchangeDeclare(exchange, "fanout", false, false, false, false, nil))
	var queues []string
	for range 2 {
		queue := must(channel.QueueDeclare("", false, false, true, false, nil)).Name
		equal("name", strings.HasPrefix(queue, "amq.gen-"), true)
		check(channel.QueueBind(queue, "", exchange, false, nil))
		queues = append(queues, queue)
	}
	for _, each := range numbers(10, 0) {
		publish(channel, exchange, "ignored", amqp.Publishing{Body: []byte(each), AppId: "interop"})
	}
	for _, queue := range queues {
		received := take(channel, queue, 10)
		equal("bodies", bodies(received), numbers(10, 0))
		equal("app id", received[0].AppId, "interop")
		equal("exchange", received[0].Exchange, exchange)
	}
	check(channel.ExchangeDelete(exchange, false, false))
}

func routing(connection *amqp.Connection, prefix string) {
	exchange := prefix + "logs"
	channel := open(connection)
	check(channel.Confirm(false))
	check(channel.ExchangeDeclare(exchange, "direct", false, false, false, false, nil))
	for name, severities := range map[string][]string{"alarm": {"error"}, "all": {"info", "warning", "error"}} {
		must(channel.QueueDeclare(prefix+name, false, false, true, false, nil))
		for _, severity := range severities {
			check(channel.QueueBind(prefix+name, severity, exchange, false, nil))
		}
	}
	returned := channel.NotifyReturn(make(chan amqp.Return, 10))
	for _, severity := range []string{"info", "error", "debug", "warning", "error"} {
		message := amqp.Publishing{Body: []byte(severity)}
		confirmation := must(channel.PublishWithDeferredConfirmWithContext(context.Background(), exchange, severity, true, false, message))
		equal("confirm", confirmation.Wait(), true)
	}
	equal("alarm", bodies(take(channel, prefix+"alarm", 2)), []string{"error", "error"})
	equal("all", bodies(take(channel, prefix+"all", 4)), []string{"info", "error", "warning", "error"})
	back := <-returned
	equal("returned", []any{back.ReplyCode, back.ReplyText, back.RoutingKey}, []any{uint16(312), "NO_ROUTE", "debug"})
	equal("returned more", len(returned), 0)
	check(channel.ExchangeDelete(exchange, false, false))
}

func topics(connection *amqp.Connection, prefix string) {
	exchange := prefix + "animals"
	bindings := map[string][]string{"orange": {"*.orange.*"}, "rabbit": {"*.*.rabbit", "lazy.#"}}
	routes := []struct{ key, to string }{
		{"quick.orange.rabbit", "orange rabbit"},
		{"lazy.orange.elephant", "orange rabbit"},
		{"quick.orange.fox", "orange"},
		{"lazy.brown.fox", "rabbit"},
		{"lazy.pink.rabbit", "rabbit"},
		{"quick.brown.fox", ""},
		{"orange", ""},
		{"quick.orange.new.rabbit", ""},
		{"lazy.orange.new.rabbit", "rabbit"},
		{"lazy", "rabbit"},
	}
	channel := open(connection)
	check(channel.Confirm(false))
	check(channel.ExchangeDeclare(exchange, "topic", true, false, false, false, nil))
	for name, keys := range bindings {
		must(channel.QueueDeclare(prefix+name, false, false, true, false, nil))
		for _, key := range keys {
			check(channel.QueueBind(prefix+name, key, exchange, false, nil))
		}
	}
	expected := map[string][]string{}
	for _, route := range routes {
		equal("confirm", confirmed(channel, exchange, route.key, amqp.Publishing{Body: []byte(route.key)}), true)
		for _, name := range strings.Fields(route.to) {
			expected[name] = append(expected[name], route.key)
		}
	}
	for name := range bindings {
		equal(name, bodies(take(channel, prefix+name, len(expected[name]))), expected[name])
	}
	check(channel.ExchangeDelete(exchange, false, false))
}

func square(text string) string {
	number := must(strconv.Atoi(text))
	return strconv.Itoa(number * number)
}

func serve(connection *amqp.Connection, queue string) {
	server := open(connection)
	must(server.QueueDeclare(queue, false, true, false, false, nil))
	requests := consume(server, queue, false, nil)
	go func() {
		for request := range requests {
			reply := amqp.Publishing{Body: []byte(square(string(request.Body))), CorrelationId: request.CorrelationId}
			_ = server.PublishWithContext(context.Background(), "", request.ReplyTo, false, false, reply)
			_ = request.Ack(false)
		}
	}()
}

func call(client *amqp.Channel, queue, replyTo string) {
	replies := consume(client, replyTo, true, nil)
	for _, each := range numbers(20, 0) {
		publish(client, "", queue, amqp.Publishing{Body: []byte(each), CorrelationId: "call-" + each, ReplyTo: replyTo})
	}
	for range 20 {
		reply := receive(replies)
		asked := strings.TrimPrefix(reply.CorrelationId, "call-")
		equal("reply to "+asked, string(reply.Body), square(asked))
	}
}

func rpc(connection *amqp.Connection, prefix string) {
	serve(connection, prefix+"square")
	client := open(connection)
	call(client, prefix+"square", must(client.QueueDeclare("", false, false, true, false, nil)).Name)
}

func directReplyTo(connection *amqp.Connection, prefix string) {
	serve(connection, prefix+"square")
	call(open(connection), prefix+"square", "amq.rabbitmq.reply-to")
}

func rejections(headers amqp.Table, queue string) int64 {
	deaths, _ := headers["x-death"].([]any)
	for _, each := range deaths {
		death := each.(amqp.Table)
		if death["queue"] == queue && death["reason"] == "rejected" {
			return death["count"].(int64)
		}
	}
	return 0
}

func retryDeadLetter(connection *amqp.Connection, prefix string) {
	work, wait, parked, failed := prefix+"work", prefix+"wait", prefix+"parked", prefix+"failed"
	channel := open(connection)
	check(channel.ExchangeDeclare(failed, "topic", true, false, false, false, nil))
	retry := amqp.Table{"x-dead-letter-exchange": failed, "x-dead-letter-routing-key": "retry"}
	again := amqp.Table{"x-message-ttl": 150, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": work}
	must(channel.QueueDeclare(work, true, false, false, false, retry))
	must(channel.QueueDeclare(wait, true, false, false, false, again))
	must(channel.QueueDeclare(parked, true, false, false, false, nil))
	check(channel.QueueBind(wait, "retry", failed, false, nil))
	headers := amqp.Table{"tries": "3"}
	publish(channel, "", work, amqp.Publishing{Body: []byte("flaky"), DeliveryMode: amqp.Persistent, Headers: headers})
	send(channel, work, "hopeless")

	var last amqp.Delivery
	var rejectedAt time.Time
	deliveries := consume(channel, work, false, nil)
	for accepted := 0; accepted < 2; {
		delivery := receive(deliveries)
		rejected := rejections(delivery.Headers, work)
		isFlaky := string(delivery.Body) == "flaky"
		if isFlaky {
			if waited := time.Since(rejectedAt); rejected > 0 && waited < 140*time.Millisecond {
				panic(fmt.Sprintf("it waited only %v", waited))
			}
			rejectedAt = time.Now()
		}
		if rejected < 2 {
			check(delivery.Nack(false, false))
			continue
		}
		if isFlaky {
			last = delivery
		} else {
			send(channel, parked, string(delivery.Body))
		}
		check(delivery.Ack(false))
		accepted++
	}
	var story []string
	for _, each := range last.Headers["x-death"].([]any) {
		death := each.(amqp.Table)
		story = append(story, fmt.Sprint(death["queue"], " ", death["reason"], " ", death["count"]))
	}
	equal("x-death", story, []string{wait + " expired 2", work + " rejected 2"})
	equal("x-first-death-queue", last.Headers["x-first-death-queue"], work)
	equal("x-first-death-reason", last.Headers["x-first-death-reason"], "rejected")
	equal("x-first-death-exchange", last.Headers["x-first-death-exchange"], "")
	equal("tries", last.Headers["tries"], "3")
	message, isThere, err := channel.Get(parked, true)
	check(err)
	equal("parked", isThere && string(message.Body) == "hopeless", true)
	for _, queue := range []string{work, wait, parked} {
		must(channel.QueueDelete(queue, false, false, false))
	}
	check(channel.ExchangeDelete(failed, false, false))
}

func confirms(connection *amqp.Connection, prefix string) {
	all, full := prefix+"all", prefix+"full"
	channel := open(connection)
	check(channel.Confirm(false))
	must(channel.QueueDeclare(all, true, false, false, false, nil))
	var confirmations []*amqp.DeferredConfirmation
	for _, each := range numbers(500, 0) {
		message := amqp.Publishing{Body: []byte(each), DeliveryMode: amqp.Persistent}
		confirmation := must(channel.PublishWithDeferredConfirmWithContext(context.Background(), "", all, false, false, message))
		confirmations = append(confirmations, confirmation)
	}
	for _, confirmation := range confirmations {
		equal("confirm", confirmation.Wait(), true)
	}
	equal("messages", must(channel.QueueDeclarePassive(all, true, false, false, false, nil)).Messages, 500)
	equal("purged", must(channel.QueuePurge(all, false)), 500)
	must(channel.QueueDelete(all, false, false, false))

	arguments := amqp.Table{"x-max-length": 1, "x-overflow": "reject-publish"}
	must(channel.QueueDeclare(full, false, false, false, false, arguments))
	equal("fits", confirmed(channel, "", full, amqp.Publishing{Body: []byte("fits")}), true)
	equal("does not fit", confirmed(channel, "", full, amqp.Publishing{Body: []byte("does not fit")}), false)
	equal("left", must(channel.QueueDelete(full, false, false, false)), 1)
}

func streamReplay(connection *amqp.Connection, prefix string) {
	stream := prefix + "events"
	channel := open(connection)
	check(channel.Confirm(false))
	must(channel.QueueDeclare(stream, true, false, false, false, amqp.Table{"x-queue-type": "stream"}))
	for index, each := range numbers(50, 0) {
		message := amqp.Publishing{Body: []byte(each), Headers: amqp.Table{"n": index}}
		equal("confirm", confirmed(channel, "", stream, message), true)
	}
	read := func(from any, first, count int) {
		reader := open(connection)
		check(reader.Qos(10, 0, false))
		deliveries := consume(reader, stream, false, amqp.Table{"x-stream-offset": from})
		for index := range count {
			delivery := receive(deliveries)
			equal("body", string(delivery.Body), strconv.Itoa(first+index))
			equal("offset", delivery.Headers["x-stream-offset"], int64(first+index))
			check(delivery.Ack(false))
		}
		if err := reader.Close(); err != nil && !errors.Is(err, amqp.ErrClosed) {
			panic(err)
		}
	}
	read("first", 0, 50)
	read("first", 0, 50)
	read(20, 20, 30)
	must(channel.QueueDelete(stream, false, false, false))
}
