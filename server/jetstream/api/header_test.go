package api

import (
	"math"
	"testing"
	"time"
)

func TestParseTTL(t *testing.T) {
	for value, want := range map[string]TTL{
		"":                     0,
		"never":                NeverExpires,
		"NEVER":                NeverExpires,
		"1":                    1,
		"05":                   5,
		"3600":                 3600,
		"99999999999999999999": math.MaxInt64,
		"1s":                   1,
		"1500ms":               1,
		"1000000000ns":         1,
		"1h30m":                5400,
		"2562047h":             2562047 * 3600,
	} {
		if got, err := ParseTTL([]byte(value)); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", value, got, err, want)
		}
	}
	for _, value := range []string{"0", "00", "-1", "+5", "0s", "500ms", "999999999ns", "-1s", "1d", "1.5", "1e3", "0x10", "1_000", "2562048h", "x", " "} {
		if got, err := ParseTTL([]byte(value)); err != ErrMessageTTLInvalid {
			t.Errorf("%q is %d, %v", value, got, err)
		}
	}
}

func TestExpires(t *testing.T) {
	const now = 1_700_000_000_000_000_000
	for _, tc := range []struct {
		ttl    TTL
		stored int64
		want   int64
		ok     bool
	}{
		{0, now, 0, false},
		{NeverExpires, now, 0, false},
		{1, now, now + int64(time.Second), true},
		{math.MaxInt64, now, 0, false},
		{(math.MaxInt64 - now) / 1_000_000_000, now, now + (math.MaxInt64-now)/1_000_000_000*1_000_000_000, true},
		{(math.MaxInt64-now)/1_000_000_000 + 1, now, 0, false},
		{5, -3e9, 2e9, true},
	} {
		if at, ok := tc.ttl.Expires(tc.stored); at != tc.want || ok != tc.ok {
			t.Errorf("%d from %d: %d, %v", tc.ttl, tc.stored, at, ok)
		}
	}
}

func FuzzParseTTL(f *testing.F) {
	for _, s := range []string{"", "never", "5", "1h30m", "99999999999999999999", "1500ms"} {
		f.Add([]byte(s), int64(1_700_000_000_000_000_000))
	}
	f.Fuzz(func(t *testing.T, value []byte, stored int64) {
		ttl, err := ParseTTL(value)
		if err != nil {
			return
		}
		if ttl < NeverExpires || ttl == 0 && len(value) > 0 {
			t.Fatalf("%q is %d", value, ttl)
		}
		if at, ok := ttl.Expires(stored); ok && at <= stored {
			t.Fatalf("%q, stored at %d, expires at %d", value, stored, at)
		}
	})
}

func TestParseRollup(t *testing.T) {
	for value, want := range map[string]Rollup{"": NoRollup, "sub": RollupOfSubject, "SUB": RollupOfSubject, "all": RollupOfStream, "All": RollupOfStream} {
		if got, err := ParseRollup([]byte(value)); err != nil || got != want {
			t.Errorf("%q is %d, %v", value, got, err)
		}
	}
	_, err := ParseRollup([]byte("x"))
	if want := `rollup value invalid: "x"`; err == nil || err.Description != want || err.ErrCode != ErrStreamRollupFailed.ErrCode {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestCheckLevel(t *testing.T) {
	for value, ok := range map[string]bool{"": true, "0": true, "5": true, "6": false, "-1": false, "x": false, "5.0": false, "99999999999999999999999": false} {
		if err := CheckLevel([]byte(value)); (err == nil) != ok || err != nil && err != ErrRequiredApiLevel {
			t.Errorf("%q: %v", value, err)
		}
	}
}
