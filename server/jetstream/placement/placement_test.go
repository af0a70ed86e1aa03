package placement

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// server returns one that could take anything.
func server(node uint32, change ...func(*Server)) Server {
	sv := Server{
		Node: node, Name: fmt.Sprintf("n%d", node), Cluster: "C", JetStream: true, Online: true,
		Memory: Room{Limit: -1}, File: Room{Limit: -1},
	}
	for _, c := range change {
		c(&sv)
	}
	return sv
}

func tagged(tags ...string) func(*Server) { return func(sv *Server) { sv.Tags = tags } }
func loaded(assets int) func(*Server) {
	return func(sv *Server) { sv.Assets, sv.Streams = assets, assets }
}

func offline(since int64) func(*Server) {
	return func(sv *Server) { sv.Online, sv.OfflineSince = false, since }
}
func in(cluster string) func(*Server)      { return func(sv *Server) { sv.Cluster = cluster } }
func file(limit, used int64) func(*Server) { return func(sv *Server) { sv.File = Room{limit, used} } }

func memory(limit, used int64) func(*Server) {
	return func(sv *Server) { sv.Memory = Room{limit, used} }
}
func disabled(sv *Server) { sv.JetStream = false }

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		name    string
		servers []Server
		wish    Wish
		want    []uint32
		err     string
	}{
		{name: "least loaded", servers: []Server{server(1, loaded(3)), server(2, loaded(1)), server(3, loaded(2)), server(4)}, wish: Wish{Replicas: 3}, want: []uint32{4, 2, 3}},
		{name: "one replica goes by streams", servers: []Server{server(1, loaded(3), file(1000, 0)), server(2, loaded(1), file(1000, 10))}, wish: Wish{Replicas: 1}, want: []uint32{2}},
		{name: "one with a reservation by room", servers: []Server{server(1, loaded(3), file(1000, 0)), server(2, loaded(1), file(1000, 10))}, wish: Wish{Replicas: 1, Bytes: 5}, want: []uint32{1}},
		{name: "room of the right kind", servers: []Server{server(1, memory(10, 10)), server(2, memory(10, 5), file(1, 1))}, wish: Wish{Replicas: 1, Bytes: 5, Storage: api.MemoryStorage}, want: []uint32{2}},
		{name: "cluster", servers: []Server{server(1, in("D")), server(2)}, wish: Wish{Replicas: 1, Cluster: "D"}, want: []uint32{1}},
		{name: "tags", servers: []Server{server(1, tagged("ssd")), server(2, tagged("ssd", "eu")), server(3, tagged("eu"))}, wish: Wish{Replicas: 1, Tags: []string{"SSD", "eu"}}, want: []uint32{2}},
		{name: "excluded by tag", servers: []Server{server(1, tagged("old")), server(2)}, wish: Wish{Replicas: 1, Tags: []string{"!old"}}, want: []uint32{2}},
		{name: "unique tag", servers: []Server{server(1, tagged("az:1")), server(2, tagged("az:1"), loaded(1)), server(3, tagged("az:2"), loaded(5)), server(4)}, wish: Wish{Replicas: 2, UniqueTag: "az:"}, want: []uint32{1, 3}},
		{name: "unique tag of who is kept", servers: []Server{server(1, tagged("az:1")), server(2, tagged("az:1")), server(3, tagged("az:2"), loaded(5))}, wish: Wish{Replicas: 2, UniqueTag: "az:", Keep: []uint32{1}}, want: []uint32{1, 3}},
		{name: "kept and avoided", servers: []Server{server(1), server(2), server(3, loaded(1))}, wish: Wish{Replicas: 2, Keep: []uint32{2}, Avoid: []uint32{1, 2}}, want: []uint32{2, 3}},
		{name: "kept whatever it is like", servers: []Server{server(1, in("D"), disabled, tagged("!jetstream")), server(2), server(3)}, wish: Wish{Replicas: 3, Cluster: "C", Keep: []uint32{1, 7}, Seed: 1}, want: []uint32{1, 7, 2}},
		{name: "fewer than before", servers: []Server{server(1, loaded(1)), server(2, offline(0)), server(3, loaded(9)), server(4, loaded(2)), server(5)}, wish: Wish{Replicas: 2, Keep: []uint32{1, 2, 3, 4, 6}, Preferred: 3}, want: []uint32{1, 3}},
		{name: "offline if there is nobody else", servers: []Server{server(1), server(2), server(3, offline(5)), server(4, loaded(100))}, wish: Wish{Replicas: 3, Seed: 1}, want: []uint32{1, 2, 4}},
		{name: "a minority offline", servers: []Server{server(1), server(2), server(3, offline(5))}, wish: Wish{Replicas: 3, NotSince: 5, Seed: 1}, want: []uint32{1, 2, 3}},

		{name: "offline for long", servers: []Server{server(1), server(2), server(3, offline(4))}, wish: Wish{Replicas: 3, NotSince: 5}, err: "no suitable peers for placement, peer offline"},
		{name: "a majority offline", servers: []Server{server(1), server(2, offline(5)), server(3, offline(5))}, wish: Wish{Replicas: 3}, err: "no suitable peers for placement, peer offline"},
		{name: "too few", servers: []Server{server(1), server(2)}, wish: Wish{Replicas: 3}, err: "no suitable peers for placement"},
		{name: "bound of assets", servers: []Server{server(1, loaded(4)), server(2), server(3)}, wish: Wish{Replicas: 3, MaxAssets: 4}, err: "no suitable peers for placement, miscellaneous issue"},
		{name: "no JetStream", servers: []Server{server(1, disabled), server(2, in("D"))}, wish: Wish{Replicas: 1, Cluster: "C"}, err: "no suitable peers for placement, jetstream not enabled in cluster"},
		{
			name: "everything at once",
			servers: []Server{
				server(1, offline(0)), server(2, tagged("a", "b", "!jetstream")), server(3, tagged("a", "b"), file(10, 6)), server(4, tagged("a", "b", "z:1")),
				server(5, tagged("a", "b", "z:1")), server(6, tagged("a", "z:2"), loaded(1)), server(7, tagged("b")), server(8, tagged("a", "b", "c")),
				server(9, tagged("a", "b", "z:3"), loaded(8)),
			},
			wish: Wish{Replicas: 2, Tags: []string{"a", "b", "!c"}, UniqueTag: "z:", Bytes: 5, NotSince: 1, MaxAssets: 8},
			err: "no suitable peers for placement, peer offline, exclude tag set, insufficient storage, server tag not unique, " +
				"miscellaneous issue, tags not matched ['a', 'b'], tags excluded ['c']",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, no := Choose(c.servers, &c.wish)
			switch {
			case no != nil && (c.err == "" || no.Error() != c.err || no.API().ErrCode != 10005 || no.API().Description != c.err):
				t.Errorf("%v, want %q", no, c.err)
			case no == nil && (c.err != "" || !slices.Equal(got.Nodes, c.want)):
				t.Errorf("%v, want %v %q", got, c.want, c.err)
			}
		})
	}
}

func TestLeader(t *testing.T) {
	leads := func(n int) func(*Server) { return func(sv *Server) { sv.Leads = n } }
	servers := []Server{server(1, loaded(2)), server(2, offline(0)), server(3, leads(5)), server(4, leads(3))}
	for _, c := range []struct {
		wish Wish
		want uint32
	}{
		{Wish{Replicas: 3, Keep: []uint32{3, 1}}, 3},
		{Wish{Replicas: 2}, 4},
		{Wish{Replicas: 3}, 1},
		{Wish{Replicas: 3, Keep: []uint32{2, 1}}, 1},
		{Wish{Replicas: 3, Keep: []uint32{1}, Preferred: 3}, 3},
		{Wish{Replicas: 3, Keep: []uint32{1}, Preferred: 9}, 1},
		{Wish{Replicas: 1, Keep: []uint32{2}}, 2},
	} {
		if got, no := Choose(servers, &c.wish); no != nil || got.Leader != c.want {
			t.Errorf("%+v: %+v, %v", c.wish, got, no)
		}
	}
}

func TestReplace(t *testing.T) {
	servers := []Server{server(1), server(2), server(3), server(4, loaded(3)), server(5, loaded(2))}
	wish := Wish{Replicas: 3, Avoid: []uint32{5}}
	got, no := Replace(servers, &wish, []uint32{3, 1, 2}, 1)
	if no != nil || !slices.Equal(got.Nodes, []uint32{3, 2, 4}) {
		t.Errorf("%v, %v", got, no)
	}
	if _, no := Replace(servers[:3], &wish, []uint32{3, 1, 2}, 1); no == nil {
		t.Error("there is nobody")
	}
	if len(wish.Keep) > 0 || len(wish.Avoid) != 1 {
		t.Errorf("the wish was changed: %+v", wish)
	}
}

// random returns a cluster and a wish.
func random(rng *rand.Rand) ([]Server, Wish) {
	var list []Server
	for node := range uint32(rng.IntN(9)) {
		sv := server(node+1, loaded(rng.IntN(4)), file(int64(rng.IntN(20)), int64(rng.IntN(10))))
		sv.Streams = rng.IntN(4)
		sv.Tags = [][]string{nil, {"a", "z:1"}, {"a", "z:2"}, {"z:3", "z:1"}, {"!jetstream"}, {"b"}}[rng.IntN(6)]
		sv.JetStream, sv.Online = rng.IntN(10) > 0, rng.IntN(5) > 0
		sv.OfflineSince = int64(rng.IntN(10))
		sv.Cluster = []string{"C", "C", "D"}[rng.IntN(3)]
		list = append(list, sv)
	}
	w := Wish{
		Replicas: []int{1, 2, 3, 5}[rng.IntN(4)], Cluster: []string{"", "C"}[rng.IntN(2)], Bytes: int64(rng.IntN(8) - 3), NotSince: int64(rng.IntN(10)), Seed: rng.Uint64(),
		Tags: [][]string{nil, {"a"}, {"!b"}}[rng.IntN(3)], UniqueTag: []string{"", "z:"}[rng.IntN(2)], MaxAssets: rng.IntN(5), Preferred: uint32(rng.IntN(9)),
	}
	for node := range uint32(9) {
		switch rng.IntN(6) {
		case 0:
			w.Keep = append(w.Keep, node)
		case 1:
			w.Avoid = append(w.Avoid, node)
		}
	}
	return list, w
}

// Whatever there is and is wished for: the wish is kept, and the order of servers makes no
// difference.
func TestWishesAreKept(t *testing.T) {
	for seed := range uint64(20000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		servers, w := random(rng)
		got, no := Choose(servers, &w)
		mixed := slices.Clone(servers)
		rng.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		if again, other := Choose(mixed, &w); !slices.Equal(got.Nodes, again.Nodes) || got.Leader != again.Leader || fmt.Sprint(no) != fmt.Sprint(other) {
			t.Fatalf("seed %d: %v %v, in another order %v %v", seed, got, no, again, other)
		}
		if no != nil {
			continue
		}
		unique := make(map[string]bool)
		for i, node := range got.Nodes {
			sv := find(servers, node)
			if slices.Contains(w.Keep, node) {
				if sv != nil {
					unique[w.uniqueTag(sv)] = true
				}
				continue
			}
			if sv == nil || !w.Fits(sv) || slices.Contains(w.Avoid, node) || w.Bytes > 0 && sv.File.Limit-sv.File.Reserved < w.Bytes || slices.Contains(got.Nodes[:i], node) {
				t.Fatalf("seed %d: %d of %v does not fit: %+v", seed, node, got, w)
			}
			if tag := w.uniqueTag(sv); w.UniqueTag != "" && (tag == "" || unique[tag]) {
				t.Fatalf("seed %d: %d of %v has the tag of another, or none", seed, node, got)
			} else {
				unique[tag] = true
			}
		}
		if len(got.Nodes) != w.Replicas || !slices.Contains(got.Nodes, got.Leader) {
			t.Fatalf("seed %d: %v of %+v", seed, got, w)
		}
		if len(w.Keep) <= w.Replicas && !slices.Equal(got.Nodes[:len(w.Keep)], w.Keep) {
			t.Fatalf("seed %d: %v does not keep %v", seed, got, w.Keep)
		}
	}
}

// One more server makes no choice impossible, and none of the places is taken by a worse one.
func TestMoreServersAreNoWorse(t *testing.T) {
	for seed := range uint64(20000) {
		rng := rand.New(rand.NewPCG(seed, 2))
		servers, w := random(rng)
		got, no := Choose(servers, &w)
		more := server(100, loaded(rng.IntN(4)), tagged("a", fmt.Sprintf("z:%d", rng.IntN(5))))
		more.Online = rng.IntN(3) > 0
		with := append(slices.Clone(servers), more)
		next, none := Choose(with, &w)
		if no != nil {
			continue
		}
		if none != nil {
			t.Fatalf("seed %d: %v, and with another server %v", seed, got, none)
		}
		for i := len(w.Keep); i < len(got.Nodes); i++ {
			if a, b := find(with, got.Nodes[i]), find(with, next.Nodes[i]); w.compare(b, a) > 0 {
				t.Fatalf("seed %d: %v, and with another server %v", seed, got, next)
			}
		}
	}
}

// Thousands of assets spread over servers that are alike, and one that comes later takes its share.
func TestSpreadsEvenly(t *testing.T) {
	for _, replicas := range []int{1, 3} {
		var servers []Server
		for node := range uint32(7) {
			servers = append(servers, server(node+1))
		}
		place := func(n int) {
			for i := range n {
				got, no := Choose(servers, &Wish{Replicas: replicas, Seed: uint64(i)})
				if no != nil {
					t.Fatal(no)
				}
				for _, node := range got.Nodes {
					sv := find(servers, node)
					sv.Assets++
					sv.Streams++
				}
				find(servers, got.Leader).Leads++
			}
		}
		bounds := func() (least, most int) {
			least = servers[0].Streams
			for _, sv := range servers {
				least, most = min(least, sv.Streams), max(most, sv.Streams)
			}
			return least, most
		}
		place(1000)
		if least, most := bounds(); most-least > 1 {
			t.Errorf("%d replicas: between %d and %d", replicas, least, most)
		}
		for i := range servers {
			if n := servers[i].Leads; n < 1000/7-1 || n > 1000/7+2 {
				t.Errorf("%d replicas: server %d is to lead %d of 1000", replicas, servers[i].Node, n)
			}
		}
		servers = append(servers, server(100))
		place(1000)
		if least, most := bounds(); most-least > 1 {
			t.Errorf("%d replicas, with one that came later: between %d and %d", replicas, least, most)
		}
	}
	// Servers that are equal in everything are told apart by the asset.
	servers := []Server{server(1), server(2), server(3), server(4), server(5)}
	first := make(map[uint32]int)
	for seed := range uint64(1000) {
		got, _ := Choose(servers, &Wish{Replicas: 1, Seed: seed})
		first[got.Nodes[0]]++
	}
	for node, n := range first {
		if n < 150 || n > 250 {
			t.Errorf("node %d is the first of %d assets in 1000", node, n)
		}
	}
}
