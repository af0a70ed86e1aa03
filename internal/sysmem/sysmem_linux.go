package sysmem

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// machine is the memory of the machine, or of the container as it sees itself.
func machine() int64 {
	var total int64
	var info syscall.Sysinfo_t
	if syscall.Sysinfo(&info) == nil {
		total = int64(info.Totalram) * int64(info.Unit)
	}
	for _, path := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := os.ReadFile(path)
		if err == nil {
			total = least(total, groupLimit(string(text)))
		}
	}
	return total
}

// groupLimit reads the limit of a control group, which is 0 if it has none.
func groupLimit(text string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0 // "max"
	}
	return n
}
