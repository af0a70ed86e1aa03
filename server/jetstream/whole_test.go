package jetstream

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// Whoever reads while a batch is applied sees what was before, or what is after. The
// disk is slow here, so that there is a middle.
func TestNobodySeesTheMiddle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem(), func(r *rig, _ *wal.Config, _ *host.Config, _ *Config) { r.every.blockBytes = 256 })
		defer r.stop()
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s.>"}, MaxMsgsPerSubject: 1, AllowDirect: true, AllowAtomic: true})
		value := func(v string) string { return v + strings.Repeat(".", 400) }
		var batch []published
		for _, k := range []string{"s.a", "s.b", "s.c"} {
			r.store(k, value("1"))
			batch = append(batch, published{subject: k, data: value("2")})
		}
		r.fs.SetInjector(errorfs.On(errorfs.Kinds(errorfs.OpCreate, errorfs.OpWriteAt).Base("*.blk"), errorfs.Fault{Delay: time.Second}))
		done := make(chan struct{})
		go func() {
			defer close(done)
			if !publish("S", batch...).run(r) {
				t.Error("it is not stored")
			}
		}()
		for range 8 {
			time.Sleep(300 * time.Millisecond)
			b := r.newInbox()
			r.send(subjectOf(api.OpDirectGet, "S"), b.sub.Subject, mustJSON(&api.MsgGetRequest{MultiLastFor: []string{"s.>"}}))
			var got []string
			for m := range slices.Values(b.all()) {
				if m.data != "" {
					got = append(got, m.data[:1])
				}
			}
			b.close()
			if text := strings.Join(got, " "); text != "1 1 1" && text != "2 2 2" {
				t.Errorf("read %q", text)
			}
			if st := r.info("S").State; st.Msgs != 3 || st.FirstSeq != 1 && st.FirstSeq != 4 {
				t.Errorf("the stream is %+v", st)
			}
		}
		<-done
	})
}
