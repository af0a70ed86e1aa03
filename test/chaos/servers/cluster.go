//go:build unix

package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Options say what a cluster is like.
type Options struct {
	// Binary is the server program, Args are more arguments for it.
	Binary string
	Args   []string
	// Dir is where all files go. It has to be there.
	Dir string
	// Servers is how many there are. One alone is no cluster.
	Servers int
	// JetStream and Extra are what is added to the jetstream block, and to the configuration.
	JetStream, Extra string
	// Network is what the servers are on, nil for the loopback interface. It is not closed
	// with the cluster.
	Network *Network
}

// Cluster is server processes that know each other. Servers are known by their numbers,
// counted from 0. Methods on different servers may be called at the same time.
type Cluster struct {
	network *Network
	list    []*server
}

// server is one of them, and the process that it is at present.
type server struct {
	name         string
	dir          string
	url, monitor string
	command      []string

	mu sync.Mutex
	// process is nil while the server is down; ended is closed when it has ended.
	process *os.Process
	ended   chan struct{}
	// expected is set when it is killed by us; died says how it ended otherwise.
	expected bool
	died     error
}

// New writes the configurations of a cluster. Nothing runs yet.
func New(o *Options) (*Cluster, error) {
	type ports struct{ host, client, route, monitor string }
	all := make([]ports, o.Servers)
	free, err := freePorts(3 * o.Servers)
	if err != nil {
		return nil, err
	}
	var routes []string
	for i := range all {
		p := &all[i]
		*p = ports{"127.0.0.1", "4222", "6222", "8222"}
		if o.Network != nil {
			p.host = o.Network.address(i)
		} else {
			p.client, p.route, p.monitor = free[3*i], free[3*i+1], free[3*i+2]
		}
		routes = append(routes, "nats://"+net.JoinHostPort(p.host, p.route))
	}
	c := &Cluster{network: o.Network}
	for i, p := range all {
		s := &server{
			name: "s" + strconv.Itoa(i), url: "nats://" + net.JoinHostPort(p.host, p.client),
			monitor: "http://" + net.JoinHostPort(p.host, p.monitor),
		}
		s.dir = filepath.Join(o.Dir, s.name)
		if err := os.MkdirAll(filepath.Join(s.dir, "store"), 0o700); err != nil {
			return nil, err
		}
		config := fmt.Sprintf(`server_name: %s
listen: "%s:%s"
http: "%s:%s"
log_file: %q
jetstream { store_dir: %q, %s }
%s
`, s.name, p.host, p.client, p.host, p.monitor, s.log(), s.store(), o.JetStream, o.Extra)
		if o.Servers > 1 {
			config += fmt.Sprintf("cluster { name: chaos, listen: \"%s:%s\", no_advertise: true, routes: [%s] }\n", p.host, p.route, strings.Join(routes, ", "))
		}
		path := filepath.Join(s.dir, "server.conf")
		if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
			return nil, err
		}
		s.command = append([]string{o.Binary, "-c", path}, o.Args...)
		if o.Network != nil {
			s.command = append(o.Network.enter(i), s.command...)
		}
		c.list = append(c.list, s)
	}
	return c, nil
}

func (s *server) store() string { return filepath.Join(s.dir, "store") }
func (s *server) log() string   { return filepath.Join(s.dir, "log") }

// freePorts finds ports that nobody listens on. They are below those that the system gives
// to connections, one of which might take that of a server that is down.
func freePorts(n int) (ports []string, err error) {
	for range 1000 {
		port := strconv.Itoa(10000 + rand.IntN(20000))
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			continue
		}
		defer l.Close() // not before all are found, so that they differ
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, errors.New("no free ports")
}

// Servers is how many there are.
func (c *Cluster) Servers() int { return len(c.list) }

// Name, URL, Monitor and Store are those of a server: what it is called, where clients
// connect, where it is monitored, its directory of data.
func (c *Cluster) Name(i int) string    { return c.list[i].name }
func (c *Cluster) URL(i int) string     { return c.list[i].url }
func (c *Cluster) Monitor(i int) string { return c.list[i].monitor }
func (c *Cluster) Store(i int) string   { return c.list[i].store() }

// Start starts a server that does not run. Whether it is ready is for Whole to say.
func (c *Cluster) Start(i int) error {
	s := c.list[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		return fmt.Errorf("%s runs already", s.name)
	}
	// What is printed is not in the log, such as why it did not start.
	printed, err := os.OpenFile(filepath.Join(s.dir, "printed"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer printed.Close()
	cmd := exec.Command(s.command[0], s.command[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = printed, printed, attributes()
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	s.process, s.ended, s.expected = cmd.Process, ended, false
	go func() {
		defer close(ended)
		_ = cmd.Wait() // what came of it is in the process state
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.process = nil; !s.expected {
			s.died = fmt.Errorf("%s ended by itself: %s; see %s", s.name, cmd.ProcessState, s.dir)
		}
	}()
	return nil
}

// Kill ends a server at once. It may be down already.
func (c *Cluster) Kill(i int) error {
	s := c.list[i]
	s.mu.Lock()
	p, ended := s.process, s.ended
	s.expected = true
	s.mu.Unlock()
	if p == nil {
		return nil
	}
	if err := p.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-ended
	return nil
}

// Pause and Resume stop a server in its tracks and have it go on.
func (c *Cluster) Pause(i int) error  { return c.list[i].signal(syscall.SIGSTOP) }
func (c *Cluster) Resume(i int) error { return c.list[i].signal(syscall.SIGCONT) }

func (s *server) signal(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return errors.Join(fmt.Errorf("%s does not run", s.name), s.died)
	}
	return s.process.Signal(sig)
}

// Cut has a server not hear another any more, Mend has all hear all again.
func (c *Cluster) Cut(from, to int) error {
	if c.network == nil {
		return ErrNoNetwork
	}
	return c.network.cut(from, to)
}

func (c *Cluster) Mend() error {
	if c.network == nil {
		return nil
	}
	return c.network.mend()
}

// Died returns an error if a server has ended by itself.
func (c *Cluster) Died() error {
	var errs []error
	for _, s := range c.list {
		s.mu.Lock()
		errs = append(errs, s.died)
		s.mu.Unlock()
	}
	return errors.Join(errs...)
}

// Whole waits until all servers run and say that they are well, with all their data, or until
// the context ends.
func (c *Cluster) Whole(ctx context.Context) error {
	for {
		var errs []error
		for _, s := range c.list {
			errs = append(errs, s.healthy(ctx))
		}
		err := errors.Join(errs...)
		if died := c.Died(); err == nil || died != nil {
			return died
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// healthy asks a server whether it is well.
func (s *server) healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.monitor+"/healthz", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", s.name, answer.Status, text)
	}
	return err
}

// Close kills all servers.
func (c *Cluster) Close() error {
	var errs []error
	for i := range c.list {
		errs = append(errs, c.Kill(i))
	}
	return errors.Join(errs...)
}
