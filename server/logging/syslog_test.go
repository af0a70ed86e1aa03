//go:build !windows && !plan9

package logging

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The severities of the messages, in the daemon facility.
var syslogWant = []string{"<29>n", "<31>d", "<28>w", "<27>e\\nf", "<26>f", "<31>t"}

func logAllLevels(l *Logger) {
	l.Noticef("n")
	l.Debugf("d")
	l.Warnf("w")
	l.Errorf("e\nf")
	l.Fatalf("f")
	l.Tracef("t")
}

// checkSyslog checks a message, whose middle is the matter of syslog.
func checkSyslog(t *testing.T, got, want string) {
	t.Helper()
	severity, message, _ := strings.Cut(want, ">")
	if !strings.HasPrefix(got, severity+">") || !strings.Contains(got, " nats-lite[") || !strings.HasSuffix(got, "]: "+message+"\n") {
		t.Errorf("got %q, want %s", got, want)
	}
}

func TestRemoteSyslogByDatagram(t *testing.T) {
	for _, network := range []string{"udp", "unixgram"} {
		t.Run(network, func(t *testing.T) {
			addr := "127.0.0.1:0"
			if network == "unixgram" {
				addr = filepath.Join(t.TempDir(), "s")
			}
			conn, err := net.ListenPacket(network, addr)
			if err != nil {
				t.Skip(err)
			}
			defer conn.Close()
			l := testLogger(t, Config{RemoteSyslog: network + "://" + conn.LocalAddr().String(), Tag: "nats-lite", Debug: true, Trace: true}, Env{})
			logAllLevels(l)
			buf := make([]byte, 1024)
			for _, want := range syslogWant {
				if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
					t.Fatal(err)
				}
				n, _, err := conn.ReadFrom(buf)
				if err != nil {
					t.Fatal(err)
				}
				checkSyslog(t, string(buf[:n]), want)
			}
		})
	}
}

func TestRemoteSyslogByStream(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			addr := "127.0.0.1:0"
			if network == "unix" {
				addr = filepath.Join(t.TempDir(), "s")
			}
			ln, err := net.Listen(network, addr)
			if err != nil {
				t.Skip(err)
			}
			defer ln.Close()
			l := testLogger(t, Config{RemoteSyslog: network + "://" + ln.Addr().String(), Tag: "nats-lite", Debug: true, Trace: true}, Env{})
			conn, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			logAllLevels(l)
			r := bufio.NewReader(conn)
			for _, want := range syslogWant {
				if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
					t.Fatal(err)
				}
				got, err := r.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				checkSyslog(t, got, want)
			}
		})
	}
}

func TestSyslogThatIsNotThere(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "s")
	for url, want := range map[string]string{
		"foo://h":            `invalid network type: "foo"`,
		"h":                  `invalid network type: ""`,
		"udp://h":            `error connecting to syslog: "dial udp: address h: missing port in address"`,
		"unix://" + missing:  fmt.Sprintf("error connecting to syslog: %q", "dial unix "+missing+": connect: no such file or directory"),
		"udp://127.0.0.1:%x": "error parsing syslog address: ",
	} {
		_, err := New(Config{RemoteSyslog: url}, Env{})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error is %v, want %s", url, err, want)
		}
	}
}
