package conf

import (
	"path/filepath"
	"testing"
)

// The files that ship with the server must be right, and say what they are
// about: the test names a key that each must have.
func TestSamples(t *testing.T) {
	keys := map[string]string{
		"nats-lite.conf":                 "listen",
		"samples/auth-token.conf":        "authorization",
		"samples/users-permissions.conf": "no_auth_user",
		"samples/accounts.conf":          "accounts",
		"samples/tls.conf":               "tls",
		"samples/mappings.conf":          "mappings",
		"samples/limits.conf":            "max_payload",
		"samples/operations.conf":        "log_file",
		"samples/jetstream.conf":         "jetstream",
		"cluster/a.conf":                 "cluster",
		"cluster/b.conf":                 "cluster",
		"cluster/c.conf":                 "cluster",
		"cluster/users.conf":             "no_auth_user",
	}
	seen := 0
	for _, pattern := range []string{"*.conf", "samples/*.conf", "cluster/*.conf"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			seen++
			key := keys[filepath.ToSlash(path)]
			if key == "" {
				t.Errorf("%s is not in this test", path)
				continue
			}
			c, err := ParseFile(path, WithEnv(func(string) (string, bool) { return "", false }))
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			if c.Root.Get(key) == nil {
				t.Errorf("%s has no %s", path, key)
			}
		}
	}
	if seen != len(keys) {
		t.Errorf("found %d samples of %d", seen, len(keys))
	}
}
