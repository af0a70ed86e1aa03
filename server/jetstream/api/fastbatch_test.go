package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestParseFastBatch(t *testing.T) {
	long := strings.Repeat("x", MaxBatchIDLength)
	batch := func(flow int, ok bool, seq uint64, op FastOp) FastBatch {
		return FastBatch{Inbox: []byte("_INBOX.a"), ID: []byte("id"), Flow: flow, GapOK: ok, Seq: seq, Op: op}
	}
	for _, tc := range []struct {
		reply string
		want  FastBatch
		err   *Error
	}{
		{"_INBOX.a.id.100.ok.1.0.$FI", batch(100, true, 1, FastStart), nil},
		{"_INBOX.a.id.100.fail.2.1.$FI", batch(100, false, 2, FastAppend), nil},
		{"_INBOX.a.id.0.ok.1.2.$FI", batch(10, true, 1, FastCommit), nil},
		{"_INBOX.a.id.-7.ok.2.3.$FI", batch(10, true, 2, FastCommitEnd), nil},
		{"_INBOX.a.id.1.ok.0.4.$FI", batch(1, true, 0, FastPing), nil},
		{"a." + long + ".1.ok.1.0.$FI", FastBatch{Inbox: []byte("a"), ID: []byte(long), Flow: 1, GapOK: true, Seq: 1}, nil},
		{"a." + long + "x.1.ok.1.0.$FI", FastBatch{}, ErrBatchPublishInvalidBatchID},
		{"_INBOX.a.id.1.ok.2.0.$FI", FastBatch{}, ErrBatchPublishInvalidPattern},
		{"_INBOX.a.id.1.ok.1.1.$FI", FastBatch{}, ErrBatchPublishInvalidPattern},
		{"_INBOX.a.id.1.ok.0.2.$FI", FastBatch{}, ErrBatchPublishInvalidPattern},
		{"_INBOX.a.id.1.ok.1.3.$FI", FastBatch{}, ErrBatchPublishInvalidPattern},
		{"_INBOX.a.id.1.ok.1.5.$FI", FastBatch{}, ErrBatchPublishInvalidPattern},
		{"_INBOX.a.id.1.ok.1.x.$FI", FastBatch{}, ErrBatchPublishInvalidPattern},
		{"_INBOX.a.id.1.ok.-1.0.$FI", FastBatch{}, ErrBatchPublishInvalidPattern},
		{"_INBOX.a.id.1.maybe.1.0.$FI", FastBatch{}, ErrBatchPublishInvalidPattern},
		{"_INBOX.a.id.x.ok.1.0.$FI", FastBatch{}, ErrBatchPublishInvalidPattern},
		{"_INBOX.a.id.2147483648.ok.1.0.$FI", FastBatch{}, ErrBatchPublishInvalidPattern},
		{"id.1.ok.1.0.$FI", FastBatch{}, ErrBatchPublishInvalidPattern},
		{"a..1.ok.1.0.$FI", FastBatch{}, ErrBatchPublishInvalidPattern},
		{"$FI", FastBatch{}, ErrBatchPublishInvalidPattern},
	} {
		got, err := ParseFastBatch([]byte(tc.reply))
		if err != tc.err || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s is %+v, %v", tc.reply, got, err)
		}
	}
	if !IsFastBatch([]byte("a.b.$FI")) || IsFastBatch([]byte("a.b.c")) || IsFastBatch(nil) {
		t.Error("replies are taken for what they are not")
	}
}

func FuzzFastBatch(f *testing.F) {
	f.Add([]byte("_INBOX.a.id.100.ok.1.0.$FI"))
	f.Add([]byte("_INBOX.a.id.-7.fail.18446744073709551615.3.$FI"))
	f.Fuzz(func(t *testing.T, reply []byte) {
		b, err := ParseFastBatch(reply)
		if err != nil {
			return
		}
		gap := "fail"
		if b.GapOK {
			gap = "ok"
		}
		again, err := ParseFastBatch(fmt.Appendf(nil, "%s.%s.%d.%s.%d.%d.$FI", b.Inbox, b.ID, b.Flow, gap, b.Seq, b.Op))
		if err != nil || !reflect.DeepEqual(b, again) {
			t.Fatalf("%q is %+v, then %+v, %v", reply, b, again, err)
		}
	})
}

func TestFastReplies(t *testing.T) {
	for got, want := range map[string]string{
		string(AppendFastAck(nil, 7, 100)): `{"type":"ack","seq":7,"msgs":100}`,
		string(AppendFastGap(nil, 7, 9)):   `{"type":"gap","last_seq":7,"seq":9}`,
		string(AppendFastError(nil, 7, ErrStreamMessageExceedsMaximum)): `{"type":"err","seq":7,"error":` +
			`{"code":400,"err_code":10054,"description":"message size exceeds maximum allowed"}}`,
	} {
		if got != want || !json.Valid([]byte(got)) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
