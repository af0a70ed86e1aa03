package api

import (
	"encoding/json"
	"fmt"
	"testing"
)

func TestEnums(t *testing.T) {
	testEnum[Retention](t, "can not unmarshal %q", "limits", "interest", "workqueue")
	testEnum[Discard](t, "can not unmarshal %q", "old", "new")
	testEnum[Storage](t, "can not unmarshal %q", "file", "memory")
	testEnum[Compression](t, "unknown compression algorithm", "none", "s2")
	testEnum[PersistMode](t, "can not unmarshal %q", "default", "async")
	testEnum[DeliverPolicy](t, "can not unmarshal %q", "all", "last", "new", "by_start_sequence", "by_start_time", "last_per_subject")
	testEnum[AckPolicy](t, "can not unmarshal %q", "none", "all", "explicit", "flow_control")
	testEnum[ReplayPolicy](t, "can not unmarshal %q", "instant", "original")
	testEnum[PriorityPolicy](t, "unknown priority policy: %s", "none", "overflow", "pinned_client", "prioritized")
	testEnum[Action](t, "unknown consumer action: %s", "", "create", "update")
}

// testEnum checks that the values of E from 0 on have these names and no others have
// one. The failure is the text for what is no name; it may have a verb for that.
func testEnum[E interface {
	~uint8
	fmt.Stringer
	json.Marshaler
}](t *testing.T, failure string, names ...string) {
	for i, name := range names {
		text, err := json.Marshal(E(i))
		if err != nil || string(text) != `"`+name+`"` || E(i).String() != name {
			t.Errorf("%T(%d) is %s, %s, %v", E(0), i, E(i), text, err)
		}
		back := E(200)
		if err := json.Unmarshal(text, &back); err != nil || back != E(i) {
			t.Errorf("%T %s is read as %d, %v", E(0), text, back, err)
		}
	}
	none := E(len(names))
	if text, err := json.Marshal(none); err == nil {
		t.Errorf("%T(%d) is marshalled as %s", none, none, text)
	}
	if got := none.String(); got != fmt.Sprint(len(names)) {
		t.Errorf("%T(%d) is told as %q", none, len(names), got)
	}
	for _, text := range []string{`"foo"`, "1", "null", "{}", `["old"]`} {
		want := failure
		if len(failure) > 2 && failure[len(failure)-2] == '%' {
			want = fmt.Sprintf(failure, text)
		}
		e := E(1)
		if err := json.Unmarshal([]byte(text), &e); err == nil || err.Error() != want || e != 1 {
			t.Errorf("%T from %s: %d, %v; want %s", e, text, e, err, want)
		}
	}
}

// The names may be written with escapes, as every JSON string.
func TestEnumEscapes(t *testing.T) {
	var r Retention
	if err := json.Unmarshal([]byte(`"workq\u0075eue"`), &r); err != nil || r != RetainWorkQueue {
		t.Errorf("%v, %v", r, err)
	}
}
