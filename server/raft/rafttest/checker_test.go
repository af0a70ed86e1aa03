package rafttest

import (
	"errors"
	"testing"

	"github.com/nats-lite/nats-lite/server/raft"
)

// view is a replica as a test wants it to look.
type view struct {
	id     raft.PeerID
	role   raft.Role
	term   raft.Term
	commit raft.Index
	terms  []raft.Term // of the entries from 1 on
	conf   raft.ConfState
}

func (v *view) ID() raft.PeerID       { return v.id }
func (v *view) Role() raft.Role       { return v.role }
func (v *view) Term() raft.Term       { return v.term }
func (v *view) Committed() raft.Index { return v.commit }
func (v *view) LastIndex() raft.Index { return raft.Index(len(v.terms)) }
func (v *view) Conf() *raft.ConfState { return &v.conf }

func (v *view) EntryTerm(i raft.Index) (raft.Term, error) {
	switch {
	case i == 0:
		return 0, nil
	case i > v.LastIndex():
		return 0, raft.ErrUnavailable
	}
	return v.terms[i-1], nil
}

// TestCheckerFindsViolations breaks each promise once. Three voters have an entry
// of term 1 on disk, which all have committed; 1 leads term 1.
func TestCheckerFindsViolations(t *testing.T) {
	one, two, three, stranger := raft.MakePeerID(1, 1), raft.MakePeerID(2, 1), raft.MakePeerID(3, 1), raft.MakePeerID(4, 1)
	ent := func(i raft.Index, t raft.Term, data string) raft.Entry {
		return raft.Entry{Index: i, Term: t, Data: []byte(data)}
	}
	type world struct {
		c    *Checker
		view map[raft.PeerID]*view
	}
	for _, test := range []struct {
		name, invariant string
		act             func(w *world) error
	}{
		{"all is well", "", func(w *world) error {
			w.view[two].term = 2
			return errors.Join(
				w.c.Stored(two, &raft.Append{Hard: &raft.HardState{Term: 2, Vote: two}}),
				w.c.Sent(&raft.Message{Type: raft.MsgVote, From: two, To: three, Term: 2}),
				w.c.Step(w.view[two]),
				w.c.Applied(two, new(ent(1, 1, "a"))))
		}},
		{"two leaders in a term", ElectionSafety, func(w *world) error {
			w.view[two].role = raft.Leader
			return w.c.Step(w.view[two])
		}},
		{"two leaders in a term, one after the other", ElectionSafety, func(w *world) error {
			w.c.Stopped(one)
			w.view[two].role = raft.Leader
			return w.c.Step(w.view[two])
		}},
		{"a leader drops an entry", LeaderAppendOnly, func(w *world) error {
			w.view[one].terms = []raft.Term{1, 1, 1}
			err := w.c.Step(w.view[one])
			w.view[one].terms = []raft.Term{1, 1}
			return errors.Join(err, w.c.Step(w.view[one]))
		}},
		{"the same index and term with other data", LogMatching, func(w *world) error {
			err := w.c.Handed(w.view[one], &raft.Append{Entries: []raft.Entry{ent(2, 1, "b")}})
			return errors.Join(err, w.c.Handed(w.view[two], &raft.Append{Entries: []raft.Entry{ent(2, 1, "c")}}))
		}},
		{"the same entry behind different ones", LogMatching, func(w *world) error {
			w.view[one].terms, w.view[two].terms = []raft.Term{1, 1}, []raft.Term{1, 2}
			err := w.c.Handed(w.view[one], &raft.Append{Entries: []raft.Entry{ent(3, 3, "d")}})
			return errors.Join(err, w.c.Handed(w.view[two], &raft.Append{Entries: []raft.Entry{ent(3, 3, "d")}}))
		}},
		{"a leader without what is committed", LeaderCompleteness, func(w *world) error {
			*w.view[three] = view{id: three, role: raft.Leader, term: 2, conf: w.view[three].conf}
			w.c.Stopped(three)
			w.c.record(three).commit = 0
			return w.c.Step(w.view[three])
		}},
		{"commit in an old term after a leader was elected without it", LeaderCompleteness, func(w *world) error {
			w.view[three].role, w.view[three].term, w.view[three].terms = raft.Leader, 2, []raft.Term{1, 2}
			err := w.c.Step(w.view[three])
			for _, id := range []raft.PeerID{one, two} {
				err = errors.Join(err, w.c.Stored(id, &raft.Append{Entries: []raft.Entry{ent(2, 1, "b")}}))
			}
			w.view[one].terms, w.view[one].commit = []raft.Term{1, 1}, 2
			return errors.Join(err, w.c.Step(w.view[one]))
		}},
		{"an entry is committed on one disk", QuorumDurable, func(w *world) error {
			w.view[one].terms, w.view[one].commit = []raft.Term{1, 1}, 2
			return errors.Join(w.c.Stored(one, &raft.Append{Entries: []raft.Entry{ent(2, 1, "b")}}), w.c.Step(w.view[one]))
		}},
		{"a majority of one half of a joint configuration", QuorumDurable, func(w *world) error {
			w.view[one].conf = raft.ConfState{Voters: []raft.PeerID{stranger}, Outgoing: []raft.PeerID{one, two, three}}
			err := w.c.Step(w.view[one])
			for _, id := range []raft.PeerID{one, two, three} {
				err = errors.Join(err, w.c.Stored(id, &raft.Append{Entries: []raft.Entry{ent(2, 1, "b")}}))
			}
			w.view[one].terms, w.view[one].commit = []raft.Term{1, 1}, 2
			return errors.Join(err, w.c.Step(w.view[one]))
		}},
		{"an entry of an earlier term is committed by counting", CommitRule, func(w *world) error {
			w.view[one].term, w.view[one].terms, w.view[one].commit = 2, []raft.Term{1, 1, 2}, 2
			err := w.c.Stored(one, &raft.Append{Entries: []raft.Entry{ent(2, 1, "b"), ent(3, 2, "")}})
			return errors.Join(err, w.c.Stored(two, &raft.Append{Entries: []raft.Entry{ent(2, 1, "b")}}), w.c.Step(w.view[one]))
		}},
		{"a configuration at the start of a term", ConfRule, func(w *world) error {
			w.view[one].term, w.view[one].terms = 2, []raft.Term{1, 2, 2}
			e := raft.Entry{Index: 3, Term: 2, Type: raft.EntryConf, Data: w.view[one].conf.Append(nil)}
			return errors.Join(w.c.Step(w.view[one]), w.c.Handed(w.view[one], &raft.Append{Entries: []raft.Entry{ent(2, 2, ""), e}}))
		}},
		{"another entry is committed in the same place", CommittedPrefix, func(w *world) error {
			w.c.Stopped(two)
			w.view[two].terms, w.view[two].term = []raft.Term{2}, 2
			w.c.record(two).commit = 0
			return w.c.Step(w.view[two])
		}},
		{"what is applied is replaced", CommittedPrefix, func(w *world) error {
			return errors.Join(w.c.Applied(two, new(ent(1, 1, "a"))), w.c.Handed(w.view[two], &raft.Append{Entries: []raft.Entry{ent(1, 2, "b")}}))
		}},
		{"commit behind the end of the log", CommittedPrefix, func(w *world) error {
			w.view[two].commit = 2
			return w.c.Step(w.view[two])
		}},
		{"the term goes back", Monotony, func(w *world) error {
			w.view[two].term = 0
			return w.c.Step(w.view[two])
		}},
		{"the commit index goes back", Monotony, func(w *world) error {
			w.view[two].commit = 0
			return w.c.Step(w.view[two])
		}},
		{"the durable term goes back", Monotony, func(w *world) error {
			return w.c.Stored(two, &raft.Append{Hard: &raft.HardState{}})
		}},
		{"a vote leaves before it is durable", DurablePromise, func(w *world) error {
			return w.c.Sent(&raft.Message{Type: raft.MsgVoteResp, From: two, To: three, Term: 2})
		}},
		{"a vote leaves for another than is durable", DurablePromise, func(w *world) error {
			return errors.Join(
				w.c.Stored(two, &raft.Append{Hard: &raft.HardState{Term: 2, Vote: one}}),
				w.c.Sent(&raft.Message{Type: raft.MsgVoteResp, From: two, To: three, Term: 2}))
		}},
		{"a candidate asks before its own vote is durable", DurablePromise, func(w *world) error {
			return w.c.Sent(&raft.Message{Type: raft.MsgVote, From: two, To: three, Term: 2})
		}},
		{"entries are acknowledged before they are durable", DurablePromise, func(w *world) error {
			return w.c.Sent(&raft.Message{Type: raft.MsgAppResp, From: two, To: one, Term: 1, Index: 2})
		}},
		{"entries are acknowledged in a term that is not durable", DurablePromise, func(w *world) error {
			return w.c.Sent(&raft.Message{Type: raft.MsgAppResp, From: two, To: one, Term: 2, Index: 1})
		}},
		{"two votes in a term", OneVote, func(w *world) error {
			return errors.Join(
				w.c.Stored(two, &raft.Append{Hard: &raft.HardState{Term: 2, Vote: one}}),
				w.c.Stored(two, &raft.Append{Hard: &raft.HardState{Term: 2, Vote: three}}))
		}},
		{"a stranger votes", Admission, func(w *world) error {
			return errors.Join(
				w.c.Stored(stranger, &raft.Append{Hard: &raft.HardState{Term: 2, Vote: one}}),
				w.c.Sent(&raft.Message{Type: raft.MsgVoteResp, From: stranger, To: one, Term: 2}))
		}},
		{"a stranger acknowledges", Admission, func(w *world) error {
			return errors.Join(
				w.c.Stored(stranger, &raft.Append{Hard: &raft.HardState{Term: 1}}),
				w.c.Sent(&raft.Message{Type: raft.MsgAppResp, From: stranger, To: one, Term: 1}))
		}},
		{"a stranger leads", Admission, func(w *world) error {
			return w.c.Step(&view{id: stranger, role: raft.Leader, term: 2, terms: []raft.Term{1}})
		}},
		{"one that has forgotten is back", Admission, func(w *world) error {
			w.c.Forgotten(two)
			return w.c.Started(w.view[two], 0)
		}},
		{"one that has forgotten is heard", Admission, func(w *world) error {
			w.c.Forgotten(two)
			return w.c.Sent(&raft.Message{Type: raft.MsgHeartbeatResp, From: two, To: one, Term: 1})
		}},
		{"an entry is gone after a restart", Recovery, func(w *world) error {
			w.c.Stopped(two)
			w.view[two].terms = nil
			return w.c.Started(w.view[two], 0)
		}},
		{"the term is gone after a restart", Recovery, func(w *world) error {
			w.c.Stopped(two)
			w.view[two].term = 0
			return w.c.Started(w.view[two], 0)
		}},
		{"an entry that was never durable is there after a restart", Recovery, func(w *world) error {
			w.c.Stopped(two)
			w.view[two].terms = []raft.Term{1, 1}
			return w.c.Started(w.view[two], 0)
		}},
		{"another entry is applied", StateMachineSafety, func(w *world) error {
			return w.c.Applied(two, new(ent(1, 2, "b")))
		}},
		{"an entry is left out", StateMachineSafety, func(w *world) error {
			return w.c.Applied(two, new(ent(2, 1, "b")))
		}},
		{"an entry is applied twice", StateMachineSafety, func(w *world) error {
			return errors.Join(w.c.Applied(two, new(ent(1, 1, "a"))), w.c.Applied(two, new(ent(1, 1, "a"))))
		}},
		{"an entry is applied with other data", LogMatching, func(w *world) error {
			return w.c.Applied(two, new(ent(1, 1, "b")))
		}},
		{"states differ", StateMachineSafety, func(w *world) error {
			return errors.Join(w.c.Digest(one, 1, 7), w.c.Digest(two, 1, 8))
		}},
		{"a state that is not committed is restored", StateMachineSafety, func(w *world) error {
			return w.c.Restored(two, raft.Base{Index: 2, Term: 1})
		}},
		{"a state of another history is restored", StateMachineSafety, func(w *world) error {
			return w.c.Restored(two, raft.Base{Index: 1, Term: 2})
		}},
		{"a state machine goes back", StateMachineSafety, func(w *world) error {
			return errors.Join(w.c.Applied(two, new(ent(1, 1, "a"))), w.c.Restored(two, raft.Base{Index: 1, Term: 1}))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := &world{NewChecker(), make(map[raft.PeerID]*view)}
			conf := raft.ConfState{Voters: []raft.PeerID{one, two, three}}
			for _, id := range conf.Voters {
				v := &view{id: id, term: 1, terms: []raft.Term{1}, conf: conf}
				w.view[id] = v
				if err := w.c.Found(id, raft.HardState{Term: 1, Vote: one}, raft.Base{Conf: conf}, []raft.Entry{ent(1, 1, "a")}); err != nil {
					t.Fatal(err)
				}
				if err := w.c.Started(v, 0); err != nil {
					t.Fatal(err)
				}
			}
			w.view[one].role = raft.Leader
			for _, id := range conf.Voters {
				w.view[id].commit = 1
				if err := w.c.Step(w.view[id]); err != nil {
					t.Fatal(err)
				}
			}
			err := test.act(w)
			var v *Violation
			switch {
			case test.invariant == "" && err != nil:
				t.Errorf("%v", err)
			case test.invariant != "" && (!errors.As(err, &v) || v.Invariant != test.invariant):
				t.Errorf("got %v, want a violation of %s", err, test.invariant)
			}
		})
	}
}
