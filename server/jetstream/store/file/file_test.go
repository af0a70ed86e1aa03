package file

import (
	"testing"

	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/jetstream/store/storetest"
)

// configs are the kinds of stores that have to behave alike.
func configs(t testing.TB) map[string]Config {
	keys := mustKeys(t, seal.AES, "secret")
	return map[string]Config{
		"plain":             {BlockBytes: 2 << 10},
		"large blocks":      {},
		"tiny blocks":       {BlockBytes: 300},
		"compressed":        {BlockBytes: 2 << 10, Compression: true},
		"encrypted":         {BlockBytes: 2 << 10, Cipher: seal.AES, Keys: keys},
		"both, tiny blocks": {BlockBytes: 500, Cipher: seal.ChaCha, Keys: keys, Compression: true},
	}
}

func mustOpen(t testing.TB, cfg Config, fs vfs.FS) (*Store, Recovered) {
	t.Helper()
	cfg.FS, cfg.Dir = fs, "stream"
	s, rec, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s, rec
}

func TestConformance(t *testing.T) {
	all := configs(t)
	for _, name := range []string{"plain", "large blocks", "both, tiny blocks"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, store.FileSize, func(t *testing.T) store.Store {
				s, _ := mustOpen(t, all[name], vfs.NewMem())
				return s
			})
		})
	}
}

func TestDurability(t *testing.T) {
	all := configs(t)
	for _, name := range []string{"plain", "tiny blocks", "compressed"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.RunDurable(t, store.FileSize, func(t *testing.T, fs *vfs.Mem) (store.Store, []byte) {
				s, rec := mustOpen(t, all[name], fs)
				if len(rec.Losses) > 0 || len(rec.Repaired) > 0 || len(rec.PutAside) > 0 || len(rec.Unknown) > 0 {
					t.Errorf("opened with %+v", rec)
				}
				return s, rec.Extra
			})
		})
	}
}
