package placement

import (
	"slices"
	"strings"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// NoPeers says why there are not enough servers: how many were turned down for which
// reason. Its text is what clients know.
type NoPeers struct {
	// Offline could not be reached, Excluded are tagged as not to be used.
	Offline, Excluded int
	// NoStorage have no room, NotUnique have the unique tag of another, or none.
	NoStorage, NotUnique int
	// Other have as many assets as they may.
	Other int
	// NotEnabled is 1 if no server of the cluster has JetStream.
	NotEnabled int
	// NotMatched and TagsExcluded are the tags that servers lack, or have and must not.
	NotMatched, TagsExcluded []string
}

func (n *NoPeers) notMatched(tag string) { n.NotMatched = insert(n.NotMatched, tag) }

func (n *NoPeers) excluded(tag string) { n.TagsExcluded = insert(n.TagsExcluded, tag) }

// insert keeps a list in order, and without duplicates.
func insert(list []string, s string) []string {
	if i, found := slices.BinarySearch(list, s); !found {
		return slices.Insert(list, i, s)
	}
	return list
}

// Error implements error.
func (n *NoPeers) Error() string {
	var b strings.Builder
	b.WriteString("no suitable peers for placement")
	for _, r := range []struct {
		count int
		text  string
	}{
		{n.Offline, "peer offline"},
		{n.Excluded, "exclude tag set"},
		{n.NoStorage, "insufficient storage"},
		{n.NotUnique, "server tag not unique"},
		{n.Other, "miscellaneous issue"},
		{n.NotEnabled, "jetstream not enabled in cluster"},
	} {
		if r.count > 0 {
			b.WriteString(", " + r.text)
		}
	}
	for _, r := range []struct {
		tags []string
		text string
	}{{n.NotMatched, "tags not matched"}, {n.TagsExcluded, "tags excluded"}} {
		if len(r.tags) > 0 {
			b.WriteString(", " + r.text + " ['" + strings.Join(r.tags, "', '") + "']")
		}
	}
	return b.String()
}

// API returns the error as clients get it.
func (n *NoPeers) API() *api.Error { return api.ErrClusterNoPeers.With("err", n) }
