package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	only := flag.String("run", "", "only mutants whose name or file matches this expression")
	all := flag.Bool("all", false, "run every stage, even if one before has killed the mutant")
	limit := flag.Duration("timeout", 3*time.Minute, "time for one stage; a mutant that takes longer is killed by that")
	first := flag.Bool("first", false, "run only the first stage, the tests of the package that is changed")
	stage := flag.String("stage", "", "run only the stage of this name; mutants without one are left out")
	seeds := flag.Int("seeds", 200, "how many seeds the simulator runs")
	verbose := flag.Bool("v", false, "show the output of what kills a mutant")
	flag.Parse()
	match, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	root, err := moduleRoot()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	r := runner{root: root, limit: *limit, all: *all, verbose: *verbose}
	var ran, survived, broken int
	begin := time.Now()
	fmt.Printf("| mutant | file | killed by | time |\n| --- | --- | --- | --- |\n")
	for _, m := range table {
		if !match.MatchString(m.Name) && !match.MatchString(m.File) {
			continue
		}
		list := choose(stages(m, *seeds), *first, *stage)
		if len(list) == 0 {
			continue
		}
		ran++
		start := time.Now()
		killers, err := r.run(m, list)
		by := strings.Join(killers, ", ")
		switch {
		case err != nil:
			fmt.Fprintf(os.Stderr, "%s: %v\n", m.Name, err)
			by = "**not run**"
			broken++
		case len(killers) == 0:
			by = "**nothing**"
			survived++
		}
		fmt.Printf("| %s | %s | %s | %.0f s |\n", m.Name, m.File, by, time.Since(start).Seconds())
	}
	if ran == 0 {
		fmt.Fprintln(os.Stderr, "no mutant has such a name and such a stage")
		os.Exit(2)
	}
	fmt.Printf("\n%d mutants, %d killed, %d survived, %d not run, %.0f s\n",
		ran, ran-survived-broken, survived, broken, time.Since(begin).Seconds())
	if survived+broken > 0 {
		os.Exit(1)
	}
}

// choose returns the stages that are wanted.
func choose(list []stage, first bool, name string) []stage {
	if first {
		list = list[:1]
	}
	if name != "" {
		list = slices.DeleteFunc(list, func(s stage) bool { return s.name != name })
	}
	return list
}

func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}

// runner runs stages against mutants.
type runner struct {
	root    string
	limit   time.Duration
	all     bool
	verbose bool
}

// run returns the names of those stages that have killed a mutant.
func (r *runner) run(m Mutant, list []stage) (killers []string, err error) {
	dir, err := os.MkdirTemp("", "mutant-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	overlay, err := r.overlay(dir, m)
	if err != nil {
		return nil, err
	}
	if out, err := r.goCommand(overlay, []string{"vet", "./" + filepath.Dir(m.File)}); err != nil {
		return nil, fmt.Errorf("it does not compile: %w\n%s", err, out)
	}
	for _, s := range list {
		out, err := r.goCommand(overlay, append([]string{"test", "-count=1", "-failfast"}, s.args...))
		if err == nil {
			continue
		}
		if r.verbose {
			fmt.Fprintf(os.Stderr, "%s: %s:\n%s\n", m.Name, s.name, tail(out, 40))
		}
		t := failedTest(out)
		if t == "" {
			return nil, fmt.Errorf("stage %s has not run: %w\n%s", s.name, err, tail(out, 40))
		}
		killers = append(killers, s.name+" "+t)
		if !r.all {
			break
		}
	}
	return killers, nil
}

// overlay writes the changed file and the description by which the compiler finds
// it.
func (r *runner) overlay(dir string, m Mutant) (string, error) {
	original := filepath.Join(r.root, m.File)
	src, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	changed, err := m.Apply(src)
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, filepath.Base(m.File))
	if err := os.WriteFile(file, changed, 0o600); err != nil {
		return "", err
	}
	desc, err := json.Marshal(map[string]any{"Replace": map[string]string{original: file}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, desc, 0o600)
}

// goCommand runs the go tool. Tests that hang are killed with all their
// processes.
func (r *runner) goCommand(overlay string, args []string) ([]byte, error) {
	args = slices.Insert(slices.Clone(args), 1, "-overlay="+overlay)
	ctx, cancel := context.WithTimeout(context.Background(), r.limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = r.root
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if ctx.Err() != nil {
		fmt.Fprintf(&out, "--- FAIL: (not done after %v)\n", r.limit)
		err = ctx.Err()
	}
	return out.Bytes(), err
}

var (
	failLine  = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	panicLine = regexp.MustCompile(`(?m)^(panic: [^|\n]{1,80})`)
)

// failedTest returns the name of the first test that failed, or, if it was not the
// test's own goroutine that panicked, with what words.
func failedTest(out []byte) string {
	for _, line := range []*regexp.Regexp{failLine, panicLine} {
		if m := line.FindSubmatch(out); m != nil {
			return string(m[1])
		}
	}
	return ""
}

func tail(out []byte, lines int) []byte {
	all := bytes.Split(out, []byte("\n"))
	return bytes.Join(all[max(0, len(all)-lines):], []byte("\n"))
}
