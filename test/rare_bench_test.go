package test

import (
	"context"
	"flag"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

var rareAmong = flag.Int("rare.among", 100_000, "how many messages BenchmarkRareSubject looks for ten among")

// How long a consumer takes from its creation until it has delivered the ten messages of
// a subject that are spread over a large stream of others.
func BenchmarkRareSubject(b *testing.B) {
	s := start(b, `listen: "127.0.0.1:-1"
jetstream { store_dir: "`+b.TempDir()+`" }`)
	js, err := jetstream.New(s.connect(b), jetstream.WithPublishAsyncMaxPending(8000))
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithTimeout(b.Context(), 10*time.Minute)
	defer stop()
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}})
	if err != nil {
		b.Fatal(err)
	}
	const rare = 10
	for i := range *rareAmong {
		subj := "s." + strconv.Itoa(i%1000)
		if each := *rareAmong / rare; i%each == each/2 {
			subj = "s.rare"
		}
		if _, err := js.PublishAsync(subj, []byte("0123456789abcdef")); err != nil {
			b.Fatal(err)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-ctx.Done():
		b.Fatal(ctx.Err())
	}
	for b.Loop() {
		c, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{FilterSubject: "s.rare", AckPolicy: jetstream.AckExplicitPolicy})
		if err != nil {
			b.Fatal(err)
		}
		batch, err := c.Fetch(rare)
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for range batch.Messages() {
			n++
		}
		if n != rare {
			b.Fatalf("%d messages: %v", n, batch.Error())
		}
	}
}
