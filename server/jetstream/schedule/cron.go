package schedule

import (
	"math/bits"
	"strings"
	"time"
)

// horizon is how far ahead a cron pattern is looked for. The 29th of February can be
// eight years away, and a clock that is set may skip it a few times.
const horizonYears = 40

// cron is a cron pattern: which values each field may have, a bit each.
type cron struct {
	second, minute, hour set
	day, month, weekday  set
	// anyDay and anyWeekday are set if the field does not restrict.
	anyDay, anyWeekday bool
}

// set is a set of numbers below 64.
type set uint64

func (s set) has(n int) bool { return s>>n&1 != 0 }

// from is the least member that is n or more, 64 if there is none.
func (s set) from(n int) int {
	if n > 63 {
		return 64
	}
	return bits.TrailingZeros64(uint64(s >> n << n))
}

// field is what a field of a pattern can hold.
type field struct {
	low, high int
	// names stand for the numbers from low on.
	names []string
}

var (
	sixty    = field{0, 59, nil}
	hours    = field{0, 23, nil}
	days     = field{1, 31, nil}
	months   = field{1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}}
	weekdays = field{0, 6, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}}
)

func parseCron(pattern string) (*cron, error) {
	texts := strings.Fields(pattern)
	if len(texts) != 6 {
		return nil, ErrPattern
	}
	var c cron
	var free bool
	for i, f := range []struct {
		field
		set  *set
		free *bool
	}{
		{sixty, &c.second, &free},
		{sixty, &c.minute, &free},
		{hours, &c.hour, &free},
		{days, &c.day, &c.anyDay},
		{months, &c.month, &free},
		{weekdays, &c.weekday, &c.anyWeekday},
	} {
		var ok bool
		if *f.set, *f.free, ok = f.parse(texts[i]); !ok {
			return nil, ErrPattern
		}
	}
	// Any nine years in a row that begin with a leap year have all the dates there are.
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, ok := c.search(start, start.AddDate(9, 0, 0)); !ok {
		return nil, ErrPattern
	}
	return &c, nil
}

// parse reads the text of a field. free tells whether all values are allowed by a star.
func (f field) parse(text string) (s set, free, ok bool) {
	for item := range strings.SplitSeq(text, ",") {
		if item == "" {
			continue
		}
		span, stepText, hasStep := strings.Cut(item, "/")
		step := 1
		if hasStep {
			if step, ok = number(stepText); !ok || step == 0 {
				return 0, false, false
			}
		}
		low, high, ok := f.span(span, hasStep)
		if !ok {
			return 0, false, false
		}
		free = free || step == 1 && (span == "*" || span == "?")
		for n := low; n <= high; n += step {
			s |= 1 << n
		}
	}
	return s, free, s != 0
}

// span reads what is in front of a step: a star, a value or a range. With a step a
// single value begins a range.
func (f field) span(text string, hasStep bool) (low, high int, ok bool) {
	if text == "*" || text == "?" {
		return f.low, f.high, true
	}
	first, last, isRange := strings.Cut(text, "-")
	if low, ok = f.value(first); !ok {
		return 0, 0, false
	}
	switch {
	case isRange:
		high, ok = f.value(last)
		return low, high, ok && low <= high
	case hasStep:
		return low, f.high, true
	default:
		return low, low, true
	}
}

func (f field) value(text string) (n int, ok bool) {
	for i, name := range f.names {
		if strings.EqualFold(name, text) {
			return f.low + i, true
		}
	}
	n, ok = number(text)
	return n, ok && f.low <= n && n <= f.high
}

// number reads digits. What is too large to matter is the largest that it returns.
func number(text string) (n int, ok bool) {
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = min(n*10+int(c-'0'), 1000)
	}
	return n, text != ""
}

// next returns the first second after a time at which a clock in the zone shows what
// the pattern asks for.
//
// Between two changes of its clocks a zone is as regular as UTC, so each such period is
// searched by itself, with its clock taken for one of UTC.
func (c *cron) next(after time.Time, zone *time.Location) (at time.Time, ok bool) {
	t := after.Add(-time.Duration(after.Nanosecond())).Add(time.Second)
	horizon := t.AddDate(horizonYears, 0, 0)
	for t.Before(horizon) {
		_, end := t.In(zone).ZoneBounds()
		if end.IsZero() || end.After(horizon) {
			end = horizon
		}
		_, seconds := t.In(zone).Zone()
		offset := time.Duration(seconds) * time.Second
		if wall, ok := c.search(t.Add(offset).UTC(), end.Add(offset).UTC()); ok {
			at = wall.Add(-offset)
			return at, !at.After(latest)
		}
		t = end
	}
	return time.Time{}, false
}

// search returns the first time from t on and before end that fits, all of them as
// clocks show them. t is a whole second.
func (c *cron) search(t, end time.Time) (time.Time, bool) {
	for t.Before(end) {
		year, month, day := t.Date()
		hour, minute, second := t.Clock()
		switch h, m, s := c.hour.from(hour), c.minute.from(minute), c.second.from(second); {
		case !c.month.has(int(month)):
			t = time.Date(year, month+1, 1, 0, 0, 0, 0, time.UTC)
		case !c.fitsDay(day, t.Weekday()) || h > 23:
			t = time.Date(year, month, day+1, 0, 0, 0, 0, time.UTC)
		case h > hour:
			t = time.Date(year, month, day, h, 0, 0, 0, time.UTC)
		case m > 59:
			t = time.Date(year, month, day, hour+1, 0, 0, 0, time.UTC)
		case m > minute:
			t = time.Date(year, month, day, hour, m, 0, 0, time.UTC)
		case s > 59:
			t = time.Date(year, month, day, hour, minute+1, 0, 0, time.UTC)
		case s > second:
			t = time.Date(year, month, day, hour, minute, s, 0, time.UTC)
		default:
			return t, true
		}
	}
	return time.Time{}, false
}

func (c *cron) fitsDay(day int, weekday time.Weekday) bool {
	inMonth, inWeek := c.day.has(day), c.weekday.has(int(weekday))
	if c.anyDay || c.anyWeekday {
		return inMonth && inWeek
	}
	return inMonth || inWeek
}
