package host

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/nats-lite/nats-lite/server/raft"
)

// machine is a list of what was applied. Its state is durable when told so.
type machine struct {
	mu    sync.Mutex
	state machineState
	disk  *saved
	leads []Leadership
	// halted is what it was told.
	halted error
	calls  int // of Apply
	// refuse is the answer to all entries, noImages that to images.
	refuse, noImages error
	// padding makes images bigger.
	padding int
	// goesBack has Keep go back to what is durable; noKeeping is its answer.
	goesBack  bool
	noKeeping error
	images    int // that are open
}

type machineState struct {
	At    Position
	Items []string
}

// saved is what a machine has on disk.
type saved struct{ state machineState }

func newMachine(disk *saved) *machine {
	return &machine{state: disk.state.clone(), disk: disk}
}

func (s machineState) clone() machineState {
	s.Items = slices.Clone(s.Items)
	s.At.Base.Conf = s.At.Base.Conf.Clone()
	return s
}

// checkpoint makes the state durable, and returns where it stands.
func (m *machine) checkpoint() raft.Index {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.disk.state = m.state.clone()
	return m.state.At.Base.Index
}

// Keep implements Keeper.
func (m *machine) Keep() (Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.noKeeping != nil:
		return Position{}, m.noKeeping
	case m.goesBack:
		m.state = m.disk.state.clone()
	default:
		m.disk.state = m.state.clone()
	}
	return m.state.clone().At, nil
}

func (m *machine) equal(o *machine) bool {
	m.mu.Lock()
	a := m.state.clone()
	m.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	return a.At.Base.Index == o.state.At.Base.Index && a.At.Base.Term == o.state.At.Base.Term && a.At.Time == o.state.At.Time &&
		a.At.Base.Conf.Equal(&o.state.At.Base.Conf) && slices.Equal(a.Items, o.state.Items)
}

func (m *machine) items() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.state.Items)
}

func (m *machine) Applied() Position { return m.state.At }

func (m *machine) Apply(b *Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuse != nil {
		return m.refuse
	}
	if b.Index != m.state.At.Base.Index+1 {
		return errors.New("machine: out of order")
	}
	if b.Len() > 0 && b.Time <= m.state.At.Time || b.Len() == 0 && b.Time != m.state.At.Time {
		return errors.New("machine: time does not grow")
	}
	m.calls++
	m.state.At.Base.Index, m.state.At.Base.Term, m.state.At.Time = b.Index, b.Term, b.Time
	for i, data := range b.Proposals() {
		m.state.Items = append(m.state.Items, string(data))
		b.SetResult(i, len(data))
	}
	return nil
}

func (m *machine) ApplyConf(i raft.Index, t raft.Term, c *raft.ConfState) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state.At.Base = raft.Base{Index: i, Term: t, Conf: c.Clone()}
	return nil
}

func (m *machine) LeaderChanged(l Leadership) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leads = append(m.leads, l)
}

func (m *machine) Halted(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.halted = err
}

func (m *machine) Snapshot() (Snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.noImages != nil {
		return nil, m.noImages
	}
	b, err := json.Marshal(m.state)
	if err != nil {
		return nil, err
	}
	b = append(b, bytes.Repeat([]byte{' '}, m.padding)...)
	m.images++
	return &machineImage{Reader: bytes.NewReader(b), at: m.state.clone().At, of: m}, nil
}

type machineImage struct {
	*bytes.Reader
	at Position
	of *machine
}

func (i *machineImage) Position() Position { return i.at }

func (i *machineImage) Close() error {
	i.of.mu.Lock()
	defer i.of.mu.Unlock()
	i.of.images--
	return nil
}

func (m *machine) Restore(at Position, image Image) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.noImages != nil {
		return m.noImages
	}
	b, err := io.ReadAll(io.NewSectionReader(image, 0, image.Size()))
	if err != nil {
		return err
	}
	var s machineState
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	if s.At.Base.Index != at.Base.Index || s.At.Time != at.Time || !s.At.Base.Conf.Equal(&at.Base.Conf) {
		return errors.New("machine: image of another position")
	}
	m.state = s
	m.disk.state = s.clone()
	return nil
}
