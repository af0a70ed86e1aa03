package meta

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// crowd is a state with some streams and many consumers.
func crowd(t testing.TB, streams, consumers int) *State {
	t.Helper()
	s := &State{}
	for i := range streams {
		name := fmt.Sprintf("S%d", i)
		res := s.Apply(&Op{CreateStream: &CreateStream{
			Account: "A", Config: &api.StreamConfig{Name: name, Subjects: []string{name}}, Nodes: []uint32{1}, Limits: NoLimits,
		}}, 1)
		for k := range consumers / streams {
			if res.Err == nil {
				res = s.Apply(&Op{CreateConsumer: &CreateConsumer{
					Account: "A", Stream: name, Group: res.Stream.Group.ID, Config: &api.ConsumerConfig{Name: fmt.Sprint("C", k)}, Nodes: []uint32{1}, Max: -1,
				}}, 1)
			}
		}
		if res.Err != nil {
			t.Fatal(res.Err)
		}
	}
	return s
}

// What was a state at one moment stays, whatever is done to the state.
func TestStill(t *testing.T) {
	s := crowd(t, 3, 9)
	want := s.Append(nil)
	still := s.Still()
	st := s.Stream("A", "S1")
	for _, op := range []*Op{
		{DeleteStream: &DeleteStream{Account: "A", Stream: "S0"}},
		{DeleteConsumer: &DeleteConsumer{Account: "A", Stream: "S1", Consumer: "C1"}},
		{UpdateStream: &UpdateStream{
			Account: "A", Config: &api.StreamConfig{Name: "S1", Subjects: []string{"other"}}, Revision: st.Revision, Limits: NoLimits,
		}},
		{CreateConsumer: &CreateConsumer{Account: "A", Stream: "S2", Group: s.Stream("A", "S2").Group.ID, Config: &api.ConsumerConfig{Name: "N"}, Max: -1}},
	} {
		if res := s.Apply(op, 2); res.Err != nil || !res.Changed {
			t.Fatalf("%+v: %+v", op, res)
		}
	}
	if got := still.Append(nil); !bytes.Equal(got, want) {
		t.Errorf("it is\n%s\nwant\n%s", got, want)
	}
	if bytes.Equal(s.Append(nil), want) {
		t.Error("the state is as it was")
	}
}

// What those who change assets wait for while an image is made.
func BenchmarkStill(b *testing.B) {
	s := crowd(b, 1000, 100_000)
	b.ReportAllocs()
	for b.Loop() {
		s.Still()
	}
}
