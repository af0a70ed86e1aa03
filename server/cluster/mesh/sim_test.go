package mesh

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// world is some servers in a network that is told when what happens.
type world struct {
	t      *testing.T
	rng    *rand.Rand
	now    int64
	agenda agenda
	nodes  map[string]*node // by address
	conns  map[LinkID]*connection
	last   LinkID
	ids    int
	// cut are pairs of addresses that do not reach each other.
	cut map[[2]string]bool
}

// node is a server, or the address of one that is down.
type node struct {
	addr   string
	cfg    Config
	mesh   *Mesh // nil while it is down
	timer  int   // the number of the poll that counts
	closes map[string]int
}

// connection is between two processes; an end that is closed does not come back.
type connection struct {
	ends   [2]*node
	meshes [2]*Mesh
	open   [2]bool
	// arrived is whether the first end, and the second, know of the other.
	arrived [2]bool
	dial    Dial
}

type event struct {
	at int64
	n  int
	do func()
}

type agenda []event

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].n < a[j].n
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(event)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

const (
	ms     = int64(1e6)
	second = int64(1e9)
)

func newWorld(t *testing.T, seed uint64) *world {
	return &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), now: second, nodes: make(map[string]*node), conns: make(map[LinkID]*connection),
		cut: make(map[[2]string]bool),
	}
}

func (w *world) after(d int64, do func()) {
	w.ids++
	heap.Push(&w.agenda, event{w.now + d, w.ids, do})
}

func (w *world) latency() int64 { return ms/10 + w.rng.Int64N(50*ms) }

// run lets time pass.
func (w *world) run(d int64) {
	end := w.now + d
	for len(w.agenda) > 0 && w.agenda[0].at <= end {
		e := heap.Pop(&w.agenda).(event)
		w.now = e.at
		e.do()
	}
	w.now = end
}

// start starts a server, or starts it anew.
func (w *world) start(n *node) {
	w.ids++
	n.cfg.Self.ID = fmt.Sprintf("ID%04d", w.rng.IntN(10000)) + fmt.Sprint(w.ids)
	n.cfg.Rand = rand.New(rand.NewPCG(w.rng.Uint64(), 2))
	n.mesh = New(n.cfg)
	w.poll(n)
}

// stop ends a server's process. The others notice sooner or later.
func (w *world) stop(n *node) {
	m := n.mesh
	n.mesh = nil
	for id, c := range w.conns {
		for i, x := range c.meshes {
			if x == m && c.open[i] {
				c.open[i] = false
				late := w.latency()
				if !w.reaches(c.ends[0].addr, c.ends[1].addr) {
					late += w.rng.Int64N(20 * second)
				}
				w.after(late, func() { w.end(id, 1-i) })
			}
		}
	}
}

func (w *world) poll(n *node) {
	n.timer++
	mine, m := n.timer, n.mesh
	e, next := m.Poll(w.now)
	w.carryOut(n, e)
	if next > 0 {
		w.after(max(next-w.now, 1), func() {
			if n.mesh == m && n.timer == mine {
				w.poll(n)
			}
		})
	}
}

func (w *world) reaches(a, b string) bool { return !w.cut[[2]string{a, b}] && !w.cut[[2]string{b, a}] }

func (w *world) carryOut(n *node, e Effects) {
	for _, c := range e.Closes {
		n.closes[c.Why.Error()]++
		w.hangUp(c.Link, n)
	}
	for _, id := range e.Suspects {
		c := w.conns[id]
		if i := c.side(n); i >= 0 && !c.open[1-i] {
			w.after(second, func() { w.hangUp(id, n) })
		}
	}
	if e.Renamed != "" {
		for id, c := range w.conns {
			if i := c.side(n); i >= 0 && c.open[i] {
				s := n.mesh.Self()
				w.deliver(id, 1-i, func(m *Mesh) Effects { return m.Changed(id, &s) })
			}
		}
	}
	for _, tell := range e.Tells {
		c := w.conns[tell.Link]
		if i := c.side(n); i >= 0 && c.open[i] {
			w.deliver(tell.Link, 1-i, func(m *Mesh) Effects { m.Heard(&tell.About); return Effects{} })
		}
	}
	for _, d := range e.Dials {
		w.dial(n, d)
	}
}

func (c *connection) side(n *node) int {
	for i := range c.ends {
		if c.ends[i] == n && c.meshes[i] == n.mesh && n.mesh != nil {
			return i
		}
	}
	return -1
}

// deliver has something told to an end of a connection, if it is still there by then.
func (w *world) deliver(id LinkID, to int, f func(*Mesh) Effects) {
	c := w.conns[id]
	w.after(w.latency(), func() {
		if n := c.ends[to]; c.open[to] && n.mesh == c.meshes[to] && w.reaches(c.ends[0].addr, c.ends[1].addr) {
			w.carryOut(n, f(n.mesh))
			w.poll(n)
		} else if !c.arrived[to] {
			w.after(2*second, func() { w.end(id, to) })
		}
	})
}

func (w *world) dial(n *node, d Dial) {
	m := n.mesh
	w.after(w.latency(), func() {
		to := w.nodes[d.Addr]
		if n.mesh != m {
			return
		}
		if to == nil || to.mesh == nil || !w.reaches(n.addr, to.addr) || w.rng.IntN(20) == 0 {
			m.Failed(&d, w.now)
			w.poll(n)
			return
		}
		w.last++
		id := w.last
		w.conns[id] = &connection{ends: [2]*node{n, to}, meshes: [2]*Mesh{m, to.mesh}, open: [2]bool{true, true}, dial: d}
		ours, theirs := m.Self(), to.mesh.Self()
		w.deliver(id, 0, func(m *Mesh) Effects {
			w.conns[id].arrived[0] = true
			return m.Arrived(&Arrival{Link: id, Peer: theirs, Slot: d.Slot, Dialled: &d, Call: d.Call}, w.now)
		})
		w.deliver(id, 1, func(m *Mesh) Effects {
			w.conns[id].arrived[1] = true
			return m.Arrived(&Arrival{Link: id, Peer: ours, Slot: d.Slot, Call: d.Call}, w.now)
		})
	})
}

// hangUp has a server close a link.
func (w *world) hangUp(id LinkID, n *node) {
	if i := w.conns[id].side(n); i >= 0 && w.conns[id].open[i] {
		w.end(id, i)
		w.after(w.latency(), func() { w.end(id, 1-i) })
	}
}

// end ends one end of a connection.
func (w *world) end(id LinkID, i int) {
	c := w.conns[id]
	if !c.open[i] {
		return
	}
	c.open[i] = false
	n := c.ends[i]
	if n.mesh != c.meshes[i] {
		return
	}
	switch {
	case c.arrived[i]:
		w.carryOut(n, n.mesh.Left(id, w.now))
	case i == 0:
		n.mesh.Failed(&c.dial, w.now)
	}
	w.poll(n)
}

// full checks that all servers that are up are together, by one link for each slot.
func (w *world) full() error {
	var up []*node
	for _, n := range w.nodes {
		if n.mesh != nil {
			up = append(up, n)
		}
	}
	for _, n := range up {
		if got := len(n.mesh.Peers()); got != len(up)-1 {
			return fmt.Errorf("%s has %d peers of %d: %v", n.addr, got, len(up)-1, n.mesh.Peers())
		}
		if n.mesh.Self().Cluster != up[0].mesh.Self().Cluster {
			return fmt.Errorf("%s is in %s, %s in %s", n.addr, n.mesh.Self().Cluster, up[0].addr, up[0].mesh.Self().Cluster)
		}
		for _, other := range up {
			if other == n {
				continue
			}
			theirs := other.mesh.Self()
			for _, account := range []string{"A", "B", "C", "D", "E", "SYS"} {
				here, ok := n.mesh.LinkFor(theirs.ID, account)
				there, ok2 := other.mesh.LinkFor(n.mesh.Self().ID, account)
				if !ok || !ok2 || here != there {
					return fmt.Errorf("account %s of %s and %s: links %d %v, %d %v", account, n.addr, other.addr, here, ok, there, ok2)
				}
			}
		}
	}
	open := make(map[[2]*node]map[Slot]int)
	for _, c := range w.conns {
		if c.open[0] != c.open[1] {
			return fmt.Errorf("a connection between %s and %s is half open", c.ends[0].addr, c.ends[1].addr)
		}
		if !c.open[0] {
			continue
		}
		pair := [2]*node{c.ends[0], c.ends[1]}
		if pair[0].addr > pair[1].addr {
			pair[0], pair[1] = pair[1], pair[0]
		}
		if open[pair] == nil {
			open[pair] = make(map[Slot]int)
		}
		if open[pair][c.dial.Slot]++; open[pair][c.dial.Slot] > 1 {
			return fmt.Errorf("%d connections between %s and %s for %v", open[pair][c.dial.Slot], pair[0].addr, pair[1].addr, c.dial.Slot)
		}
	}
	return nil
}

// Whatever happens, once the network is whole and nobody starts or stops any more, all
// are together with all, by one link for each slot, which both ends agree on.
func TestMeshes(t *testing.T) {
	for seed := range uint64(1000) {
		w := newWorld(t, seed)
		n := 2 + w.rng.IntN(4)
		var addrs []string
		for i := range n {
			addrs = append(addrs, fmt.Sprintf("host%d:6222", i))
		}
		named := w.rng.IntN(3) // how many know the name
		for i, addr := range addrs {
			self := Server{Name: fmt.Sprintf("n%d", i), Cluster: fmt.Sprintf("made%d", w.rng.IntN(1000)), Dynamic: true, PoolSize: 1 + w.rng.IntN(3), Addr: addr, Accounts: []string{"SYS"}}
			if i < named {
				self.Cluster, self.Dynamic = "known", false
			}
			if w.rng.IntN(2) == 0 {
				self.Accounts = append(self.Accounts, "A")
			}
			// All know the first one, which may know nobody.
			routes := []string{addrs[0]}
			for _, other := range addrs {
				if w.rng.IntN(3) == 0 {
					routes = append(routes, other)
				}
			}
			slices.Sort(routes)
			w.nodes[addr] = &node{addr: addr, closes: make(map[string]int), cfg: Config{
				Self: self, Routes: slices.Compact(routes), Retries: w.rng.IntN(3), Interval: second, Backoff: w.rng.IntN(2) == 0,
			}}
		}
		for _, addr := range addrs {
			nd := w.nodes[addr]
			w.after(w.rng.Int64N(5*second), func() { w.start(nd) })
		}
		w.run(6 * second)
		for range w.rng.IntN(6) {
			nd := w.nodes[addrs[w.rng.IntN(n)]]
			switch w.rng.IntN(3) {
			case 0:
				w.stop(nd)
				w.run(w.rng.Int64N(3 * second))
				w.start(nd)
			case 1:
				pair := [2]string{nd.addr, addrs[w.rng.IntN(n)]}
				w.cut[pair] = true
				for id, c := range w.conns {
					if !w.reaches(c.ends[0].addr, c.ends[1].addr) {
						w.after(w.rng.Int64N(20*second), func() { w.end(id, 0) })
						w.after(w.rng.Int64N(20*second), func() { w.end(id, 1) })
					}
				}
				w.run(w.rng.Int64N(100 * second))
				delete(w.cut, pair)
			}
			w.run(w.rng.Int64N(10 * second))
		}
		w.run(200 * second)
		if err := w.full(); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}
