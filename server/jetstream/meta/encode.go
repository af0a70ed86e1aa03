package meta

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc64"
	"iter"
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// image is a State as it is encoded: JSON, in the order of names.
type image struct {
	Groups   uint64        `json:"groups"`
	Revision uint64        `json:"revision"`
	Time     int64         `json:"time"`
	Streams  []streamImage `json:"streams"`
}

type streamImage struct {
	*Stream
	Consumers []*Consumer `json:"consumers"`
}

// stateVersion is the first byte of an encoded State.
const stateVersion = 1

// ErrBadState says that an encoded State was written by a newer version, or is not
// one.
var ErrBadState = errors.New("meta: not a state")

// Append appends the encoded State to dst. Equal states give equal bytes.
func (s *State) Append(dst []byte) []byte {
	im := image{Groups: s.groups, Revision: s.revision, Time: s.time}
	for acc := range s.Accounts() {
		for _, streams := range []iter.Seq[*Stream]{s.Streams(acc), s.Restores(acc)} {
			for st := range streams {
				im.Streams = append(im.Streams, streamImage{st, slices.Collect(st.Consumers())})
			}
		}
	}
	b, err := json.Marshal(im)
	if err != nil {
		// Configurations consist of what JSON has.
		panic(fmt.Sprintf("meta: encoding a state: %v", err))
	}
	return append(append(dst, stateVersion), b...)
}

// Still is a State as it was at one moment, for another goroutine to encode.
type Still struct{ state State }

// Still returns the State as it is now. It shares the assets, and the lists of consumers
// until they change, so that it takes some ten nanoseconds for each stream.
func (s *State) Still() *Still {
	next := *s
	next.accounts = make(map[string]*account, len(s.accounts))
	for name, a := range s.accounts {
		next.accounts[name] = &account{streams: stillStreams(a.streams), restores: stillStreams(a.restores)}
	}
	return &Still{next}
}

func stillStreams(streams map[string]*Stream) map[string]*Stream {
	still := make(map[string]*Stream, len(streams))
	for name, st := range streams {
		next := *st
		st.consumers.shared = true
		next.consumers = &consumers{byName: st.consumers.byName}
		still[name] = &next
	}
	return still
}

// Append appends the encoded State, as State.Append does.
func (s *Still) Append(dst []byte) []byte { return s.state.Append(dst) }

// Decode decodes what Append has encoded. The error is an ErrBadState.
func Decode(b []byte) (*State, error) {
	if len(b) == 0 || b[0] != stateVersion {
		return nil, ErrBadState
	}
	var im image
	if err := json.NewDecoder(bytes.NewReader(b[1:])).Decode(&im); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadState, err)
	}
	s := &State{groups: im.Groups, revision: im.Revision, time: im.Time}
	used := make(map[uint64]bool)
	group := func(g *Group) bool {
		fresh := g.ID >= FirstGroup && g.ID <= im.Groups && !used[g.ID]
		used[g.ID] = true
		return fresh
	}
	for _, si := range im.Streams {
		st := si.Stream
		if st == nil || st.Config == nil || !api.IsName(st.Config.Name) || st.Config.Storage > api.MemoryStorage ||
			s.Stream(st.Account, st.Name()) != nil || s.restore(st.Account, st.Name()) != nil || !group(&st.Group) {
			return nil, ErrBadState
		}
		st.consumers = &consumers{byName: make(map[string]*Consumer)}
		s.put(st)
		for _, c := range si.Consumers {
			if c == nil || c.Config == nil || !api.IsName(c.Config.Name) || st.Consumer(c.Name()) != nil || !group(&c.Group) {
				return nil, ErrBadState
			}
			s.setConsumer(st, c.Name(), c)
		}
	}
	return s, nil
}

// Digest returns a hash over the State. Replicas that have applied the same ops
// have the same one.
func (s *State) Digest() uint64 {
	return crc64.Checksum(s.Append(nil), crc64.MakeTable(crc64.ECMA))
}
