package archive

import (
	"bytes"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Is what nats-server 2.15.2 writes understood? testdata has two backups of it: a
// stream with consumers in every state, and one in memory with gaps.
func TestArchivesOfNatsServer(t *testing.T) {
	t.Run("orders", func(t *testing.T) {
		b, err := read(bytes.NewReader(recorded(t, "orders.arc.s2")))
		if err != nil {
			t.Fatal(err)
		}
		want := api.StreamState{
			Msgs: 10, Bytes: 761, FirstSeq: 1, FirstTime: utc(1795446226743817068), LastSeq: 10, LastTime: utc(1795446226749781480),
			NumSubjects: 10, Consumers: 6,
		}
		if !reflect.DeepEqual(b.state, want) || b.time != 1795446229293798841 || b.missing != 0 {
			t.Errorf("state %+v at %d, %d missing", b.state, b.time, b.missing)
		}
		if n := len(b.messages); n != 10 {
			t.Fatalf("%d messages", n)
		}
		for i, want := range map[int]message{
			0: {1, 1795446226743817068, "orders.0", "NATS/1.0\r\nNats-Msg-Id: id-0\r\n\r\n", "order 0"},
			8: {9, 1795446226749566740, "orders.ttl", "NATS/1.0\r\nNats-TTL: 1h\r\n\r\n", "soon gone"},
			9: {10, 1795446226749781480, "orders.plain", "", ""},
		} {
			if b.messages[i] != want {
				t.Errorf("got %+v, want %+v", b.messages[i], want)
			}
		}
		checkOrdersConsumers(t, b.consumers)
	})
	t.Run("gaps", func(t *testing.T) {
		b, err := read(bytes.NewReader(recorded(t, "gaps.arc.s2")))
		if err != nil {
			t.Fatal(err)
		}
		var seqs []store.Seq
		for _, m := range b.messages {
			seqs = append(seqs, m.seq)
		}
		if !slices.Equal(seqs, []store.Seq{1001, 1002, 1003, 1006, 1007, 1008, 1009}) {
			t.Errorf("messages %d", seqs)
		}
		if s := b.state; s.Msgs != 7 || s.FirstSeq != 1001 || s.LastSeq != 1011 || s.NumDeleted != 4 || !s.LastTime.Equal(utc(1795446229334835374)) {
			t.Errorf("state %+v", s)
		}
		if at := restore(t, recorded(t, "gaps.arc.s2")).State(); at.Messages != 7 || at.First != 1001 || at.Last != 1011 || at.LastTime != 1795446229334835374 {
			t.Errorf("restored %+v", at)
		}
	})
}

func utc(ns int64) time.Time { return time.Unix(0, ns).UTC() }

// checkOrdersConsumers checks the consumers of the recorded backup: what they were
// made to be, and where they were then.
func checkOrdersConsumers(t *testing.T, consumers []*Consumer) {
	t.Helper()
	until := time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	level := func(l string) map[string]string { return map[string]string{"_nats.req.level": l} }
	explicit := func(name string) *api.ConsumerConfig {
		return &api.ConsumerConfig{
			Durable: name, Name: name, AckPolicy: api.AckExplicit, AckWait: 30 * time.Second, MaxDeliver: -1, MaxWaiting: 512,
			MaxAckPending: 1000, Metadata: level("0"),
		}
	}
	worker, all, none, eph, twice, paused := explicit("worker"), explicit("all"), explicit("none"), explicit("eph"), explicit("twice"), explicit("paused")
	worker.AckWait = time.Second
	all.AckPolicy = api.AckAll
	none.AckPolicy, none.AckWait, none.MaxAckPending = api.AckNone, 0, 0
	eph.Durable, eph.FilterSubject, eph.InactiveThreshold = "", "orders.3", 100*time.Second
	twice.AckWait, twice.MaxDeliver = time.Second/2, 2
	paused.PauseUntil, paused.Metadata = &until, level("1")

	// A negative acknowledgement had asked for message 3 of the worker after 100 s,
	// its ack wait is one.
	const base, later = 1795446226743817068, 1795446325767692669
	want := []struct {
		config           *api.ConsumerConfig
		delivered, floor Position
		deliveries       []Delivery
		exhausted        []store.Seq
	}{
		{worker, Position{9, 7}, Position{}, []Delivery{
			{1, 1, base, 2}, {3, 3, later, 1}, {4, 4, 1795446226748357885, 2}, {6, 6, 1795446226748888385, 1}, {7, 7, 1795446226749126809, 1},
		}, nil},
		{all, Position{5, 5}, Position{3, 3}, []Delivery{{4, 4, 1795446226748357885, 1}, {5, 5, 1795446226748630684, 1}}, nil},
		{none, Position{5, 5}, Position{5, 5}, nil, nil},
		{eph, Position{1, 4}, Position{}, []Delivery{{4, 1, 1795446226748357885, 1}}, nil},
		{twice, Position{5, 3}, Position{}, []Delivery{{3, 5, 1795446226747977919, 1}}, []store.Seq{1, 2}},
		{paused, Position{}, Position{}, nil, nil},
	}
	if len(consumers) != len(want) {
		t.Fatalf("%d consumers", len(consumers))
	}
	for i, w := range want {
		c := consumers[i]
		if !reflect.DeepEqual(c.Config, w.config) {
			t.Errorf("%s: config %+v, want %+v", c.Name, c.Config, w.config)
		}
		if c.Name != w.config.Name || c.State.Delivered != w.delivered || c.State.AckFloor != w.floor {
			t.Errorf("%s: %+v", c.Name, c.State)
		}
		if got := slices.Collect(c.State.Deliveries()); !slices.Equal(got, w.deliveries) {
			t.Errorf("%s: deliveries %+v, want %+v", c.Name, got, w.deliveries)
		}
		if got := slices.Collect(c.State.Exhausted()); !slices.Equal(got, w.exhausted) {
			t.Errorf("%s: exhausted %d, want %d", c.Name, got, w.exhausted)
		}
	}
}

// Is what we write of it the same as what nats-server wrote, byte for byte?
func TestWritesWhatNatsServerWrites(t *testing.T) {
	for _, name := range []string{"orders.arc.s2", "gaps.arc.s2"} {
		theirs := recorded(t, name)
		b, err := read(bytes.NewReader(theirs))
		if err != nil {
			t.Fatal(err)
		}
		var ours bytes.Buffer
		if err := b.write(&ours); err != nil {
			t.Fatal(err)
		}
		if got, want := decompress(t, ours.Bytes()), decompress(t, theirs); !bytes.Equal(got, want) {
			t.Errorf("%s:\ngot  %q\nwant %q", name, got, want)
		}
	}
}
