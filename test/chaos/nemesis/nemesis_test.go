package nemesis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSchedule(t *testing.T) {
	for seed := range uint64(200) {
		for servers := range 8 {
			p := Plan{Seed: seed, Servers: servers, Kinds: Kinds, Time: 10 * time.Minute, Every: 10 * time.Second}
			faults := Schedule(p)
			if !reflect.DeepEqual(faults, Schedule(p)) {
				t.Fatalf("seed %d: not the same again", seed)
			}
			if (len(faults) == 0) != (servers < 3) {
				t.Fatalf("seed %d: %d faults of %d servers", seed, len(faults), servers)
			}
			met, total := make(map[Kind]bool), time.Duration(0)
			for _, f := range faults {
				met[f.Kind] = true
				total += f.Wait + f.Lasts
				if n := len(f.Victims); n == 0 || 2*n >= servers || !slices.IsSorted(f.Victims) || len(slices.Compact(slices.Clone(f.Victims))) != n || f.Victims[n-1] >= servers {
					t.Fatalf("seed %d: %v of %d servers", seed, f, servers)
				}
			}
			if total > p.Time || servers >= 3 && len(met) != len(Kinds) {
				t.Fatalf("seed %d: %v, kinds %v", seed, total, met)
			}
		}
	}
	// More than a minority only if that is asked for.
	most := 0
	for _, f := range Schedule(Plan{Seed: 1, Servers: 3, Most: 3, Kinds: Kinds, Time: time.Hour, Every: 10 * time.Second}) {
		if most = max(most, len(f.Victims)); f.Kind.Network() && len(f.Victims) == 3 {
			t.Errorf("nobody is left on the other side: %v", f)
		}
	}
	if most != 3 {
		t.Errorf("at most %d at once", most)
	}
}

func TestParseKinds(t *testing.T) {
	if got, err := ParseKinds("kill, one-way"); err != nil || !slices.Equal(got, []Kind{Kill, OneWay}) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := ParseKinds("kill,flood"); err == nil || !strings.Contains(err.Error(), "flood") {
		t.Errorf("%v", err)
	}
}

func TestDamage(t *testing.T) {
	whole := bytes.Repeat([]byte{0x5a}, 4096)
	flipped, cut := 0, 0
	for seed := range uint64(50) {
		for _, k := range []Kind{Flip, Truncate, Wipe} {
			dir := t.TempDir()
			path := filepath.Join(dir, "a", "b")
			if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.WriteFile(path, whole, 0o600), os.WriteFile(filepath.Join(dir, "empty"), nil, 0o600)); err != nil {
				t.Fatal(err)
			}
			done, err := harm(k, dir, seed)
			if err != nil {
				t.Fatal(err)
			}
			if k == Wipe {
				if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
					t.Fatalf("%v, %v", entries, err)
				}
				continue
			}
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			changed := 0
			for i := range got {
				changed += bits.OnesCount8(got[i] ^ whole[i])
			}
			if touched := len(got) < len(whole) || changed > 0; touched && len(done) != 1 {
				t.Fatalf("%d bytes, %d bits changed, told was %q", len(got), changed, done)
			}
			if k == Flip && (len(got) != len(whole) || changed > 4) || k == Truncate && changed > 0 {
				t.Fatalf("%v: %d bytes, %d bits changed", k, len(got), changed)
			}
			flipped += min(changed, 1)
			cut += min(len(whole)-len(got), 1)
		}
	}
	if flipped < 25 || cut < 10 {
		t.Errorf("of 50 files %d were changed and %d cut", flipped, cut)
	}
}

// fake is a cluster that notes what is done to it.
type fake struct {
	dir   string
	down  map[int]string
	cuts  map[[2]int]bool
	story []string
	whole error
}

func (f *fake) note(server int, from, to string) error {
	if f.down[server] != from {
		return fmt.Errorf("server %d is %q, not %q", server, f.down[server], from)
	}
	f.down[server] = to
	f.story = append(f.story, fmt.Sprint(server, to))
	return nil
}

func (f *fake) Kill(s int) error       { return f.note(s, "", "dead") }
func (f *fake) Start(s int) error      { return f.note(s, "dead", "") }
func (f *fake) Pause(s int) error      { return f.note(s, "", "paused") }
func (f *fake) Resume(s int) error     { return f.note(s, "paused", "") }
func (f *fake) Cut(from, to int) error { f.cuts[[2]int{from, to}] = true; return nil }
func (f *fake) Store(int) string       { return f.dir }
func (f *fake) Servers() int           { return 5 }
func (f *fake) Whole(ctx context.Context) error {
	if f.whole != nil {
		<-ctx.Done()
	}
	return f.whole
}

func (f *fake) Mend() error {
	f.story = append(f.story, fmt.Sprint(slices.SortedFunc(maps.Keys(f.cuts), func(a, b [2]int) int { return slices.Compare(a[:], b[:]) })))
	clear(f.cuts)
	return nil
}

// inflict brings faults upon a fake cluster for a while.
func inflict(t *testing.T, f *fake, during time.Duration, schedule ...Fault) (map[Kind]int, error) {
	t.Helper()
	f.dir, f.down, f.cuts = t.TempDir(), make(map[int]string), make(map[[2]int]bool)
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	return Inflict(ctx, f, schedule, time.Minute, t.Logf)
}

func TestInflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f fake
		counts, err := inflict(
			t, &f, 100*time.Second,
			Fault{Kind: Kill, Victims: []int{0, 3}, Wait: time.Second, Lasts: time.Second},
			Fault{Kind: Pause, Victims: []int{1}, Lasts: time.Second},
			Fault{Kind: Partition, Victims: []int{0, 1}, Lasts: time.Second},
			Fault{Kind: OneWay, Victims: []int{2}, Lasts: time.Second},
			Fault{Kind: OneWay, Victims: []int{2}, Deaf: true, Lasts: time.Second},
			Fault{Kind: Wipe, Victims: []int{4}, Lasts: time.Hour}, // the end comes before
			Fault{Kind: Kill, Victims: []int{1}},
		)
		want := []string{
			"0dead", "3dead", "0", "3", "1paused", "1",
			"[[0 2] [0 3] [0 4] [1 2] [1 3] [1 4] [2 0] [2 1] [3 0] [3 1] [4 0] [4 1]]",
			"[[2 0] [2 1] [2 3] [2 4]]", "[[0 2] [1 2] [3 2] [4 2]]", "4dead", "4",
		}
		if err != nil || !slices.Equal(f.story, want) {
			t.Errorf("%v, story\n%q, want\n%q", err, f.story, want)
		}
		if !maps.Equal(counts, map[Kind]int{Kill: 1, Pause: 1, Partition: 1, OneWay: 2, Wipe: 1}) {
			t.Errorf("counts %v", counts)
		}
	})
}

func TestInflictStopsWhenNothingHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fake{whole: errors.New("half of it is missing")}
		_, err := inflict(t, &f, time.Hour, Fault{Kind: Flip, Victims: []int{4}}, Fault{Kind: Wipe, Victims: []int{3}})
		if !errors.Is(err, f.whole) || !slices.Equal(f.story, []string{"4dead", "4"}) {
			t.Errorf("%v, story %q", err, f.story)
		}
	})
}
