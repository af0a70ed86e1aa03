package rafttest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-lite/nats-lite/server/raft"
)

// Name is how scripts name a peer: by its node, and from the second
// incarnation on by a letter behind it.
func Name(p raft.PeerID) string {
	switch n := p.Incarnation(); {
	case p == raft.None:
		return "nobody"
	case n == 1:
		return strconv.Itoa(int(p.Node()))
	case n >= 2 && n <= 26 && p.Node() != 0:
		return strconv.Itoa(int(p.Node())) + string(rune('a'+n-1))
	default:
		return p.String()
	}
}

// parseName is the inverse of Name.
func parseName(s string) (raft.PeerID, bool) {
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyz")
	node, err := strconv.ParseUint(digits, 10, 8)
	if err != nil || node == 0 || len(s) > len(digits)+1 {
		return raft.None, false
	}
	incarnation := uint32(1)
	if len(s) > len(digits) {
		incarnation = uint32(s[len(digits)]-'a') + 1
	}
	return raft.MakePeerID(raft.NodeID(node), incarnation), incarnation > 0
}

func names(peers []raft.PeerID) string {
	list := make([]string, len(peers))
	for n, p := range peers {
		list[n] = Name(p)
	}
	return strings.Join(list, " ")
}

func confName(c *raft.ConfState) string {
	var parts []string
	for _, l := range []struct {
		name  string
		peers []raft.PeerID
	}{{"voters ", c.Voters}, {"outgoing ", c.Outgoing}, {"learners ", c.Learners}, {"joining ", c.Joining}} {
		if len(l.peers) > 0 {
			parts = append(parts, l.name+names(l.peers))
		}
	}
	if len(parts) == 0 {
		return "no peers"
	}
	return strings.Join(parts, ", ")
}

// entryName is index/term and what the entry holds.
func entryName(e *raft.Entry) string {
	what := string(e.Data)
	switch {
	case e.Type == raft.EntryConf:
		conf, err := raft.DecodeConfState(e.Data)
		if err != nil {
			what = err.Error()
		} else {
			what = "{" + confName(&conf) + "}"
		}
	case len(e.Data) == 0:
		what = "·"
	}
	return fmt.Sprintf("%d/%d %s", e.Index, e.Term, what)
}

// maxEntriesNamed is up to how many entries are named one by one.
const maxEntriesNamed = 4

func entriesName(ents []raft.Entry) string {
	if n := len(ents); n > maxEntriesNamed {
		return fmt.Sprintf("%s … %s (%d entries)", entryName(&ents[0]), entryName(&ents[n-1]), n)
	}
	list := make([]string, len(ents))
	for n := range ents {
		list[n] = entryName(&ents[n])
	}
	return strings.Join(list, ", ")
}

// messageName is from→to, the term, and what is said.
func messageName(m *raft.Message) string {
	return fmt.Sprintf("%s→%s t%d %s", Name(m.From), Name(m.To), m.Term, messageBody(m))
}

func messageBody(m *raft.Message) string {
	switch m.Type {
	case raft.MsgApp:
		ents := "nothing"
		if len(m.Entries) > 0 {
			ents = entriesName(m.Entries)
		}
		return fmt.Sprintf("App behind %d/%d: %s; commit %d", m.Index, m.LogTerm, ents, m.Commit)
	case raft.MsgAppResp:
		if m.Reject && m.LogTerm == 0 && m.Hint > 0 {
			return "AppResp: that term is over"
		}
		if m.Reject {
			return fmt.Sprintf("AppResp: not behind %d, but %d/%d may match", m.Index, m.Hint, m.LogTerm)
		}
		return fmt.Sprintf("AppResp: has all up to %d", m.Index)
	case raft.MsgHeartbeat:
		s := fmt.Sprintf("Heartbeat, commit %d", m.Commit)
		if m.Context != 0 {
			s += fmt.Sprintf(", round %d of reads", m.Context)
		}
		if m.Sent == 0 {
			s += ", no answer wanted"
		}
		return s
	case raft.MsgHeartbeatResp:
		s := fmt.Sprintf("HeartbeatResp, log ends at %d", m.Index)
		if m.Context != 0 {
			s += fmt.Sprintf(", round %d of reads", m.Context)
		}
		return s
	case raft.MsgPreVote, raft.MsgVote:
		s := fmt.Sprintf("%v, log ends at %d/%d", m.Type, m.Index, m.LogTerm)
		if m.Transfer {
			s += ", told to stand by the leader"
		}
		return s
	case raft.MsgPreVoteResp, raft.MsgVoteResp:
		if m.Reject {
			return m.Type.String() + ": no"
		}
		return m.Type.String() + ": yes"
	case raft.MsgReadIndex:
		return fmt.Sprintf("ReadIndex #%d", m.Context)
	case raft.MsgReadIndexResp:
		if m.Reject {
			return fmt.Sprintf("ReadIndexResp #%d: no", m.Context)
		}
		return fmt.Sprintf("ReadIndexResp #%d: at %d", m.Context, m.Index)
	case raft.MsgQuiesce:
		return fmt.Sprintf("Quiesce at %d/%d", m.Index, m.LogTerm)
	case raft.MsgSnap:
		return fmt.Sprintf("snapshot at %d/%d", m.Base.Index, m.Base.Term)
	default:
		return m.Type.String()
	}
}
