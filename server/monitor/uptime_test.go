package monitor

import (
	"testing"
	"time"
)

func TestFormatUptime(t *testing.T) {
	const day, year = 24 * time.Hour, 365 * 24 * time.Hour
	for _, test := range []struct {
		d    time.Duration
		want string
	}{
		{0, "0s"},
		{-time.Hour, "0s"},
		{time.Second - 1, "0s"},
		{time.Second, "1s"},
		{59 * time.Second, "59s"},
		{time.Minute, "1m0s"},
		{81 * time.Second, "1m21s"},
		{time.Hour, "1h0m0s"},
		{day - time.Second, "23h59m59s"},
		{day, "1d0h0m0s"},
		{day + 2*time.Hour + 3*time.Minute + 4*time.Second, "1d2h3m4s"},
		{year - time.Second, "364d23h59m59s"},
		{year, "1y0d0h0m0s"},
		{year + 2*day + 3*time.Hour + 4*time.Minute + 5*time.Second, "1y2d3h4m5s"},
		{1<<63 - 1, "292y171d23h47m16s"},
	} {
		if got := formatUptime(test.d); got != test.want {
			t.Errorf("formatUptime(%d) = %q, want %q", test.d, got, test.want)
		}
	}
}
