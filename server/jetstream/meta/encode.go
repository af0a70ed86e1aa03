package meta

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc64"
	"maps"
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// Image is a State as of a moment. It does not change with the State, and may be encoded
// by somebody else meanwhile.
type Image struct {
	head    head
	servers []*Server
	streams []streamAt
}

// streamAt is a stream with the consumers that it had.
type streamAt struct {
	stream    *Stream
	consumers map[string]*Consumer
}

// Image takes an image, which costs as much as there are streams. Consumers are copied when
// those of their stream change for the first time after it: not the asset, but the table. While
// it is taken nobody may change the State.
func (s *State) Image() *Image {
	im := &Image{
		head:    head{Groups: s.groups, Revision: s.revision, Time: s.time, Removing: s.removing},
		servers: slices.Collect(s.Servers()),
	}
	for st := range s.All() {
		im.streams = append(im.streams, streamAt{st, st.consumers.byName})
		im.head.Assets += 1 + len(st.consumers.byName)
	}
	s.images++
	return im
}

// head is what an encoded State begins with, and body all of it: JSON, in the order of names.
type head struct {
	Groups   uint64 `json:"groups"`
	Revision uint64 `json:"revision"`
	Time     int64  `json:"time"`
	// Removing is the server that is being removed.
	Removing uint32 `json:"removing,omitempty"`
	// Assets is how many streams and consumers there are. What is not listed was deleted,
	// and a list that lacks some must not be taken for that.
	Assets int `json:"assets"`
}

type body struct {
	head
	Servers []*Server     `json:"servers,omitempty"`
	Streams []streamImage `json:"streams"`
}

type streamImage struct {
	*Stream
	Consumers []*Consumer `json:"consumers"`
}

// stateVersion is the first byte of an encoded State. Version 1 knows no servers, and does
// not say how many assets there are.
const stateVersion = 2

// ErrBadState says that an encoded State was written by a newer version, or is not
// one.
var ErrBadState = errors.New("meta: not a state")

// Append appends the encoded image to dst. Those of equal states give equal bytes.
func (im *Image) Append(dst []byte) []byte {
	all := body{head: im.head, Servers: im.servers}
	for _, st := range im.streams {
		all.Streams = append(all.Streams, streamImage{st.stream, slices.Collect(sorted(st.consumers))})
	}
	b, err := json.Marshal(all)
	if err != nil {
		// Configurations consist of what JSON has.
		panic(fmt.Sprintf("meta: encoding a state: %v", err))
	}
	return append(append(dst, stateVersion), b...)
}

// Append appends the encoded State to dst. Equal states give equal bytes.
func (s *State) Append(dst []byte) []byte { return s.Image().Append(dst) }

// Decode decodes what Append has encoded. The error is an ErrBadState.
func Decode(b []byte) (*State, error) {
	if len(b) == 0 || b[0] < 1 || b[0] > stateVersion {
		return nil, ErrBadState
	}
	var all body
	if err := json.NewDecoder(bytes.NewReader(b[1:])).Decode(&all); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadState, err)
	}
	s := &State{groups: all.Groups, revision: all.Revision, time: all.Time, removing: all.Removing}
	for _, sv := range all.Servers {
		if sv == nil || sv.Node == 0 || s.servers[sv.Node] != nil || sv.Node == s.removing {
			return nil, ErrBadState
		}
		if s.servers == nil {
			s.servers = make(map[uint32]*Server)
		}
		s.servers[sv.Node] = sv
	}
	used := make(map[uint64]bool)
	group := func(g *Group) bool {
		fresh := g.ID >= FirstGroup && g.ID <= all.Groups && !used[g.ID]
		used[g.ID] = true
		return fresh && isDistinct(g.Nodes) && (g.Change == nil || g.Change.ID <= all.Revision)
	}
	for _, si := range all.Streams {
		st := si.Stream
		if st == nil || st.Config == nil || !api.IsName(st.Config.Name) || st.Config.Storage > api.MemoryStorage ||
			s.Stream(st.Account, st.Name()) != nil || s.restore(st.Account, st.Name()) != nil || !group(&st.Group) {
			return nil, ErrBadState
		}
		st.consumers = newConsumers()
		s.put(st)
		for _, c := range si.Consumers {
			if c == nil || c.Config == nil || !api.IsName(c.Config.Name) || st.Consumer(c.Name()) != nil || !group(&c.Group) {
				return nil, ErrBadState
			}
			if slices.Equal(c.Group.Nodes, st.Group.Nodes) {
				c.Group.Nodes = st.Group.Nodes // thousands share one list
			}
			s.setConsumer(st, c.Name(), c)
		}
	}
	if b[0] > 1 && len(used) != all.Assets {
		return nil, fmt.Errorf("%w: it has %d assets, and says %d", ErrBadState, len(used), all.Assets)
	}
	return s, nil
}

// Digest returns a hash over the State. Replicas that have applied the same ops
// have the same one.
func (s *State) Digest() uint64 {
	return crc64.Checksum(s.Append(nil), crc64.MakeTable(crc64.ECMA))
}

// newConsumers makes the consumers of a stream without any.
func newConsumers() *consumers { return &consumers{byName: make(map[string]*Consumer)} }

// change makes the table one that may be changed, as of the images that were taken so far.
func (c *consumers) change(images uint64) {
	if c.owned != images {
		c.byName, c.owned = maps.Clone(c.byName), images
	}
}
