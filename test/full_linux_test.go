package test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// smallDisk is a file system of its own, in memory, of which only processes that enter
// it know. It is gone with the test.
type smallDisk struct {
	holder int    // the process that holds it
	path   string // where it is for those inside
}

// newSmallDisk makes a disk of a size. The test is skipped where that needs rights
// which it has not.
func newSmallDisk(t *testing.T, mib int) *smallDisk {
	t.Helper()
	for _, tool := range []string{"unshare", "nsenter"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	path := t.TempDir()
	cmd := exec.Command("unshare", "-Urm", "sh", "-c", `mount -t tmpfs -o size="$1"m none "$2" && echo mounted && exec cat`, "sh", strconv.Itoa(mib), path)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait() // where it could not mount anything it says so
	})
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	} else if line != "mounted\n" {
		t.Skip("file systems cannot be mounted here")
	}
	return &smallDisk{cmd.Process.Pid, path}
}

// spawn runs a server that has its streams on the disk.
func (d *smallDisk) spawn(t *testing.T) *process {
	t.Helper()
	by := []string{"nsenter", "-t", strconv.Itoa(d.holder), "-U", "-m", "--preserve-credentials"}
	return spawnBy(t, by, "", "-js", "-sd", d.path)
}

// outside is where a file of the disk is for the test.
func (d *smallDisk) outside(name string) string {
	return filepath.Join("/proc", strconv.Itoa(d.holder), "root", d.path, name)
}

// fill takes all space but so many bytes.
func (d *smallDisk) fill(t *testing.T, leave int64) {
	t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(d.outside(""), &st); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(d.outside("ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n := int64(st.Bavail)*st.Bsize - leave; n > 0 {
		if err := syscall.Fallocate(int(f.Fd()), 0, 0, n); err != nil {
			t.Fatal(err)
		}
	}
}

func (d *smallDisk) free(t *testing.T) {
	t.Helper()
	if err := os.Remove(d.outside("ballast")); err != nil {
		t.Fatal(err)
	}
}

// A server whose disk is full refuses messages as it should, keeps what it has
// acknowledged, serves it, also when it is started like that, and takes messages again
// when there is space.
func TestFullDisk(t *testing.T) {
	d := newSmallDisk(t, 256)
	p := d.spawn(t)
	p.ready(t)
	var acked []string // by sequence less one; "" is one that was not acknowledged
	use := func(f func(js jetstream.JetStream)) {
		nc := connect(t, p.url, nats.NoReconnect())
		defer nc.Close()
		js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(patience))
		if err != nil {
			t.Fatal(err)
		}
		f(js)
	}
	// publish publishes one message, and tells whether it was taken.
	n, refused, unanswered := 0, 0, 0
	publish := func(js jetstream.JetStream) bool {
		t.Helper()
		n++
		name := bigPublisher + "/" + strconv.Itoa(n)
		// What is in the log, and cannot be stored, is not answered: it will be stored
		// when there is space. That happens to what was under way.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ack, err := js.Publish(ctx, "s", text(name))
		var apiErr *jetstream.APIError
		switch {
		case err == nil:
			for uint64(len(acked)) < ack.Sequence {
				acked = append(acked, "")
			}
			acked[ack.Sequence-1] = name
			return true
		case errors.As(err, &apiErr) && apiErr.ErrorCode == 10023: // insufficient resources
			refused++
		case errors.Is(err, context.DeadlineExceeded):
			unanswered++
		default:
			t.Fatalf("message %d: %v", n, err)
		}
		return false
	}
	check := func(js jetstream.JetStream) {
		t.Helper()
		for i, name := range acked {
			stream, err := js.Stream(t.Context(), "S")
			if err != nil {
				t.Fatal(err)
			}
			m, err := stream.GetMsg(t.Context(), uint64(i+1))
			if name != "" && (err != nil || nameOf(m.Data) != name) {
				t.Errorf("message %d, %s: %v", i+1, name, err)
			}
		}
	}
	again := func(js jetstream.JetStream) {
		t.Helper()
		await(t, func() error {
			if !publish(js) {
				time.Sleep(100 * time.Millisecond) // real time passes for the server, too
				return fmt.Errorf("%d messages were taken, and no more", len(acked))
			}
			return nil
		})
	}

	use(func(js jetstream.JetStream) {
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			publish(js)
		}
		for _, leave := range []int64{4 << 20, 0} {
			d.fill(t, leave)
			for before := refused; refused < before+20; {
				publish(js)
			}
			check(js)
			d.free(t)
			again(js)
			check(js)
		}
		d.fill(t, 0)
		for publish(js) {
		}
	})
	// Killed while the disk is full, and started on the full disk, twice.
	for range 2 {
		p.signal(t, syscall.SIGKILL)
		<-p.ended
		p = d.spawn(t)
		p.ready(t)
		p.logs(t, "no space left")
		use(func(js jetstream.JetStream) {
			await(t, func() error {
				// What is started anew may win some space back, and that is used up first.
				for before := refused; refused < before+5; {
					publish(js)
				}
				status, body := p.text(t, "/healthz")
				if status != http.StatusServiceUnavailable || !strings.Contains(body, "S' is not current") {
					return fmt.Errorf("healthz says %d %s", status, body)
				}
				return nil
			})
			check(js)
		})
	}
	d.free(t)
	use(func(js jetstream.JetStream) {
		again(js)
		check(js)
		if status, body := p.text(t, "/healthz"); status != http.StatusOK {
			t.Errorf("healthz says %d %s", status, body)
		}
		// A stream that is deleted leaves room for others.
		d.fill(t, 0)
		for publish(js) {
		}
		if err := js.DeleteStream(t.Context(), "S"); err != nil {
			t.Fatal(err)
		}
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
			t.Fatal(err)
		}
		acked = nil
		again(js)
		check(js)
	})
	p.signal(t, syscall.SIGTERM)
	if status := p.exit(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if unanswered > 5 {
		t.Errorf("%d messages were not answered", unanswered)
	}
	t.Logf("%d messages are stored, %d were refused, %d not answered", len(acked), refused, unanswered)
}
