package rafttest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nats-lite/nats-lite/server/raft"
)

// Script is a parsed scenario: prose, commands, and what they put out.
type Script struct {
	blocks []block
}

// block is one line of prose or one command with its output.
type block struct {
	prose   string
	command string // without its "> "; "" for prose
	output  []string
	line    int
}

// ParseScript reads a scenario. A line that begins with "> " is a command, and
// the lines behind it up to an empty line or the next command are its output. Lines
// elsewhere are prose.
func ParseScript(text string) *Script {
	s := &Script{}
	inOutput := false
	for n, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		command, is := strings.CutPrefix(line, "> ")
		switch {
		case is:
			s.blocks = append(s.blocks, block{command: command, line: n + 1})
			inOutput = true
		case inOutput && line != "":
			last := &s.blocks[len(s.blocks)-1]
			last.output = append(last.output, line)
		default:
			s.blocks = append(s.blocks, block{prose: line, line: n + 1})
			inOutput = false
		}
	}
	return s
}

// String is the scenario as text again.
func (s *Script) String() string {
	var b strings.Builder
	for n := range s.blocks {
		bl := &s.blocks[n]
		if bl.command == "" {
			b.WriteString(bl.prose + "\n")
			continue
		}
		b.WriteString("> " + bl.command + "\n")
		for _, line := range bl.output {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// Run carries out the commands and returns the scenario with the output that
// they have now. The error is the first violation of an invariant, or a
// command that cannot be understood; the scenario ends there.
func (s *Script) Run() (*Script, error) {
	ran := &Script{}
	var p player
	for n, bl := range s.blocks {
		var err error
		if bl.command != "" {
			bl.output, err = p.play(bl.command)
		}
		ran.blocks = append(ran.blocks, bl)
		if err != nil {
			ran.blocks = append(ran.blocks, s.blocks[n+1:]...)
			return ran, fmt.Errorf("line %d: %s: %w", bl.line, bl.command, err)
		}
		if len(bl.output) > 0 && n+1 < len(s.blocks) && (s.blocks[n+1].command != "" || s.blocks[n+1].prose != "") {
			ran.blocks = append(ran.blocks, block{}) // an empty line, which ends the output
		}
	}
	return ran, nil
}

// player carries out commands.
type player struct {
	env   *Env
	story story
	holds []filter
}

// play runs the commands of one line, which are separated by semicolons. With
// "quiet" before them nothing is told.
func (p *player) play(line string) ([]string, error) {
	line, p.story.mute = strings.CutPrefix(line, "quiet ")
	for part := range strings.SplitSeq(line, ";") {
		words := strings.Fields(part)
		if len(words) == 0 {
			return nil, fmt.Errorf("empty command")
		}
		run, ok := commands[words[0]]
		if !ok {
			return nil, fmt.Errorf("unknown command %q", words[0])
		}
		if p.env == nil && words[0] != "group" {
			return nil, fmt.Errorf("there is no group yet")
		}
		if err := run(p, words[1:]); err != nil {
			return p.story.take(), err
		}
		if p.env.broken != nil {
			return p.story.take(), p.env.broken
		}
	}
	return p.story.take(), nil
}

// held reports whether a message is kept from being delivered.
func (p *player) held(m *raft.Message) bool {
	return slices.ContainsFunc(p.holds, func(f filter) bool { return f.matches(m) })
}

// running returns the replica of that name, which has to run.
func (p *player) running(name string) (*replica, error) {
	r, err := p.replica(name)
	if err == nil && r.core == nil {
		err = fmt.Errorf("%s is down", name)
	}
	return r, err
}

func (p *player) replica(name string) (*replica, error) {
	id, ok := parseName(name)
	if r := p.env.find(id); ok && r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("no replica %q", name)
}

// all returns the replicas of these names, or those that run if there are none.
func (p *player) all(names []string) (list []*replica, err error) {
	if len(names) == 0 {
		for _, r := range p.env.replicas {
			if r.core != nil {
				list = append(list, r)
			}
		}
		return list, nil
	}
	for _, name := range names {
		r, err := p.running(name)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}
