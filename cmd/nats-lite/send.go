package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
)

// sender finds running servers and sends them signals.
type sender struct {
	// program is the process name of servers.
	program string
	// self is the process that is left out: the sender is of that name, too.
	self int
	// proc is the process file system, as Linux has it in /proc.
	proc fs.FS
}

// newSender gives a sender to the servers of this machine.
func newSender() sender {
	return sender{program: program, self: os.Getpid(), proc: os.DirFS("/proc")}
}

// send carries out the value of the flag --signal, which is "SIGNAL" or
// "SIGNAL=TARGET". The target is a process id, the path of a file that holds
// one, or a prefix of process ids followed by "*", which means every server with
// such an id. Without a target there must be exactly one server running.
func (s sender) send(command string) error {
	name, target, _ := strings.Cut(command, "=")
	sig, ok := signalNames[name]
	if !ok {
		return fmt.Errorf("unknown signal %q", name)
	}
	pids, err := s.resolve(target)
	if err != nil {
		return err
	}
	var failed []error
	for _, pid := range pids {
		if err := kill(pid, sig); err != nil {
			failed = append(failed, fmt.Errorf("cannot send signal %q to process %d: %w", name, pid, err))
		}
	}
	return errors.Join(failed...)
}

// resolve gives the process ids that a target means, at least one.
func (s sender) resolve(target string) ([]int, error) {
	prefix, glob := strings.CutSuffix(target, "*")
	if target != "" && !glob {
		pid, err := readTarget(target)
		if err != nil {
			return nil, err
		}
		return []int{pid}, nil
	}
	pids, err := s.running()
	if err != nil {
		return nil, err
	}
	pids = slices.DeleteFunc(pids, func(pid int) bool {
		return !strings.HasPrefix(strconv.Itoa(pid), prefix)
	})
	switch {
	case len(pids) == 0:
		return nil, fmt.Errorf("no %s processes running", s.program)
	case len(pids) > 1 && !glob:
		list := fmt.Sprintf("multiple %s processes running:", s.program)
		for _, pid := range pids {
			list += "\n" + strconv.Itoa(pid)
		}
		return nil, errors.New(list)
	}
	return pids, nil
}

// readTarget reads a process id, or the file that holds it.
func readTarget(target string) (int, error) {
	if _, err := strconv.ParseUint(target, 10, 64); err == nil {
		return parsePid(target)
	}
	content, err := os.ReadFile(target)
	if err != nil {
		return 0, err
	}
	pid, err := parsePid(strings.TrimSpace(string(content)))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", target, err)
	}
	return pid, nil
}

// parsePid reads the id of one process. To the kernel 0 and negative numbers
// mean groups of processes, and greater ones than an int32 are cut to that.
func parsePid(text string) (int, error) {
	pid, err := strconv.Atoi(text)
	if err != nil || pid <= 0 || pid > math.MaxInt32 {
		return 0, fmt.Errorf("invalid process id %q", text)
	}
	return pid, nil
}

// running gives the ids of the running servers in ascending order.
func (s sender) running() ([]int, error) {
	entries, err := fs.ReadDir(s.proc, ".")
	if err != nil {
		return nil, fmt.Errorf("cannot list processes, name one by its id: %w", err)
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == s.self {
			continue
		}
		stat, err := fs.ReadFile(s.proc, entry.Name()+"/stat")
		if err != nil {
			continue // it has ended since it was listed
		}
		if name, alive := parseStat(string(stat)); alive && name == s.program {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids, nil
}

// parseStat reads the start of /proc/PID/stat: "4711 (name) S …". The name may
// hold any character, parentheses and blanks as well; a process in state Z or X
// has ended.
func parseStat(stat string) (name string, alive bool) {
	open, end := strings.IndexByte(stat, '('), strings.LastIndex(stat, ") ")
	if open < 0 || end < open || end+2 >= len(stat) {
		return "", false
	}
	state := stat[end+2]
	return stat[open+1 : end], state != 'Z' && state != 'X'
}
