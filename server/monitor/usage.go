package monitor

import (
	"math"
	"runtime/metrics"
	"sync"
	"time"
)

// minUsageInterval is the shortest time over which processor use is measured.
// Shorter ones would be noise, and several readers would cut each other's
// intervals to nothing.
const minUsageInterval = time.Second

// Usage is what the process takes from its machine.
type Usage struct {
	// CPU is in percent of one core, to a tenth; a process that keeps two cores
	// busy has 200.
	CPU float64
	// Mem is the resident memory in bytes.
	Mem int64
}

// ProcessUsage measures the process that it runs in. It measures when it is
// asked, so it costs nothing while nobody asks: the processor use is the mean
// since the previous measurement, which lies at least a second back.
type ProcessUsage struct {
	now  func() time.Time
	read func() (cpu time.Duration, mem int64)

	mu     sync.Mutex
	at     time.Time     // of the last measurement
	cpu    time.Duration // processor time used until then
	latest Usage
}

// NewProcessUsage returns a ProcessUsage that takes the time from now and has
// its first measurement behind it.
func NewProcessUsage(now func() time.Time) *ProcessUsage {
	return newProcessUsage(now, readProcess)
}

func newProcessUsage(now func() time.Time, read func() (time.Duration, int64)) *ProcessUsage {
	p := &ProcessUsage{now: now, read: read, at: now()}
	p.cpu, p.latest.Mem = read()
	return p
}

// Sample returns the latest measurement, making a new one if it is due.
func (p *ProcessUsage) Sample() Usage {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	elapsed := now.Sub(p.at)
	if elapsed >= 0 && elapsed < minUsageInterval {
		return p.latest
	}
	cpu, mem := p.read()
	p.latest.Mem = mem
	if elapsed > 0 {
		percent := 100 * float64(cpu-p.cpu) / float64(elapsed)
		p.latest.CPU = max(0, math.Round(percent*10)/10)
	}
	// A clock that was set back starts a new interval.
	p.at, p.cpu = now, cpu
	return p.latest
}

// readRuntime is what the Go runtime knows of the process. Its processor time
// moves on only with garbage collections, and its memory is what was mapped and
// not given back, so it is the fallback where the system cannot be asked.
func readRuntime() (cpu time.Duration, mem int64) {
	samples := []metrics.Sample{
		{Name: "/cpu/classes/total:cpu-seconds"},
		{Name: "/cpu/classes/idle:cpu-seconds"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	seconds := samples[0].Value.Float64() - samples[1].Value.Float64()
	mem = int64(samples[2].Value.Uint64() - samples[3].Value.Uint64())
	return time.Duration(seconds * float64(time.Second)), mem
}
