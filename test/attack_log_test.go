package test

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

// traced is the beginning of configurations with a log that says everything.
const traced = "debug: true, trace_verbose: true\n"

func (s *instance) readLog(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(s.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// logLine is what every line of a log looks like.
var logLine = regexp.MustCompile(`^\[\d+\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} \[(INF|WRN|ERR|DBG|TRC)\] .*\n$`)

// Nothing that a client sends becomes a line of the log by itself, or changes
// what a terminal shows of it.
func TestLogCannotBeForged(t *testing.T) {
	s := start(t, traced+"authorization { users: [ {user: a, password: p, permissions: {publish: x, subscribe: x}} ] }")
	const forged = "[1] 2026/01/02 03:04:05.000006 [INF] FORGED\x1b[2J"
	tame := `CONNECT {"user":"a","pass":"p","verbose":false,"headers":true}` + "\r\n"
	name := `\n` + strings.ReplaceAll(forged, "\x1b", `\u001b`) + `\n`
	inputs := []string{
		fmt.Sprintf(`CONNECT {"user":"a","pass":"p","verbose":false,"name":"%[1]s","lang":"%[1]s","version":"%[1]s"}`+"\r\nPING\r\n", name),
		fmt.Sprintf(`CONNECT {"user":"%[1]s","pass":"%[1]s"}`+"\r\n", name),
		fmt.Sprintf(`CONNECT {"nkey":"%[1]s","sig":"%[1]s","jwt":"%[1]s"}`+"\r\n", name),
		tame + "PUB x\r" + forged + "\r 5\r\nhello\r\n",
		tame + "PUB \x1b[2J\x07denied 5\r\nhello\r\n",
		tame + "SUB \x1b[2J\x07denied q\x1b[2J 1\x1b\r\n",
		tame + fmt.Sprintf("PUB x %d\r\n\n%s\n\r\n", len(forged)+2, forged),
		tame + fmt.Sprintf("HPUB x %[1]d %[1]d\r\nNATS/1.0\r\n%[2]s\r\n\r\n\r\n", len(forged)+14, forged),
		tame + "-ERR '\r" + forged + "'\r\n",
		tame + "+OK \r" + forged + "\r\nINFO \x1b[2J\r\n",
		"\r" + forged + "\r\n",
		forged,
	}
	for _, input := range inputs {
		w := dial(t, s.Addr().String())
		w.send(t, input+"\r\n\x00") // which ends the connection, if nothing has
		w.last(t)
	}
	await(t, func() error {
		if n := s.connz(t, "state=closed&limit=1").Total; n != len(inputs) {
			return fmt.Errorf("%d connections were closed", n)
		}
		return nil
	})
	log := s.readLog(t)
	if !strings.Contains(log, "FORGED") {
		t.Error("the log does not show what clients sent at all")
	}
	for line := range strings.Lines(log) {
		if !logLine.MatchString(line) || strings.ContainsAny(line, "\x1b\x07\r") || strings.HasPrefix(line, "[1]") {
			t.Errorf("a line of the log is %q", line)
		}
	}
}

// Passwords, tokens and signatures are in no log and on no page.
func TestSecretsStaySecret(t *testing.T) {
	const secret = "xyzzy"
	for _, test := range []struct {
		name, config string
		good         nats.Option
	}{
		{"password", fmt.Sprintf("authorization { user: alice, password: %s1 }", secret), nats.UserInfo("alice", secret+"1")},
		{"token", fmt.Sprintf("authorization { token: %s2 }", secret), nats.Token(secret + "2")},
		{"user of an account", fmt.Sprintf("accounts { A { users: [ {user: alice, password: %s3} ] } }", secret), nats.UserInfo("alice", secret+"3")},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, traced+test.config)
			nc := s.connect(t, test.good, nats.NoReconnect())
			flush(t, nc)
			refused(t, s, nats.UserInfo("alice", secret+"guess"))
			refused(t, s, nats.Token(secret+"guess"))
			for _, line := range []string{
				`CONNECT {"user":"alice","pass":"xyzzy"`,          // JSON that does not end
				`connect   {"pass" : "xyzzy", "user":"alice"}`,    // other blanks
				`CONNECT {"PASS":"xyzzy","Auth_Token":"xyzzy"}`,   // other letters
				`CONNECT {"pass":"\"xyzzy","auth_token":"xyzzy"}`, // an escaped quote
				`CONNECT {"sig":"xyzzy","nkey":"xyzzy"}`,
				`CONNECT {"p\u0061ss":"xyzzy"}`,
			} {
				w := dial(t, s.Addr().String())
				w.send(t, line+"\r\n")
				w.last(t)
			}
			s.reconfigure(t, traced+strings.ReplaceAll(test.config, secret, secret+"new"))
			await(t, func() error {
				if !nc.IsClosed() {
					return errors.New("a client with an old password is still connected")
				}
				return nil
			})
			for _, page := range []string{"/varz", "/connz?auth=1&subs=1&state=all", "/subsz?subs=1", "/healthz", "/expvarz"} {
				if status, body := s.text(t, page); status != 200 || strings.Contains(body, secret) {
					t.Errorf("%s has status %d and says %s", page, status, body)
				}
			}
			for line := range strings.Lines(s.readLog(t)) {
				if strings.Contains(line, secret) {
					t.Errorf("the log says %q", line)
				}
			}
		})
	}
}
