package mesh

import (
	"slices"
	"testing"
)

// Does a server that becomes another one leave all links, and find those that it has known?
func TestReconfigure(t *testing.T) {
	m := New(config(server("a"), "b:6222"))
	now := second
	first := dials(t, m, &now)
	m.Arrived(&Arrival{Link: 1, Peer: server("b"), Dialled: &first[0], Call: 1}, now)
	m.Arrived(&Arrival{Link: 2, Peer: server("c"), Call: 1}, now)

	cfg := config(server("a"), "d:6222")
	cfg.Self.Cluster = "D"
	e := m.Reconfigure(cfg, now)
	if got := closed(e); !slices.Equal(got, []LinkID{1, 2}) || len(e.Gone) != 2 {
		t.Errorf("closes %v, gone are %v", got, e.Gone)
	}
	if len(m.Peers()) != 0 || m.Self().Cluster != "D" {
		t.Errorf("there are %v, the cluster is %q", m.Peers(), m.Self().Cluster)
	}
	if e := m.Left(1, now); len(e.Gone) != 0 {
		t.Error("a link ends twice")
	}
	var addrs []string
	var calls []uint64
	for range 3 {
		for _, d := range dials(t, m, &now) {
			addrs, calls = append(addrs, d.Addr), append(calls, d.Call)
		}
		now += second
	}
	slices.Sort(addrs)
	if !slices.Equal(addrs, []string{"b:6222", "c:6222", "d:6222"}) || slices.Min(calls) <= first[0].Call {
		t.Errorf("dials %v, by the numbers %v", addrs, calls)
	}
}

// Does one who is to try less give up earlier?
func TestRetry(t *testing.T) {
	m := New(config(server("a")))
	m.cfg.Retries = 10
	s := server("b")
	m.Heard(&s)
	m.Retry(1, false)
	now, n := second, 0
	for ds := dials(t, m, &now); len(ds) > 0; ds = dials(t, m, &now) {
		n++
		m.Failed(&ds[0], now)
	}
	if n != 2 {
		t.Errorf("dialled %d times", n)
	}
}
