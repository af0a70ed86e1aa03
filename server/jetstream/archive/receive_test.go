package archive

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Does a restore unfold as told? A step is at a time in seconds: something happens,
// and then the flow says how things are.
func TestReceiveFlow(t *testing.T) {
	own := errors.New("own error")
	const chunk = 1000
	// chunk is a request with a chunk, end an empty one, mute a chunk without reply
	// subject, huge one of the largest size there may be; taken tells that one was
	// taken in.
	type step struct {
		at   float64
		do   string
		want string
	}
	for _, c := range []struct {
		name     string
		steps    []step
		received int64
	}{
		{"nothing comes", []step{{0, "", "wait until 5"}, {4.9, "", "wait until 5"}, {5, "", "no chunk for too long"}, {6, "chunk", "no chunk for too long"}}, 0},
		{"one chunk after the other", []step{
			{1, "chunk", "busy"}, {2, "taken", "wait until 7"}, {6, "chunk", "busy"}, {6, "taken", "wait until 11"}, {10, "end", "ended"},
		}, 2 * chunk},
		{"taking in takes long", []step{{1, "chunk", "busy"}, {60, "", "busy"}, {60, "taken", "wait until 65"}, {64, "end", "ended"}, {600, "", "ended"}}, chunk},
		{"several at a time", []step{
			{1, "chunk", "busy"}, {1, "chunk", "busy"}, {3, "taken", "busy"}, {60, "", "busy"}, {61, "taken", "wait until 66"}, {66, "", "no chunk for too long"},
		}, 2 * chunk},
		{"the end while chunks are taken in", []step{{1, "chunk", "busy"}, {1, "end", "ended"}, {60, "taken", "ended"}, {70, "", "ended"}}, chunk},
		{"nothing but the end", []step{{1, "end", "ended"}}, 0},
		{"behind the end", []step{{1, "end", "ended"}, {1, "chunk", "a chunk behind the end"}}, 0},
		{"the end twice", []step{{1, "end", "ended"}, {1, "end", "a chunk behind the end"}}, 0},
		{"without reply subject", []step{{1, "mute", "a chunk without reply subject"}, {1, "chunk", "a chunk without reply subject"}}, 0},
		{"a chunk just too late", []step{{1, "chunk", "busy"}, {1, "taken", "wait until 6"}, {6, "chunk", "no chunk for too long"}}, chunk},
		{"too far ahead", []step{{1, "huge", "busy"}, {1, "chunk", "too many chunks ahead of the answers"}}, maxAhead},
		{"far ahead", []step{{1, "huge", "busy"}, {1, "taken", "wait until 6"}, {1, "huge", "busy"}, {1, "end", "ended"}}, 2 * maxAhead},
		{"it fails", []step{{1, "chunk", "busy"}, {2, "fail", "own error"}, {2, "chunk", "own error"}, {60, "end", "own error"}}, chunk},
		{"it fails when it is over", []step{{5, "", "no chunk for too long"}, {6, "fail", "no chunk for too long"}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := NewReceiveFlow(0)
			var held []int
			for i, s := range c.steps {
				now := int64(s.at * float64(second))
				var last bool
				var err error
				come := func(n int, reply bool) {
					if last, err = f.Chunk(now, n, reply); err == nil && !last {
						held = append(held, n)
					}
				}
				switch s.do {
				case "chunk", "mute":
					come(chunk, s.do == "chunk")
				case "huge":
					come(maxAhead, true)
				case "end":
					come(0, true)
				case "taken":
					f.Taken(now, held[0])
					held = held[1:]
				case "fail":
					f.Fail(own)
				}
				if over := f.Check(now); err != nil && !errors.Is(over, err) {
					t.Fatalf("step %d: %v, then %v", i, err, over)
				}
				if s.do == "end" && s.want == "ended" && !last {
					t.Fatalf("step %d: the end is not the last", i)
				}
				if got := progress(f, now); got != s.want {
					t.Fatalf("step %d, %q at %v: got %q, want %q", i, s.do, s.at, got, s.want)
				}
			}
			if f.Received() != c.received {
				t.Errorf("received %d, want %d", f.Received(), c.received)
			}
		})
	}
}

func progress(f *ReceiveFlow, now int64) string {
	err := f.Check(now)
	at, timed := f.Deadline()
	var s []string
	if err != nil {
		s = append(s, err.Error())
	}
	if timed {
		s = append(s, fmt.Sprintf("wait until %d", at/second))
	}
	if len(s) == 0 {
		s = append(s, map[bool]string{true: "ended", false: "busy"}[f.ended])
	}
	return strings.Join(s, " and ")
}
