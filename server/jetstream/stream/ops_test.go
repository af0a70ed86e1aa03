package stream

import (
	"encoding/hex"
	"testing"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// TestOpsOnDisk has the bytes of each op: logs are full of them.
func TestOpsOnDisk(t *testing.T) {
	m := &Message{Subject: []byte("s.x"), Header: []byte("H"), Data: []byte("dd")}
	scheduled := &Message{Subject: []byte("s.x"), Plan: Plan{Verdict: Scheduled, Due: 300}}
	for _, tc := range []struct {
		name string
		op   []byte
		want string
	}{
		{"store", AppendStore(nil, m), "0101" + "00030102" + "732e78" + "48" + "6464"},
		{"schedule", AppendStore(nil, scheduled), "0101" + "01d804030000" + "732e78"},
		{"batch", batchOp(m, m), "0201" + "02" + "00030102732e78486464" + "00030102732e78486464"},
		{"fast", AppendFast(nil, &FastInfo{ID: []byte("b"), Seq: 300, Start: true, GapOK: true}, m), "0301" + "05" + "0162" + "ac02" + "00030102732e78486464"},
		{"fast commit", AppendFast(nil, &FastInfo{ID: []byte("b"), Seq: 2, Commit: true}, m), "0301" + "02" + "0162" + "02" + "00030102732e78486464"},
		{"fast end", AppendFastEnd(nil, []byte("b"), 7), "0401" + "0162" + "07"},
		{"delete", AppendDelete(nil, 300, true), "0501" + "ac02" + "01"},
		{"purge", AppendPurge(nil, "s.*", 5, 6), "0601" + "03732e2a" + "05" + "06"},
		{"advance", appendFiring(appendFiring(appendOp(nil, KindAdvance), 5, 300), 6, 0), "0701" + "05d804" + "0600"},
		{"config", AppendConfig(nil, []byte("{}")), "0801" + "027b7d"},
		{"copy", AppendCopy(nil, 5, 300, m), "0901" + "05" + "d804" + "00030102732e78486464"},
		{"skip", AppendSkip(nil, 300), "0a01" + "ac02"},
		{"source", AppendSource(nil, &Origin{Source: "k", Identity: "i", Seq: 5, Subject: []byte("o")}, m), "0b01" + "016b" + "0169" + "05" + "016f" + "00030102732e78486464"},
		{"acked", AppendAcked(nil, "c", 5, []store.Range{{First: 7, Last: 7}, {First: 10, Last: 19}}), "0c01" + "0163" + "05" + "02" + "0200" + "0309"},
		{"consumer", AppendConsumer(nil, "c", 5, true, []string{"a", "b"}), "0d01" + "0163" + "05" + "01" + "02" + "0161" + "0162"},
		{"consumer gone", AppendConsumerGone(nil, "c"), "0e01" + "0163"},
		{"reset", AppendReset(nil, 5), "0f01" + "05"},
		{"restore", AppendRestore(nil, 5, 300, m), "1001" + "05" + "d804" + "00030102732e78486464"},
		{"restore end", AppendRestoreEnd(nil, 300, 300), "1101" + "ac02" + "d804"},
	} {
		if got := hex.EncodeToString(tc.op); got != tc.want {
			t.Errorf("%s is %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestKindsHaveNames(t *testing.T) {
	for k := range Kind(len(appliers) - 1) {
		if (appliers[k] != nil) != (k.String()[:min(7, len(k.String()))] != "unknown") {
			t.Errorf("kind %d is called %q", uint8(k), k)
		}
	}
	if got := Kind(200).String(); got != "unknown (200)" {
		t.Errorf("kind 200 is called %q", got)
	}
}
