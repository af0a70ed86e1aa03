package transport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/nats-lite/nats-lite/server/raft/host"
)

// Accept takes over a connection that somebody else has accepted, after TLS if there
// is any. read is what has been read of it already, to look at its FirstByte; it
// must not be changed any more. Accept returns at once.
//
// Of too many connections in their handshake the oldest is closed: who belongs here needs
// little time, and who says nothing cannot keep others out.
func (t *TCP) Accept(conn net.Conn, read []byte) {
	t.mu.Lock()
	if t.stopped {
		t.mu.Unlock()
		hangUp(conn)
		return
	}
	oldest := t.oldestLocked()
	delete(t.strangers, oldest)
	t.arrivals++
	t.strangers[conn] = t.arrivals
	t.wg.Add(1)
	t.mu.Unlock()
	if oldest != nil {
		hangUp(oldest)
	}
	go func() {
		defer t.wg.Done()
		defer hangUp(conn)
		t.serve(conn, io.MultiReader(bytes.NewReader(read), conn))
	}()
}

// oldestLocked returns the stranger that has to make room for another, nil if there is
// room.
func (t *TCP) oldestLocked() (oldest net.Conn) {
	if len(t.strangers) < t.config.Limits.MaxHandshakes {
		return nil
	}
	for conn, arrival := range t.strangers {
		if oldest == nil || arrival < t.strangers[oldest] {
			oldest = conn
		}
	}
	return oldest
}

var errCrowdedOut = refusal(RefusedBusy, "too many others have come during the handshake")

// serve serves a connection of which src are the bytes, until it has ended.
func (t *TCP) serve(conn net.Conn, src io.Reader) {
	h, err := t.receiveHello(conn, src)
	var in *inbound
	if err == nil {
		in, err = t.admit(conn, src, h)
	}
	if err != nil {
		t.refuse(conn, h, err)
		return
	}
	err = in.run()
	in.inlet.mu.Lock()
	in.inlet.lastErr = err
	in.inlet.mu.Unlock()
	if t.ctx.Err() != nil {
		return
	}
	t.config.Logf("connection from %v at %v has ended: %v", in, conn.RemoteAddr(), err)
}

// receiveHello is the first half of the handshake. A RefusedError is what the
// other end is to be told. The hello is nil before the other end has shown that it
// belongs to the cluster.
func (t *TCP) receiveHello(conn net.Conn, src io.Reader) (*hello, error) {
	if err := conn.SetDeadline(deadline(t.config.Timing.Connect)); err != nil {
		return nil, err
	}
	body, err := readHandshake(src)
	if version := versionError(0); errors.As(err, &version) {
		return nil, refusal(RefusedVersion, "%v", version)
	} else if err != nil {
		return nil, err
	}
	h, err := decodeHello(body)
	if err != nil {
		return nil, refusal(RefusedMalformed, "%v", err)
	}
	if err := t.judge(&h); err != nil {
		if err.Reason == RefusedCluster || err.Reason == RefusedCredentials {
			return nil, err
		}
		return &h, err
	}
	return &h, nil
}

func refusal(reason Reason, format string, args ...any) *RefusedError {
	return &RefusedError{Reason: reason, Text: fmt.Sprintf(format, args...)}
}

// judge decides whether a node may come in, as far as that is clear from what it says.
func (t *TCP) judge(h *hello) *RefusedError {
	c := &t.config
	switch {
	case h.Cluster != c.Cluster:
		return refusal(RefusedCluster, "server %s is of cluster %q, not %q", c.Name, c.Cluster, h.Cluster)
	case !c.Authorize(h.Username, h.Password):
		return refusal(RefusedCredentials, "server %s wants another user or password", c.Name)
	case h.Name == c.Name && h.Instance == c.Instance:
		return refusal(RefusedNode, "server %s has dialled itself", c.Name)
	case h.Name == c.Name:
		return refusal(RefusedDuplicate, "there are two servers of the name %s: this is %s, the other one %s", c.Name, c.Instance, h.Instance)
	case h.From == c.Self:
		return refusal(RefusedDuplicate, "%v", &NumberError{Node: c.Self, Known: c.Name, Name: h.Name})
	case h.To != c.Self || h.ToName != c.Name:
		return refusal(RefusedNode, "this is server %s, node %d, not %q, node %d", c.Name, c.Self, h.ToName, h.To)
	}
	return nil
}

// admit makes a connection the current one of its inlet, in the place of an
// older one. Of two processes that are the same node the one that lives is kept: while
// it can be heard nobody takes its place.
func (t *TCP) admit(conn net.Conn, src io.Reader, h *hello) (*inbound, error) {
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	in := &inbound{
		t: t, conn: conn, src: src, from: h.From, name: h.Name, class: h.Class,
		pinged: make(chan struct{}, 1), gone: make(chan struct{}),
	}
	now := t.now()
	in.heard.Store(int64(now))
	t.mu.Lock()
	if _, ok := t.strangers[conn]; !ok {
		t.mu.Unlock()
		return nil, errCrowdedOut
	}
	s, err := t.sourceLocked(h, now)
	if err != nil {
		t.mu.Unlock()
		return nil, err
	}
	var old []*inbound
	if s.name != h.Name || s.instance != h.Instance {
		old = s.connections()
		s.name, s.instance = h.Name, h.Instance
	}
	in.inlet = &s.inlets[h.Class]
	// Stop looks among the strangers first and the sources then, under the
	// same lock.
	delete(t.strangers, conn)
	in.inlet.mu.Lock()
	if in.inlet.current != nil {
		old = append(old, in.inlet.current)
	}
	in.inlet.current = in
	in.inlet.since, in.inlet.instance, in.inlet.incarnation = t.config.Clock.Now(), h.Instance, h.Incarnation
	in.inlet.mu.Unlock()
	t.mu.Unlock()
	for _, other := range old {
		other.fail(errReplaced)
	}
	in.inlet.accepts.Add(1)
	t.complaints.settle(h.about())
	return in, nil
}

// sourceLocked returns where the node of a hello comes in.
func (t *TCP) sourceLocked(h *hello, now time.Duration) (*source, error) {
	if t.stopped {
		return nil, errStopped
	}
	s := t.sources[h.From]
	if s == nil {
		if len(t.sources) >= t.config.Limits.MaxNodes && !t.forgetLocked() {
			return nil, refusal(RefusedBusy, "too many nodes are connected already")
		}
		s = newSource(h)
		t.sources[h.From] = s
		return s, nil
	}
	timeout := t.config.Timing.Timeout
	switch alive := s.alive(now, timeout); {
	case alive && s.name != h.Name:
		return nil, refusal(RefusedDuplicate, "%v", &NumberError{Node: h.From, Known: s.name, Name: h.Name})
	case alive && s.instance != h.Instance:
		return nil, refusal(RefusedDuplicate,
			"server %s is connected as %s: there are two of the name, or the one before has been dead for less than %v", s.name, s.instance, timeout)
	}
	return s, nil
}

// forgetLocked makes room for another source by forgetting one that is of no use any
// more, if there is one: the one with the smallest number, so that it is always the same.
func (t *TCP) forgetLocked() bool {
	idle := (*source)(nil)
	for _, s := range t.sources {
		if (idle == nil || s.from < idle.from) && s.idle() {
			idle = s
		}
	}
	if idle == nil {
		return false
	}
	delete(t.sources, idle.from)
	return true
}

// reply is what this node answers a hello.
func (t *TCP) reply(reason Reason, text string) *reply {
	c := &t.config
	r := &reply{
		Reason: reason, Node: c.Self, Incarnation: c.Incarnation,
		Cluster: c.Cluster, Name: c.Name, Instance: c.Instance, Text: text,
	}
	if reason == welcome {
		r.MaxFrame = uint32(c.Limits.MaxFrame)
	}
	return r
}

// refuse says no, if the other end is one that would understand.
func (t *TCP) refuse(conn net.Conn, h *hello, err error) {
	var refusal *RefusedError
	reason := Unheard
	if errors.As(err, &refusal) {
		reason = refusal.Reason
	}
	t.mu.Lock()
	if _, ok := t.strangers[conn]; !ok && !t.stopped {
		// Whatever the error says, it is because the connection was closed.
		err, reason, refusal = errCrowdedOut, RefusedBusy, nil
	}
	delete(t.strangers, conn)
	t.refused[reason]++
	t.mu.Unlock()
	if t.ctx.Err() != nil {
		return
	}
	// A stranger can call itself whatever it likes, but comes from somewhere.
	about := "at " + hostOf(conn.RemoteAddr())
	if h != nil {
		about = h.about()
	}
	if t.complaints.first(about, err, t.now()) {
		t.config.Logf("refused the connection from %v: %v", conn.RemoteAddr(), err)
	}
	if refusal != nil {
		// It is a courtesy; the connection is closed next.
		_, _ = conn.Write(t.reply(refusal.Reason, refusal.Text).encode())
	}
}

// about is what complaints are about the sender of a hello that belongs to the cluster.
func (h *hello) about() string { return "from " + h.Name }

func hostOf(addr net.Addr) string {
	if addr == nil {
		return ""
	}
	host, _, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	return host
}

// greet is the dialling end's half of the handshake.
func (t *TCP) greet(conn net.Conn, to Peer, class host.Class) (*reply, error) {
	c := &t.config
	username, password := c.Credentials(to)
	if len(username) > MaxName || len(password) > MaxName {
		return nil, fmt.Errorf("user or password for it has more than %d bytes", MaxName)
	}
	h := hello{
		Class: class, From: c.Self, Incarnation: c.Incarnation, To: to.Node,
		Cluster: c.Cluster, Name: c.Name, Instance: c.Instance, ToName: to.Name,
		Username: username, Password: password,
	}
	if _, err := conn.Write(h.encode()); err != nil {
		return nil, fmt.Errorf("handshake: %w", err)
	}
	body, err := readHandshake(conn)
	if err != nil {
		return nil, fmt.Errorf("handshake: %w", err)
	}
	r, err := decodeReply(body)
	switch {
	case err != nil:
		return nil, fmt.Errorf("handshake: %w", err)
	case r.Reason != welcome:
		return nil, &RefusedError{Reason: r.Reason, Text: r.Text}
	case r.Cluster != c.Cluster:
		return nil, fmt.Errorf("handshake: a server of cluster %q answers", r.Cluster)
	case r.Node != to.Node || r.Name != to.Name:
		return nil, fmt.Errorf("handshake: server %s answers, node %d", r.Name, r.Node)
	}
	return &r, nil
}
