package jetstream

import (
	"slices"
	"testing"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// Raft groups are those of an account of which there is a replica here.
func TestRaftGroups(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := threeServers(t)
		defer w.close()
		state, st, c := assignedTo(t, []uint32{1, 2})
		w.group(st.Group.ID, 1, 2)
		w.group(c.Group.ID, 2)
		list := func(n raft.NodeID, acc string) (string, []string) {
			e := w.houses[n].e
			e.meta.mu.Lock()
			before := e.meta.state
			e.meta.state = state
			e.meta.mu.Unlock()
			account, groups := e.RaftGroups(acc)
			var names []string
			for name, g := range groups {
				names = append(names, name)
				if st := g.Status(); st.Leader == raft.None || st.Group != g.ID() {
					t.Errorf("group %s: %+v", name, st)
				}
			}
			e.meta.mu.Lock()
			e.meta.state = before
			e.meta.mu.Unlock()
			return account, names
		}
		for _, tc := range []struct {
			node    raft.NodeID
			account string
			is      string
			want    []string
		}{
			{1, "", "$SYS", []string{"_meta_"}},
			{3, "$SYS", "$SYS", []string{"_meta_"}},
			{1, "A", "A", []string{groupName(st, nil)}},
			{2, "A", "A", []string{groupName(st, nil), groupName(st, c)}},
			{3, "A", "A", nil},
			{1, "B", "B", nil},
		} {
			if is, got := list(tc.node, tc.account); is != tc.is || !slices.Equal(got, tc.want) {
				t.Errorf("server %d, account %q: %v of %q, want %v", tc.node, tc.account, got, is, tc.want)
			}
		}
		if e := w.houses[1].e; e.ServerName(3) != "S3" || e.ServerName(9) != "Server name unknown at this time (peerID: 00000009)" {
			t.Errorf("%q, %q", e.ServerName(3), e.ServerName(9))
		}

		r := newRig(t, vfs.NewMem())
		defer r.stop()
		if _, groups := r.e.RaftGroups("A"); groups != nil {
			t.Error("a server that is alone has groups to tell of")
		}
	})
}
