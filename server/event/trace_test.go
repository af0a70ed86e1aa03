package event

import (
	"strconv"
	"strings"
	"testing"
)

const (
	traceID  = "4bf92f3577b34da6a3ce929d0e0e4736"
	parentID = "00f067aa0ba902b7"
)

var traceparents = []struct {
	value   string
	sampled bool
}{
	{"00-" + traceID + "-" + parentID + "-01", true},
	{"00-" + traceID + "-" + parentID + "-03", true},
	{"00-" + traceID + "-" + parentID + "-0f", true},
	{"00-" + traceID + "-" + parentID + "-0F", true},
	{"00-" + traceID + "-" + parentID + "-71", true},
	{"00-" + strings.ToUpper(traceID) + "-" + parentID + "-01", true},
	{"cc-" + traceID + "-" + parentID + "-01", true},
	{"00-" + traceID + "-" + parentID + "-00", false},
	{"00-" + traceID + "-" + parentID + "-02", false},
	{"00-" + traceID + "-" + parentID + "-fe", false},
	{"00-" + traceID + "-" + parentID + "-10", false},
	{"00-" + traceID + "-" + parentID + "-1", false},
	{"00-" + traceID + "-" + parentID + "-001", false},
	{"00-" + traceID + "-" + parentID + "-g1", false},
	{"00-" + traceID + "-" + parentID + "-0g", false},
	{"00-" + traceID + "-" + parentID + "--1", false},
	{"00-" + traceID + "-" + parentID + "-+1", false},
	{"00-" + traceID + "-" + parentID + "-01-more", false},
	{"00-" + traceID + "-" + parentID, false},
	{"00-" + traceID + "-01", false},
	{"01", false},
	{"-01", false},
	{"---", false},
	{"", false},
}

func TestSampled(t *testing.T) {
	for _, tc := range traceparents {
		if got := Sampled([]byte(tc.value)); got != tc.sampled {
			t.Errorf("%q: %t", tc.value, got)
		}
	}
}

// Does Sampled agree with the plain version, and survive whatever is in the
// header?
func FuzzSampled(f *testing.F) {
	for _, tc := range traceparents {
		f.Add(tc.value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		want := false
		if fields := strings.Split(value, "-"); len(fields) == 4 && len(fields[3]) == 2 {
			// ParseUint takes digits only: no sign, and no underscore in a
			// given base.
			flags, err := strconv.ParseUint(fields[3], 16, 8)
			want = err == nil && flags&1 == 1
		}
		if got := Sampled([]byte(value)); got != want {
			t.Errorf("%q: %t", value, got)
		}
	})
}
