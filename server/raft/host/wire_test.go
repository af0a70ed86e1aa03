package host

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/raft"
)

// everyRecord is one record of each kind, with values that differ.
func everyRecord() (raft.GroupID, raft.Message, heartbeat, notice, offer, chunk, answer) {
	m := raft.Message{
		Type: raft.MsgApp, Reject: true, Transfer: true,
		From: raft.MakePeerID(2, 77), To: raft.MakePeerID(1, 88), Term: 300, LogTerm: 299, Index: 1 << 40, Commit: 5, Hint: 6,
		Context: 1 << 63, Sent: 12345678901,
		Entries: []raft.Entry{
			{Index: 1<<40 + 1, Term: 299, Data: []byte("data")},
			{Index: 1<<40 + 2, Term: 300, Type: raft.EntryConf, Data: []byte{0}},
			{Index: 1<<40 + 3, Term: 300},
		},
	}
	o := offer{
		group: 9, from: raft.MakePeerID(2, 77), to: raft.MakePeerID(1, 88), id: 1 << 60, term: 4, size: 1 << 33,
		at: Position{Base: raft.Base{Index: 100, Term: 3, Conf: raft.ConfState{Voters: []raft.PeerID{1, 2}, Learners: []raft.PeerID{3}}}, Time: -5},
	}
	return 1 << 50, m, heartbeat{incarnation: 7, leaving: true, seq: 1000, echo: 999, held: time.Second},
		notice{noticeAbsent, 1 << 33, 5, 6, 5}, o,
		chunk{id: 8, offset: 1 << 34, data: []byte("chunk"), digest: bytes.Repeat([]byte{7}, digestSize)}, answer{answerStale, 3, 1 << 45}
}

func everyFrame() []byte {
	g, m, h, n, o, c, a := everyRecord()
	b := appendFrameHead(nil, 0xfedcba)
	b = appendMessage(b, g, &m)
	b = appendHeartbeat(b, h)
	b = appendNotice(b, n)
	b = appendOffer(b, &o)
	b = appendChunk(b, &c)
	return appendAnswer(b, a)
}

func TestFramesComeBack(t *testing.T) {
	g, m, h, n, o, c, a := everyRecord()
	r := openFrame(2, 1, everyFrame())
	if r.epoch != 0xfedcba {
		t.Errorf("epoch %x", r.epoch)
	}
	for i, read := range []func() any{
		func() any {
			gotG, gotM := r.message()
			if gotG != g {
				t.Errorf("group %d", gotG)
			}
			return gotM
		},
		func() any { return r.heartbeat() },
		func() any { return r.notice() },
		func() any { return r.offer() },
		func() any { return r.chunk() },
		func() any { return r.answer() },
	} {
		kind, ok := r.next()
		if !ok || kind != recordMessage+recordKind(i) {
			t.Fatalf("record %d is of kind %d", i, kind)
		}
		if got, want := read(), []any{m, h, n, o, c, a}[i]; !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
	if _, ok := r.next(); ok || !r.End() {
		t.Errorf("%d bytes are left", r.Len())
	}
}

func TestMessageSizeIsEnough(t *testing.T) {
	big := ^uint64(0)
	m := raft.Message{
		Type: raft.MsgApp, Term: raft.Term(big), LogTerm: raft.Term(big), Index: raft.Index(big), Commit: raft.Index(big),
		Hint: raft.Index(big), Context: big, Sent: raft.Instant(-1), Entries: []raft.Entry{{Term: raft.Term(big), Data: make([]byte, 300)}, {}},
	}
	if n := len(appendMessage(nil, raft.GroupID(big), &m)); n > messageSize(&m) {
		t.Errorf("%d bytes, %d were foreseen", n, messageSize(&m))
	}
}

func TestBrokenFrames(t *testing.T) {
	whole := everyFrame()
	damagedChunk := appendFrameHead(nil, 1)
	damagedChunk = appendChunk(damagedChunk, &chunk{data: []byte("abc")})
	damagedChunk[len(damagedChunk)-1]++
	for name, frame := range map[string][]byte{
		"empty":             {},
		"version":           append([]byte{2}, whole[1:]...),
		"kind":              append(appendFrameHead(nil, 1), 99),
		"cut":               whole[:len(whole)-1],
		"message type":      append(appendFrameHead(nil, 1), byte(recordMessage), 1, 0, 0, 0, 0, 0, 0, 0, 0, byte(raft.MsgSnap), 0, 0, 0, 0, 0, 0, 0, 0, 0),
		"too many entries":  append(appendFrameHead(nil, 1), byte(recordMessage), 1, 0, 0, 0, 0, 0, 0, 0, 0, byte(raft.MsgApp), 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x7f),
		"damaged chunk":     damagedChunk,
		"unknown notice":    append(appendFrameHead(nil, 1), byte(recordNotice), 99, 1, 0, 0, 0, 0, 0, 0, 0, 0),
		"unknown answer":    append(appendFrameHead(nil, 1), byte(recordAnswer), 99, 0, 0, 0, 0, 0, 0, 0, 0, 0),
		"offer of no state": appendOffer(appendFrameHead(nil, 1), &offer{group: 1, id: 1, size: 5}),
	} {
		t.Run(name, func(t *testing.T) {
			if r := readAll(frame); !r.Bad() {
				t.Error("it was taken")
			}
		})
	}
}

func readAll(frame []byte) frameReader {
	r := openFrame(2, 1, frame)
	for {
		k, ok := r.next()
		if !ok {
			return r
		}
		switch k {
		case recordMessage:
			r.message()
		case recordHeartbeat:
			r.heartbeat()
		case recordNotice:
			r.notice()
		case recordOffer:
			r.offer()
		case recordChunk:
			r.chunk()
		case recordAnswer:
			r.answer()
		}
	}
}

// FuzzFrame: whatever comes, nothing panics, and what is understood is encoded to
// what means the same.
func FuzzFrame(f *testing.F) {
	f.Add(everyFrame())
	f.Add(appendNotice(appendFrameHead(nil, 1), notice{noticeRejoin, 1, 2, 0, 300}))
	f.Add(appendHeartbeat(appendFrameHead(nil, 1), heartbeat{seq: 1}))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, frame []byte) {
		r := openFrame(2, 1, frame)
		again := appendFrameHead(nil, r.epoch)
		var first []any
		for {
			k, ok := r.next()
			if !ok {
				break
			}
			before := again
			var v any
			switch k {
			case recordMessage:
				g, m := r.message()
				again, v = appendMessage(again, g, &m), m
			case recordHeartbeat:
				h := r.heartbeat()
				again, v = appendHeartbeat(again, h), h
			case recordNotice:
				n := r.notice()
				again, v = appendNotice(again, n), n
			case recordOffer:
				o := r.offer()
				again, v = appendOffer(again, &o), o
			case recordChunk:
				c := r.chunk()
				again, v = appendChunk(again, &c), c
			case recordAnswer:
				a := r.answer()
				again, v = appendAnswer(again, a), a
			}
			if r.Bad() {
				again = before
				break
			}
			first = append(first, v)
		}
		r = openFrame(2, 1, again)
		for _, want := range first {
			k, ok := r.next()
			if !ok {
				t.Fatalf("the encoding ends before %+v", want)
			}
			var got any
			switch k {
			case recordMessage:
				_, got = r.message()
			case recordHeartbeat:
				got = r.heartbeat()
			case recordNotice:
				got = r.notice()
			case recordOffer:
				got = r.offer()
			case recordChunk:
				got = r.chunk()
			case recordAnswer:
				got = r.answer()
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("got  %+v\nwant %+v", got, want)
			}
		}
	})
}

func TestEntriesComeBack(t *testing.T) {
	for name, data := range map[string][]string{
		"one": {"a"}, "some": {"a", "", "ccc", string(make([]byte, 200))}, "an empty one": {""}, "many": series("x", 300),
	} {
		t.Run(name, func(t *testing.T) {
			var props []Proposal
			size := 0
			for _, d := range data {
				props = append(props, Proposal{Data: []byte(d)})
				size += proposalSize([]byte(d))
			}
			e := appendEntry(nil, 123456789, props)
			if len(e) != entrySize(len(props), size) {
				t.Errorf("%d bytes, %d were foreseen", len(e), entrySize(len(props), size))
			}
			var b Batch
			if err := decodeEntry(e, &b); err != nil {
				t.Fatal(err)
			}
			if b.Time != 123456789 || b.Len() != len(data) {
				t.Errorf("%d proposals at %d", b.Len(), b.Time)
			}
			for i, got := range b.Proposals() {
				if string(got) != data[i] {
					t.Errorf("proposal %d is %q", i, got)
				}
			}
		})
	}
}

func TestBrokenEntries(t *testing.T) {
	good := appendEntry(nil, 1, []Proposal{{Data: []byte("abc")}})
	for name, data := range map[string][]byte{
		"version":        append([]byte{9}, good[1:]...),
		"short":          good[:5],
		"cut":            good[:len(good)-1],
		"too long":       append(good[:len(good):len(good)], 0),
		"count":          append(good[:entryHead:entryHead], 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1),
		"count, endless": append(good[:entryHead:entryHead], 0xff),
	} {
		t.Run(name, func(t *testing.T) {
			if err := decodeEntry(data, &Batch{}); !errors.Is(err, errEntry) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// FuzzEntry: nothing panics, and what is understood has all its proposals inside.
func FuzzEntry(f *testing.F) {
	f.Add([]byte{})
	f.Add(appendEntry(nil, 1, nil))
	f.Add(appendEntry(nil, 1<<60, []Proposal{{Data: []byte("abc")}, {}, {Data: make([]byte, 130)}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		var b Batch
		if decodeEntry(data, &b) != nil {
			return
		}
		n, size := 0, 0
		var props []Proposal
		for i, p := range b.Proposals() {
			if i != n {
				t.Fatalf("proposal %d is numbered %d", n, i)
			}
			n, size = n+1, size+len(p)
			props = append(props, Proposal{Data: p})
		}
		if n != b.Len() || size > len(data) {
			t.Fatalf("%d proposals of %d, %d bytes of %d", n, b.Len(), size, len(data))
		}
		if len(data) > 0 {
			var again Batch
			if err := decodeEntry(appendEntry(nil, b.Time, props), &again); err != nil || again.Len() != n || again.Time != b.Time {
				t.Fatalf("encoded again: %v", err)
			}
		}
	})
}
