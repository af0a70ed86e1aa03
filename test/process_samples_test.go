//go:build unix

package test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/nats-lite/nats-lite/internal/testcert"
)

// Every configuration that comes with the server starts one, as it stands but
// for its ports and the places of files, and lets in whom it says.
func TestSamples(t *testing.T) {
	ca := testcert.NewCA(t, "authority")
	etc := t.TempDir()
	server := ca.Server(t, "127.0.0.1")
	writeFile(t, etc, "ca.pem", string(ca.CertPEM))
	writeFile(t, etc, "server-cert.pem", string(server.CertPEM))
	writeFile(t, etc, "server-key.pem", string(server.KeyPEM))
	client := ca.Client(t, "client")
	cert, key := client.WriteFiles(t, etc)

	users := map[string][]nats.Option{
		"accounts.conf":          {nats.UserInfo("orders", "o")},
		"auth-token.conf":        {nats.Token("s3cr3t")},
		"jetstream.conf":         {nats.UserInfo("orders", "change me")},
		"tls.conf":               {nats.RootCAs(filepath.Join(etc, "ca.pem")), nats.ClientCert(cert, key)},
		"users-permissions.conf": {nats.UserInfo("boss", "b0ss")},
	}
	files, err := filepath.Glob("../conf/samples/*.conf")
	if err != nil || len(files) < 7 {
		t.Fatalf("samples %v, %v", files, err)
	}
	for _, path := range append(files, "../conf/nats-lite.conf") {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			config := strings.NewReplacer("/etc/nats-lite/", etc+"/", `"/var/lib/nats-lite"`, t.TempDir(), `"data"`, t.TempDir()).Replace(string(text))
			p := launch(t, config)
			nc := connect(t, p.url, users[name]...)
			flush(t, nc)
			if host, _, err := net.SplitHostPort(p.addr); err != nil || host != "127.0.0.1" {
				t.Errorf("the server listens at %s", p.addr)
			}
		})
	}
}

// "make run" runs the configuration that it is said to run.
func TestMakeRun(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("there is no make")
	}
	cmd := exec.Command("make", "--no-print-directory", "-n", "run")
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if last := lines[len(lines)-1]; !strings.HasSuffix(last, "/bin/nats-lite -c conf/nats-lite.conf") {
		t.Errorf("make run runs %q", last)
	}
	if status, _, stderr := runs(t, "-t", "-c", "../conf/nats-lite.conf"); status != 0 {
		t.Errorf("status %d: %s", status, stderr)
	}
}
