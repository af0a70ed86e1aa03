package jetstream

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing/synctest"

	"github.com/nats-lite/nats-lite/internal/pack"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// pictures describe all that clients can rely on, as a text for each asset: "S" is a
// stream, "S>C" a consumer, and "S>" a hash of what the stream keeps beside its messages
// (ids, times to live, positions). Servers that have done the same, with one log, have
// the same pictures, whatever they had to replay for it.
type pictures map[string]string

// pictures returns the pictures of all assets, and looks whether each makes sense by
// itself. Nothing may be under way.
func (r *rig) pictures() pictures {
	r.t.Helper()
	synctest.Wait()
	list := make(pictures)
	r.e.meta.view(func(state *meta.State) {
		for st := range state.Streams(r.acc.Name()) {
			s := r.e.stream(st.Group.ID)
			if s == nil || !s.isOpen() {
				list[st.Name()] = "is not open"
				continue
			}
			onStage(s.group, func() { list[st.Name()], list[consumerKey(st.Name(), "")] = s.picture(r), s.beside(r) })
			for assigned := range st.Consumers() {
				if assigned.Config.Direct {
					continue
				}
				key := consumerKey(st.Name(), assigned.Name())
				if c := r.e.consumer(st, assigned); c == nil || c.info.Load() == nil {
					list[key] = "does not serve"
				} else {
					onStage(c.group, func() { list[key] = c.picture(r) })
				}
			}
		}
	})
	return list
}

// onStage calls f where the machine of a group is called.
func onStage(g *host.Group, f func()) {
	done := make(chan struct{})
	g.ReadIndex(func(raft.Index, error) {
		defer close(done)
		f()
	})
	<-done
}

// picture describes the stream and its messages.
func (s *stream) picture(r *rig) string {
	st := s.assigned.Load()
	at := s.store.State()
	var b strings.Builder
	fmt.Fprintf(&b, "%s created %d, %d messages of %d bytes, %d to %d, of %d to %d:", mustJSON(st.Config), inMillis(st.Created),
		at.Messages, at.Bytes, at.First, at.Last, inMillis(at.FirstTime), inMillis(at.LastTime))
	count := store.State{First: at.First, Last: at.Last, FirstTime: at.FirstTime, LastTime: at.LastTime}
	subjects := map[string]uint64{}
	var m store.Message
	for seq := store.Seq(1); ; seq = m.Seq + 1 {
		if err := s.store.Next(nil, seq, &m); err != nil {
			if !errors.Is(err, store.ErrNotFound) {
				r.t.Errorf("stream %s: reading from %d on: %v", st.Name(), seq, err)
			}
			break
		}
		if count.Messages == 0 && (m.Seq != at.First || m.Time != at.FirstTime) {
			r.t.Errorf("stream %s: the first message is %d of %d, the figures are %+v", st.Name(), m.Seq, m.Time, at)
		}
		count.Messages++
		count.Bytes += store.FileSize(len(m.Subject), len(m.Header), len(m.Data))
		subjects[string(m.Subject)]++
		fmt.Fprintf(&b, " %d=%s:%.24s%.60q@%d", m.Seq, m.Subject, m.Data, m.Header, inMillis(m.Time))
	}
	if count.Messages > 0 {
		count.Deleted = uint64(at.Last-at.First) + 1 - count.Messages
	}
	if count.Subjects = uint64(len(subjects)); st.Config.Storage == api.FileStorage && count != at {
		r.t.Errorf("stream %s: the figures are %+v, counted are %+v", st.Name(), at, count)
	}
	for subj, n := range subjects {
		if on, _ := s.store.Subject(subj); on.Messages != n {
			r.t.Errorf("stream %s: %d messages on %s, counted are %d", st.Name(), on.Messages, subj, n)
		}
	}
	return b.String()
}

// beside hashes what the core keeps beside the store, but for the time of the newest op,
// which moves when ops without effect are repeated. Of a stream that retains until
// messages are acknowledged, consumers tell it more of what they are done with when they
// begin anew.
func (s *stream) beside(r *rig) string {
	if s.core.Config().Retention != api.RetainLimits {
		return "not compared"
	}
	b, err := s.core.AppendState(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	in := pack.NewReader(b[1:])
	config := in.Bytes()
	in.Varint()
	h := sha256.Sum256(append(slices.Clone(config), in.Rest()...))
	return fmt.Sprintf("%x", h[:6])
}

// picture describes the consumer. How far it is in the stream is not in it, for that depends
// on what it has passed over meanwhile, nor are messages that it waits for and that are
// gone: it finds out about them one after the other.
func (c *consumer) picture(r *rig) string {
	a := c.assigned.Load()
	delivered := c.state.Delivered()
	var open []string
	var m store.Message
	wait := func(from, to store.Seq) {
		for seq := from; seq <= to && c.stream.store.Next(nil, seq, &m) == nil && m.Seq <= to; seq = m.Seq + 1 {
			open = append(open, fmt.Sprint(m.Seq))
		}
	}
	next := store.Seq(1)
	for f := range c.state.Finished() {
		wait(next, f.First-1)
		next = f.Last + 1
	}
	wait(next, delivered.Stream)
	if last := c.stream.store.State().Last; delivered.Stream > last {
		r.t.Errorf("consumer %s: delivered %d of a stream that ends at %d", a.Name(), delivered.Stream, last)
	}
	return fmt.Sprintf("%s created %d, delivered %d, paused until %d, waits for %s",
		mustJSON(a.Config), inMillis(a.Created), delivered.Consumer, c.state.PauseUntil(), strings.Join(open, " "))
}

// inMillis is a time of an entry without what makes it different from others of the same
// moment: how many were proposed before it.
func inMillis(ns int64) int64 { return ns / 1e6 }

// isEither reports whether each asset is as in one of two pictures, and says how not.
// Some are not compared.
func (p pictures) isEither(before, after pictures, skip func(string) bool) (fault string) {
	names := maps.Clone(p)
	maps.Copy(names, before)
	maps.Copy(names, after)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if p[name] != before[name] && p[name] != after[name] && !skip(name) {
			return fmt.Sprintf("%s\nbefore: %s\nafter:  %s\ngot:    %s", name, before[name], after[name], p[name])
		}
	}
	return ""
}

// consumerKey is the name of a consumer among pictures.
func consumerKey(stream, consumer string) string { return stream + ">" + consumer }
