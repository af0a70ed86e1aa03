package monitor

import (
	"strconv"
	"time"
)

// formatUptime writes d in whole seconds, the way people read an uptime:
// "1y2d3h4m5s". It starts with the largest unit that is not zero and names all
// that follow. A year has 365 days. A negative d, from a clock that was set
// back, is no time at all.
func formatUptime(d time.Duration) string {
	units := [...]struct {
		length time.Duration
		name   byte
	}{
		{365 * 24 * time.Hour, 'y'},
		{24 * time.Hour, 'd'},
		{time.Hour, 'h'},
		{time.Minute, 'm'},
		{time.Second, 's'},
	}
	d = max(d, 0)
	var text []byte
	for _, unit := range units {
		n := d / unit.length
		d %= unit.length
		if n > 0 || len(text) > 0 || unit.name == 's' {
			text = strconv.AppendInt(text, int64(n), 10)
			text = append(text, unit.name)
		}
	}
	return string(text)
}
