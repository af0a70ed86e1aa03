//go:build !linux

package monitor

import "time"

func readProcess() (cpu time.Duration, mem int64) { return readRuntime() }
