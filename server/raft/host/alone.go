package host

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// A replica that is the only voter of its group, and whose log is damaged, has nobody
// who could make up for it (see decision 7). What it does depends on what is missing.
//
//   - All entries behind the machine's checkpoint are there: nothing is missing. The
//     group is written once more, as a whole, and goes on.
//   - Some are not: the machine gets what is in front of them, and the replica is
//     halted. What is behind them cannot be applied to a state that is not the one
//     it was made for. The log stays as it is.
//   - Some are not, or it is not known what is missing, and the machine is a Mender: it
//     makes a state of what there is, with which the log begins anew (mend.go).

// maxRewrite bounds the entries that are held in memory to be written once more.
const maxRewrite = 512 << 20

// alone has a replica with a damaged log, which is the only voter, go on with what
// there is. base is how far the machine is.
func (g *Group) alone(lg *wal.Group, st *wal.GroupState, base raft.Base) {
	why := errors.New(st.Damage[0].String())
	g.host.event(Event{Kind: EventDamage, Group: g.id, Peer: g.Self(), Err: why})
	g.troubles().err = why
	if base.Index < st.Base.Index {
		g.halt(fmt.Errorf("the log begins behind entry %d, the state ends with %d: %w", st.Base.Index, base.Index, why))
		return
	}
	missing := raft.Index(0)
	for _, d := range st.Damage {
		if first := max(d.First, base.Index+1); d.Kind == wal.DamagedEntries && first <= d.Last && (missing == 0 || first < missing) {
			missing = first
		}
	}
	machine, mends := g.apply.machine.(Mender)
	switch unknown := slices.ContainsFunc(st.Damage, func(d wal.Damage) bool { return d.Kind == wal.DamagedUnknown }); {
	case missing == 0 && mends && unknown:
		missing = st.Last + 1
	case missing == 0:
		g.rewrite(lg, st, base, why)
		return
	}
	ents, err := entriesBetween(lg, base.Index+1, missing)
	if base.Index == 0 && !st.Base.Conf.Empty() {
		g.apply.post(task{then: func() { g.apply.first(&st.Base.Conf) }})
	}
	g.apply.post(task{entries: ents})
	if mends && (err == nil || isCorrupt(err)) {
		g.mend(machine, lg, st, base.Index+1+raft.Index(len(ents)), why)
		return
	}
	if err != nil {
		missing = base.Index + 1 + raft.Index(len(ents))
	}
	g.halt(fmt.Errorf("entry %d is lost, of %d to %d that are not in a checkpoint; what is behind it is not applied: %w",
		missing, base.Index+1, st.Last, errors.Join(why, err)))
}

// rewrite writes the group once more, from the machine's position on, in place of what is
// damaged.
func (g *Group) rewrite(lg *wal.Group, st *wal.GroupState, base raft.Base, why error) {
	ents, err := entriesBetween(lg, base.Index+1, st.Last+1)
	if err != nil {
		g.halt(fmt.Errorf("%w: %w", why, err))
		return
	}
	self := g.aloneAs(st, &base)
	if base.Conf.Empty() {
		base.Conf = st.Base.Conf.Clone()
	}
	if base.Conf.Empty() {
		base.Conf = raft.ConfState{Voters: []raft.PeerID{self}}
	}
	hard := st.Hard
	if n := len(ents); n > 0 {
		hard.Term = max(hard.Term, ents[n-1].Term)
	}
	if hard.Term = max(hard.Term, base.Term); st.Hard.Term == 0 {
		// What was voted for is not known: that term is over.
		hard = raft.HardState{Term: hard.Term + 1}
	}
	g.beginAnew(self, st, &base, hard, ents)
}

// beginAnew writes the group once more, in place of all that was of it.
func (g *Group) beginAnew(self raft.PeerID, st *wal.GroupState, base *raft.Base, hard raft.HardState, ents []raft.Entry) {
	g.self.Store(uint64(self))
	err := g.write(write{then: g.boot}, wal.Write{
		Replica: &wal.Replica{Self: self, Contacts: st.Replica.Contacts}, Base: base, Hard: &hard, Entries: ents,
	})
	if err != nil {
		g.writeFailed(err)
	}
}

// aloneAs returns the identity of the only voter.
func (g *Group) aloneAs(st *wal.GroupState, base *raft.Base) raft.PeerID {
	if self := st.Replica.Self; self != raft.None {
		return self
	}
	// The record that says so is lost. Nobody else can have this identity.
	for _, conf := range []*raft.ConfState{&g.conf, &base.Conf} {
		if len(conf.Voters) == 1 {
			return conf.Voters[0]
		}
	}
	return raft.MakePeerID(g.host.cfg.Node, g.host.log.Incarnation())
}

// entriesBetween reads the entries from lo on, in front of hi. With an error come those
// in front of the one that cannot be read.
func entriesBetween(lg *wal.Group, lo, hi raft.Index) (list []raft.Entry, err error) {
	size := 0
	for lo < hi {
		ents, err := lg.Entries(lo, hi, 1<<20)
		if err != nil {
			return list, err
		}
		for i := range ents {
			size += ents[i].Size()
		}
		if size > maxRewrite {
			return list, fmt.Errorf("raft/host: %d bytes of entries are too many to be held at once", size)
		}
		list = append(list, ents...)
		lo += raft.Index(len(ents))
	}
	return list, nil
}
