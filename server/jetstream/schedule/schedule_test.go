package schedule

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the tests below are about zones that change their clocks
)

func date(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestNext(t *testing.T) {
	for _, tc := range []struct {
		pattern, zone string
		after, want   string
	}{
		{"* * * * * *", "", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"},
		{"* * * * * *", "", "2026-01-01T00:00:00.999999999Z", "2026-01-01T00:00:01Z"},
		{"0 0 0 1 1 *", "", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"@yearly", "", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"@annually", "", "2025-12-31T23:59:59.5Z", "2026-01-01T00:00:00Z"},
		{"@monthly", "", "2026-12-02T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"@weekly", "", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"},
		{"@daily", "", "2026-02-28T12:00:00Z", "2026-03-01T00:00:00Z"},
		{"@midnight", "", "2028-02-28T12:00:00Z", "2028-02-29T00:00:00Z"},
		{"@hourly", "", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"},
		{"0 30 9 * * MON-FRI", "", "2026-01-02T09:30:00Z", "2026-01-05T09:30:00Z"},
		{"0 30 9 * * mon-Fri", "", "2026-01-02T09:29:00Z", "2026-01-02T09:30:00Z"},
		{"*/20 * * * * *", "", "2026-01-01T00:00:40Z", "2026-01-01T00:01:00Z"},
		{"5/20 * * * * *", "", "2026-01-01T00:00:25Z", "2026-01-01T00:00:45Z"},
		{"1-30/10 * * * * *", "", "2026-01-01T00:00:21Z", "2026-01-01T00:01:01Z"},
		{"7,,9, * * * * *", "", "2026-01-01T00:00:07Z", "2026-01-01T00:00:09Z"},
		{"+5 * * * * *", "", "", ""},
		{"0 0 0 29 2 *", "", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"},
		{"0 0 0 31 * *", "", "2026-04-01T00:00:00Z", "2026-05-31T00:00:00Z"},
		{"0 0 0 1 JAN-mar/2 *", "", "2026-01-15T00:00:00Z", "2026-03-01T00:00:00Z"},
		// Both days restricted: one has to fit. 2026-01-02 is a Friday.
		{"0 0 0 13 * FRI", "", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"},
		{"0 0 0 13 * FRI", "", "2026-01-09T00:00:00Z", "2026-01-13T00:00:00Z"},
		{"0 0 0 ? * FRI", "", "2026-01-09T00:00:00Z", "2026-01-16T00:00:00Z"},
		// A star with a step restricts.
		{"0 0 0 */31 * MON", "", "2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z"},

		{"0 0 9 * * *", "Europe/Berlin", "2026-03-28T09:00:00Z", "2026-03-29T07:00:00Z"},
		{"0 0 0 1 1 *", "Asia/Kolkata", "2026-06-01T00:00:00Z", "2026-12-31T18:30:00Z"},
		// 02:30 is skipped on the 29th.
		{"0 30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"},
		// On October 25 it comes twice.
		{"0 30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
		{"0 30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},
		{"0 30 2 * * *", "Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"},
		// Samoa had no December 30 in 2011.
		{"0 0 12 30 12 *", "Pacific/Apia", "2011-01-01T00:00:00Z", "2012-12-29T22:00:00Z"},

		{"@every 90s", "", "2026-01-01T00:00:00.7Z", "2026-01-01T00:01:30Z"},
		{"@every 1500ms", "", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"},
		{"@every 2540400h", "", "2026-01-01T00:00:00Z", ""},
	} {
		t.Run(tc.pattern+" after "+tc.after, func(t *testing.T) {
			var z *time.Location
			if tc.zone != "" {
				z = zone(t, tc.zone)
			}
			s, err := Parse(tc.pattern, z)
			if tc.after == "" {
				if !errors.Is(err, ErrPattern) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			at, ok := s.Next(date(t, tc.after))
			if tc.want == "" {
				if ok {
					t.Errorf("next is %v", at)
				}
				return
			}
			if got := at.Format(time.RFC3339Nano); !ok || got != tc.want {
				t.Errorf("next is %s, want %s", got, tc.want)
			}
			if s.Once() {
				t.Error("only once")
			}
			if first, ok := s.First(date(t, tc.after)); !ok || !first.Equal(at) {
				t.Errorf("first is %v", first)
			}
		})
	}
}

func TestAt(t *testing.T) {
	s, err := Parse("@at 2020-01-01T01:00:00.5+01:00", nil)
	if err != nil {
		t.Fatal(err)
	}
	at, ok := s.First(date(t, "2026-01-01T00:00:00Z"))
	if got := at.Format(time.RFC3339Nano); !ok || got != "2020-01-01T00:00:00.5Z" {
		t.Errorf("first is %s", got)
	}
	if _, ok := s.Next(at); ok || !s.Once() {
		t.Error("there is a second time")
	}
}

func TestParseErrors(t *testing.T) {
	for _, pattern := range []string{
		"", "@at", "@at ", "@at 2040-01-01", "@at  2040-01-01T00:00:00Z", "@AT 2040-01-01T00:00:00Z", "@at 9999-01-01T00:00:00Z",
		"@every", "@every 500ms", "@every 0s", "@every -1s", "@every 1", "@every  5s", "@reboot", "@Yearly",
		"* * * * *", "* * * * * * *", "0 0 0 1 January *", "0 0 0 * * 7", "0 0 0 * * FRI-MON", "0 0 0 * * 5-1",
		"60 * * * * *", "* 60 * * * *", "* * 24 * * *", "* * * 0 * *", "* * * 32 * *", "* * * * 0 *", "* * * * 13 *",
		"1-2-3 * * * * *", "*/0 * * * * *", "*-5 * * * * *", "-5 * * * * *", "5- * * * * *", "a * * * * *", ", * * * * *",
		"*/5/2 * * * * *", "*/ * * * * *", "/5 * * * * *", "0 0 0 30 2 *", "0 0 0 31 2,4,6,9,11 *", "0 0 0 L * *",
		"0 0 0 * * 1#2", "0 0 0 15W * *", "TZ=UTC 0 0 0 1 1 *", "99999999999999999999 * * * * *",
	} {
		if s, err := Parse(pattern, nil); !errors.Is(err, ErrPattern) {
			t.Errorf("%q gives %+v, error %v", pattern, s, err)
		}
	}
	for _, pattern := range []string{"@at 2040-01-01T00:00:00Z", "@every 1h"} {
		if _, err := Parse(pattern, time.UTC); !errors.Is(err, ErrPattern) {
			t.Errorf("%q has a time zone, error %v", pattern, err)
		}
	}
}

// obvious is the slow way: to look at the clock every second.
func obvious(c *cron, after time.Time, z *time.Location, within time.Duration) (time.Time, bool) {
	for t := after.Truncate(time.Second).Add(time.Second); t.Sub(after) <= within; t = t.Add(time.Second) {
		w := t.In(z)
		if c.month.has(int(w.Month())) && c.fitsDay(w.Day(), w.Weekday()) &&
			c.hour.has(w.Hour()) && c.minute.has(w.Minute()) && c.second.has(w.Second()) {
			return t, true
		}
	}
	return time.Time{}, false
}

func TestCronAgainstTheClock(t *testing.T) {
	// Places and days where clocks were set: by an hour, by half an hour, a minute past
	// midnight, by a whole day, from an offset with odd seconds, and not at all.
	days := []struct{ zone, around string }{
		{"UTC", "2026-02-28T20:00:00Z"},
		{"Europe/Berlin", "2026-03-29T00:00:00Z"},
		{"Europe/Berlin", "2026-10-25T00:00:00Z"},
		{"Australia/Lord_Howe", "2026-04-04T14:30:00Z"},
		{"Australia/Lord_Howe", "2026-10-03T15:00:00Z"},
		{"America/St_Johns", "2006-04-02T03:30:00Z"},
		{"America/St_Johns", "2006-10-29T02:30:00Z"},
		{"Pacific/Apia", "2011-12-30T10:00:00Z"},
		{"Africa/Monrovia", "1972-01-07T00:44:30Z"},
		{"America/Sao_Paulo", "2018-11-04T03:00:00Z"},
	}
	const within = 4 * time.Hour
	for _, seed := range []uint64{1, 2, 3} {
		r := rand.New(rand.NewPCG(seed, 7))
		found := 0
		for range 120 {
			d := days[r.IntN(len(days))]
			pattern := randomPattern(r)
			c, err := parseCron(pattern)
			if err != nil {
				continue
			}
			z := zone(t, d.zone)
			after := date(t, d.around).Add(time.Duration(r.Int64N(int64(6*time.Hour))) - 4*time.Hour)
			want, there := obvious(c, after, z, within)
			got, ok := c.next(after, z)
			if there && (!ok || !got.Equal(want)) {
				t.Fatalf("seed %d: %q in %s after %v is %v, want %v", seed, pattern, d.zone, after, got.In(z), want.In(z))
			}
			if !there && ok && got.Sub(after) <= within {
				t.Fatalf("seed %d: %q in %s after %v is %v, want none so soon", seed, pattern, d.zone, after, got.In(z))
			}
			if there {
				found++
			}
		}
		if found < 30 {
			t.Errorf("seed %d: only %d were due at all", seed, found)
		}
	}
}

func randomPattern(r *rand.Rand) string {
	item := func(low, high int) string {
		a, b := low+r.IntN(high-low+1), low+r.IntN(high-low+1)
		switch r.IntN(6) {
		case 0:
			return fmt.Sprintf("%d-%d", min(a, b), max(a, b))
		case 1:
			return fmt.Sprintf("%d/%d", a, 1+r.IntN(20))
		case 2:
			return fmt.Sprintf("*/%d", 1+r.IntN(20))
		case 3:
			return fmt.Sprintf("%d,%d", a, b)
		case 4:
			return fmt.Sprint(a)
		default:
			return "*"
		}
	}
	day := func(low, high int) string {
		if r.IntN(2) == 0 {
			return "*"
		}
		return item(low, high)
	}
	return strings.Join([]string{item(0, 59), item(0, 59), item(0, 23), day(1, 31), "*", day(0, 6)}, " ")
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{
		"@at 2040-01-01T00:00:00Z", "@every 1h", "@daily", "0 30 9 * * MON-FRI", "*/5,1-30/7,59 * * 29 feb ?", "0 0 0 31 12 SUN",
	} {
		f.Add(pattern, int64(1_700_000_000))
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, pattern string, unix int64) {
		unix %= 4_000_000_000
		for _, z := range []*time.Location{nil, berlin} {
			s, err := Parse(pattern, z)
			if err != nil {
				continue
			}
			after := time.Unix(unix, 5)
			first, ok := s.First(after)
			if s.Once() {
				continue
			}
			if ok && (!first.After(after) || first.Nanosecond() != 0) {
				t.Fatalf("%q is due at %v, after %v", pattern, first, after)
			}
			if !ok && s.cron != nil {
				t.Fatalf("%q is never due after %v", pattern, after)
			}
			if next, ok := s.Next(first); ok && !next.After(first) {
				t.Fatalf("%q is due at %v, then at %v", pattern, first, next)
			}
		}
	})
}

func BenchmarkNext(b *testing.B) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		b.Fatal(err)
	}
	for _, pattern := range []string{"* * * * * *", "0 30 9 * * MON-FRI", "0 0 0 29 2 *"} {
		b.Run(pattern, func(b *testing.B) {
			s, err := Parse(pattern, berlin)
			if err != nil {
				b.Fatal(err)
			}
			at := time.Unix(1_700_000_000, 0)
			b.ReportAllocs()
			for b.Loop() {
				s.Next(at)
			}
		})
	}
}
