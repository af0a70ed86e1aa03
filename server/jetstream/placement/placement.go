package placement

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// Wish is what is to be placed, and how.
type Wish struct {
	// Replicas is how many servers are to be chosen.
	Replicas int
	// Cluster is where they have to be; "" is anywhere.
	Cluster string
	// Tags are those that a server must have, or with "!" in front must not have.
	Tags []string
	// UniqueTag, unless it is "", is how the tag begins that must differ between replicas.
	UniqueTag string
	Storage   api.Storage
	// Bytes is what is to be reserved on each server, 0 or less for nothing.
	Bytes int64
	// MaxAssets bounds the replicated assets of a server that gets one more; 0 is no bound.
	MaxAssets int
	// Preferred is the node that is to lead, if it is among those chosen; 0 is none. Of
	// those to be kept it is the last to be dropped.
	Preferred uint32
	// Keep are nodes that have a replica already and keep it, whatever they are like. If
	// they are more than Replicas the worst are dropped.
	Keep []uint32
	// Avoid are nodes that get none. It does not apply to those in Keep.
	Avoid []uint32
	// NotSince is an instant: a server that has been offline since before is no candidate.
	NotSince int64
	// Seed tells assets apart, so that what is equal otherwise does not always lead to the
	// same servers.
	Seed uint64
}

// Server is a server as whoever places knows it.
type Server struct {
	Node    uint32
	Name    string
	Cluster string
	Domain  string
	Tags    []string
	// JetStream is whether it is enabled there.
	JetStream bool
	// Online is whether it can be reached; if not, OfflineSince is since when, in
	// nanoseconds since the epoch.
	Online       bool
	OfflineSince int64
	Memory, File Room
	// Assets are the replicas there of groups with more than one, Streams all of streams.
	Assets, Streams int
	// Leads are the groups that it should lead.
	Leads int
}

// Room is what a server has of one kind of storage, in bytes. A Limit of -1 is none.
type Room struct {
	Limit, Reserved int64
}

// free is how much can be reserved still.
func (r Room) free() int64 {
	if r.Limit < 0 {
		return math.MaxInt64
	}
	return max(r.Limit-r.Reserved, 0)
}

// Choice is where an asset is to be.
type Choice struct {
	// Nodes are those kept, in the order in which they were given, and then the new ones,
	// the best first.
	Nodes []uint32
	// Leader is the one among them that should begin to lead: the preferred one, or one that
	// was there before; of an asset that begins, the one that is to lead the fewest.
	Leader uint32
}

// excludes is the tag of a server that gets no assets.
const excludes = "!jetstream"

// Choose chooses servers. The result is nil if there are enough.
func Choose(servers []Server, w *Wish) (Choice, *NoPeers) {
	kept := w.keep(servers)
	no := &NoPeers{}
	var candidates []*Server
	used := w.usedTags(servers, kept)
	enabled := false
	for i := range servers {
		sv := &servers[i]
		enabled = enabled || sv.JetStream && w.inCluster(sv)
		if !slices.Contains(w.Keep, sv.Node) && w.admits(sv, used, no) {
			candidates = append(candidates, sv)
		}
	}
	if !enabled {
		no.NotEnabled++
	}
	slices.SortFunc(candidates, w.compare)
	choice := Choice{Nodes: kept}
	for _, sv := range candidates {
		if len(choice.Nodes) == w.Replicas {
			break
		}
		if tag := w.uniqueTag(sv); tag != "" {
			if used[tag] {
				no.NotUnique++
				continue
			}
			used[tag] = true
		}
		choice.Nodes = append(choice.Nodes, sv.Node)
	}
	online := 0
	for _, node := range choice.Nodes {
		if sv := find(servers, node); sv != nil && sv.Online {
			online++
		}
	}
	if len(choice.Nodes) < w.Replicas || w.Replicas < 1 {
		return Choice{}, no
	}
	if len(choice.Nodes) > len(kept) && online <= w.Replicas/2 {
		no.Offline++
		return Choice{}, no
	}
	choice.Leader = w.leader(servers, choice.Nodes)
	return choice, nil
}

// Replace chooses who takes the place of a server among the nodes of an asset. The others
// keep their replicas.
func Replace(servers []Server, w *Wish, nodes []uint32, gone uint32) (Choice, *NoPeers) {
	next := *w
	next.Keep = slices.DeleteFunc(slices.Clone(nodes), func(n uint32) bool { return n == gone })
	next.Avoid = append(slices.Clone(w.Avoid), gone)
	return Choose(servers, &next)
}

// Fits reports whether a server is where the wish wants replicas to be, by cluster and tags.
func (w *Wish) Fits(sv *Server) bool {
	return sv.JetStream && w.inCluster(sv) && w.tagged(sv, &NoPeers{})
}

// keep returns who of those with a replica keeps it.
func (w *Wish) keep(servers []Server) []uint32 {
	drop := len(w.Keep) - w.Replicas
	if drop <= 0 {
		return slices.Clone(w.Keep)
	}
	// Those of which nothing is known go first, the preferred one goes last.
	worst := slices.Clone(w.Keep)
	slices.SortFunc(worst, func(a, b uint32) int {
		if c := preferLast(a == w.Preferred, b == w.Preferred); c != 0 {
			return c
		}
		x, y := find(servers, a), find(servers, b)
		if x == nil || y == nil {
			return cmp.Or(preferLast(x != nil, y != nil), cmp.Compare(a, b))
		}
		return w.compare(y, x)
	})
	return slices.DeleteFunc(slices.Clone(w.Keep), func(n uint32) bool { return slices.Contains(worst[:drop], n) })
}

// preferLast compares what is false before what is true.
func preferLast(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// leader returns who of the nodes should begin to lead.
func (w *Wish) leader(servers []Server, nodes []uint32) uint32 {
	if slices.Contains(nodes, w.Preferred) {
		return w.Preferred
	}
	var best *Server
	for _, node := range nodes {
		sv := find(servers, node)
		switch {
		case sv == nil || !sv.Online:
		case best == nil || len(w.Keep) == 0 && sv.Leads < best.Leads:
			best = sv
		}
	}
	if best == nil {
		return nodes[0]
	}
	return best.Node
}

// inCluster reports whether a server is in the cluster that is wished for.
func (w *Wish) inCluster(sv *Server) bool { return w.Cluster == "" || w.Cluster == sv.Cluster }

// admits reports whether a server is a candidate, and counts why it is not.
func (w *Wish) admits(sv *Server, used map[string]bool, no *NoPeers) bool {
	switch {
	case !sv.JetStream || !w.inCluster(sv) || slices.Contains(w.Avoid, sv.Node):
		return false // that is where it is, and no reason
	case !sv.Online && sv.OfflineSince < w.NotSince:
		no.Offline++
		return false
	case slices.Contains(sv.Tags, excludes):
		no.Excluded++
		return false
	case !w.tagged(sv, no):
		return false
	case w.Bytes > 0 && w.Bytes > w.free(sv):
		no.NoStorage++
		return false
	case w.MaxAssets > 0 && w.Replicas > 1 && sv.Assets >= w.MaxAssets:
		no.Other++
		return false
	}
	if tag := w.uniqueTag(sv); w.UniqueTag != "" && (tag == "" || used[tag]) {
		no.NotUnique++
		return false
	}
	return true
}

// tagged reports whether a server has the right tags, and notes the first that is wrong.
func (w *Wish) tagged(sv *Server, no *NoPeers) bool {
	for _, tag := range w.Tags {
		if not, ok := strings.CutPrefix(tag, "!"); ok {
			if hasTag(sv, not) {
				no.excluded(not)
				return false
			}
		} else if !hasTag(sv, tag) {
			no.notMatched(tag)
			return false
		}
	}
	return true
}

// hasTag compares as nats-server does, for which case makes no difference.
func hasTag(sv *Server, tag string) bool {
	return slices.ContainsFunc(sv.Tags, func(t string) bool { return strings.EqualFold(t, tag) })
}

// uniqueTag returns the tag of a server that no other replica may have, if it has one.
func (w *Wish) uniqueTag(sv *Server) string {
	if w.UniqueTag == "" {
		return ""
	}
	for _, tag := range sv.Tags {
		if strings.HasPrefix(tag, w.UniqueTag) {
			return tag
		}
	}
	return ""
}

// usedTags are the unique tags of those that keep their replicas.
func (w *Wish) usedTags(servers []Server, kept []uint32) map[string]bool {
	used := make(map[string]bool)
	for _, node := range kept {
		if sv := find(servers, node); sv != nil {
			if tag := w.uniqueTag(sv); tag != "" {
				used[tag] = true
			}
		}
	}
	return used
}

func (w *Wish) free(sv *Server) int64 {
	if w.Storage == api.MemoryStorage {
		return sv.Memory.free()
	}
	return sv.File.free()
}

// compare ranks servers, the better one first.
func (w *Wish) compare(a, b *Server) int {
	load := cmp.Or(cmp.Compare(a.Assets, b.Assets), cmp.Compare(w.free(b), w.free(a)), cmp.Compare(a.Streams, b.Streams))
	switch {
	case w.Replicas > 1:
	case w.Bytes > 0:
		load = cmp.Or(cmp.Compare(w.free(b), w.free(a)), cmp.Compare(a.Streams, b.Streams))
	default:
		// Bytes that are free on disks of different sizes say little about what does not
		// reserve any, and would lead all of it to one server.
		load = cmp.Or(cmp.Compare(a.Streams, b.Streams), cmp.Compare(w.free(b), w.free(a)))
	}
	return cmp.Or(-preferLast(a.Online, b.Online), load, cmp.Compare(Mix(w.Seed, a.Node), Mix(w.Seed, b.Node)), cmp.Compare(a.Node, b.Node))
}

// find returns a server, or nil.
func find(servers []Server, node uint32) *Server {
	if i := slices.IndexFunc(servers, func(sv Server) bool { return sv.Node == node }); i >= 0 {
		return &servers[i]
	}
	return nil
}

// Mix hashes a node with what tells assets apart (splitmix64).
func Mix(seed uint64, node uint32) uint64 {
	x := seed + uint64(node)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
