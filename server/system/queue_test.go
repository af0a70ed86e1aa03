package system

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/server/account"
)

// Do accounts take turns, each in its order, by a bounded number of goroutines?
func TestQueueTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		accounts := []*account.Account{account.New("A"), account.New("B"), account.New("C")}
		var order []string
		working, most := 0, 0
		var q queue
		q.work = func(r *request) {
			q.mu.Lock()
			order = append(order, r.reply)
			working++
			most = max(most, working)
			q.mu.Unlock()
			time.Sleep(time.Second)
			q.mu.Lock()
			working--
			q.mu.Unlock()
		}
		add := func(account, n, want int) {
			t.Helper()
			taken := 0
			for i := range n {
				if q.add(&request{account: accounts[account], reply: fmt.Sprint(accounts[account].Name(), i)}) {
					taken++
				}
			}
			if taken != want {
				t.Errorf("%d of %d requests were taken, want %d", taken, n, want)
			}
		}
		add(0, maxWorkers, maxWorkers)
		synctest.Wait() // everybody is busy
		add(0, maxWaiting+10, maxWaiting)
		add(1, 2, 2)
		add(2, 3, 3)
		synctest.Wait()
		q.mu.Lock()
		order = nil
		q.mu.Unlock()
		began := time.Now()
		q.working.Wait()
		if got, want := time.Since(began), time.Duration(1+(maxWaiting+5+maxWorkers-1)/maxWorkers)*time.Second; got != want {
			t.Errorf("done after %v, want %v", got, want)
		}
		if most != maxWorkers || q.workers != 0 {
			t.Errorf("%d worked at a time, %d are left", most, q.workers)
		}
		// Those that begin in the same second may come in any order.
		for i := 0; i < len(order); i += maxWorkers {
			slices.Sort(order[i:min(i+maxWorkers, len(order))])
		}
		if got := strings.Join(order[:12], " "); got != "A0 A1 B0 C0 A2 B1 C1 C2 A3 A4 A5 A6" {
			t.Errorf("order %s", got)
		}
	})
}

// What happens to an account's requests when it asks too much, and to those of
// others?
func TestTooManyRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, system, ordinary := start(t, map[string]Endpoint{
			"CONNZ": func([]byte, string) (any, error) {
				time.Sleep(time.Second)
				return "done", nil
			},
		})
		greedy, other := newClient(t, ordinary, 7), newClient(t, system, 8)
		const connz = "$SYS.REQ.SERVER.PING.CONNZ"
		for range maxWorkers {
			greedy.ask(connz, "")
		}
		synctest.Wait()
		for range maxWaiting {
			greedy.ask(connz, "")
		}
		if got := greedy.answers(); len(got) != 0 {
			t.Fatalf("answers %q before their time", got)
		}
		greedy.ask(connz, `{"server_name":"other"}`)
		if got := greedy.answers(); len(got) != 0 {
			t.Errorf("answers %q to what is for others", got)
		}
		greedy.ask(connz, `{"server_name":"one"}`)
		greedy.ask(connz, "")
		for _, got := range greedy.answers() {
			if !strings.HasSuffix(got, `"error":{"code":503,"description":"too many requests are waiting"}}`) {
				t.Errorf("answer %s", got)
			}
		}
		// Somebody else waits for those at work only.
		began := time.Now()
		other.ask(connz, "")
		for len(other.answers()) == 0 {
			time.Sleep(time.Second)
		}
		if waited := time.Since(began); waited > 2*time.Second {
			t.Errorf("another account waited for %v", waited)
		}
		time.Sleep(time.Hour)
		if got := greedy.answers(); len(got) != maxWorkers+maxWaiting {
			t.Errorf("%d answers in the end", len(got))
		}
	})
}

// Does Close wait for what is worked on, and drop the rest?
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		s, _, system, ordinary := start(t, nil)
		s.endpoints["VARZ"] = func([]byte, string) (any, error) {
			time.Sleep(time.Second)
			s.mu.Lock() // as a reload would, while Close waits
			calls++
			s.mu.Unlock()
			return nil, nil
		}
		c := newClient(t, system, 7)
		for range maxWorkers + 3 {
			c.ask("$SYS.REQ.SERVER.PING.VARZ", "")
		}
		synctest.Wait()
		began := time.Now()
		s.Close()
		if waited := time.Since(began); waited != time.Second {
			t.Errorf("waited for %v", waited)
		}
		if got := c.answers(); len(got) != maxWorkers || calls != maxWorkers {
			t.Errorf("%d requests were worked on, %d answered", calls, len(got))
		}
		if system.Interest().Len() != 1 || ordinary.Interest().Len() != 0 {
			t.Error("services are left")
		}
		// A handler that was just about to be called comes too late.
		if !s.queue.add(&request{account: system}) || s.queue.workers != 0 || len(s.queue.lines) != 0 {
			t.Error("a request is taken after Close")
		}
	})
}

// Is what waits dropped when the queue closes?
func TestQueueCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue{work: func(*request) { time.Sleep(time.Second) }}
		for range maxWorkers + 3 {
			q.add(&request{})
		}
		synctest.Wait()
		began := time.Now()
		q.close()
		if waited := time.Since(began); waited != time.Second || q.workers != 0 {
			t.Errorf("closed after %v, %d workers are left", waited, q.workers)
		}
	})
}

// Is a request copied before its buffer is used for something else?
func TestRequestIsCopied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, system, _ := start(t, nil)
		c := newClient(t, system, 7)
		m := account.NewMessage("$SYS.REQ.SERVER.PING.OPTZ", []byte(`{"limit":3}`), "Accept-Encoding", "br")
		m.Reply = []byte("reply.x")
		if n := system.Publish(m); n != 1 {
			t.Fatalf("went to %d", n)
		}
		clear(m.Body)
		clear(m.Reply)
		got := c.answers()
		if len(got) != 1 || !strings.Contains(got[0], "identity") || !strings.HasSuffix(got[0], `"data":{"Limit":3}}`) {
			t.Errorf("answers %q", got)
		}
	})
}

// Are requests of an account dropped that is served no more?
func TestAccountGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, system, ordinary := start(t, map[string]Endpoint{
			"CONNZ": func([]byte, string) (any, error) { time.Sleep(time.Second); return nil, nil },
		})
		goes, stays := newClient(t, ordinary, 7), newClient(t, system, 7)
		for range maxWorkers + 2 {
			goes.ask("$SYS.REQ.SERVER.PING.CONNZ", "")
		}
		synctest.Wait()
		stays.ask("$SYS.REQ.SERVER.PING.CONNZ", "")
		synctest.Wait()
		if err := s.Serve([]*account.Account{system}, system); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if gone, there := len(goes.answers()), len(stays.answers()); gone != maxWorkers || there != 1 {
			t.Errorf("%d answers and %d", gone, there)
		}
	})
}
