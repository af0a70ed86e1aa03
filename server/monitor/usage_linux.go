package monitor

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// readProcess asks the kernel. Where it does not tell, as in a container that
// hides /proc, the runtime's numbers stand in.
func readProcess() (cpu time.Duration, mem int64) {
	cpu, cpuErr := processorTime()
	mem, memErr := residentMemory()
	if cpuErr == nil && memErr == nil {
		return cpu, mem
	}
	runtimeCPU, runtimeMem := readRuntime()
	if cpuErr != nil {
		cpu = runtimeCPU
	}
	if memErr != nil {
		mem = runtimeMem
	}
	return cpu, mem
}

// processorTime is what the process has used so far. getrusage counts finer than
// the clock ticks of /proc/self/stat.
func processorTime() (time.Duration, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, fmt.Errorf("getrusage: %w", err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}

func residentMemory() (int64, error) {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	pages, err := residentPages(statm)
	return pages * int64(os.Getpagesize()), err
}

// residentPages reads the second number of /proc/self/statm.
func residentPages(statm []byte) (int64, error) {
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return 0, fmt.Errorf("statm has %d fields, want at least 2", len(fields))
	}
	return strconv.ParseInt(string(fields[1]), 10, 64)
}
