package nemesis

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Kind is a kind of fault.
type Kind string

const (
	Kill      Kind = "kill"
	Pause     Kind = "pause"
	Partition Kind = "partition"
	OneWay    Kind = "one-way"
	Wipe      Kind = "wipe"
	Flip      Kind = "flip"
	Truncate  Kind = "truncate"
)

// Kinds are all kinds of faults.
var Kinds = []Kind{Kill, Pause, Partition, OneWay, Wipe, Flip, Truncate}

// ParseKinds reads kinds separated by commas.
func ParseKinds(text string) (kinds []Kind, err error) {
	for name := range strings.SplitSeq(text, ",") {
		k := Kind(strings.TrimSpace(name))
		if !slices.Contains(Kinds, k) {
			return nil, fmt.Errorf("no such fault: %q; there are %v", name, Kinds)
		}
		kinds = append(kinds, k)
	}
	return kinds, nil
}

// Network tells whether a fault is one of the network, Disk whether it takes data.
func (k Kind) Network() bool { return k == Partition || k == OneWay }
func (k Kind) Disk() bool    { return k == Wipe || k == Flip || k == Truncate }

// Fault is something that goes wrong.
type Fault struct {
	Kind Kind
	// Victims are the numbers of servers, in their order, counted from 0.
	Victims []int
	// Deaf, with OneWay, are victims that do not hear the others; otherwise they are not heard.
	Deaf bool
	// Wait is the time before it, Lasts that until it is made good.
	Wait, Lasts time.Duration
	// Seed decides about details, such as which bits are changed.
	Seed uint64
}

func (f Fault) String() string {
	how := ""
	if f.Kind == OneWay {
		how = " not heard"
		if f.Deaf {
			how = " deaf"
		}
	}
	return fmt.Sprintf("after %v %s%s of %v for %v", f.Wait, f.Kind, how, f.Victims, f.Lasts)
}

// Plan is what a schedule is drawn from.
type Plan struct {
	Seed    uint64
	Servers int
	// Most is how many servers may be hit at once, 0 for a minority.
	Most  int
	Kinds []Kind
	// Time is that of the whole schedule, Every the mean time between the beginnings of faults.
	Time, Every time.Duration
}

// Schedule draws faults. The same plan always gives the same.
func Schedule(p Plan) (faults []Fault) {
	most := p.Most
	if most == 0 {
		most = (p.Servers - 1) / 2
	}
	most = min(most, p.Servers)
	if most == 0 || len(p.Kinds) == 0 || p.Every <= 0 {
		return nil
	}
	random := rand.New(rand.NewPCG(p.Seed, 0))
	var bag []Kind
	for at := time.Duration(0); ; {
		if len(bag) == 0 { // each kind has its turn, in any order
			bag = slices.Clone(p.Kinds)
			random.Shuffle(len(bag), func(i, j int) { bag[i], bag[j] = bag[j], bag[i] })
		}
		n := 1
		if random.IntN(3) > 0 {
			n += random.IntN(most)
		}
		if bag[0].Network() {
			n = max(1, min(n, p.Servers-1)) // all together are not cut off from anybody
		}
		f := Fault{
			Kind: bag[0], Victims: random.Perm(p.Servers)[:n], Deaf: random.IntN(2) == 0,
			Wait:  draw(random, p.Every/4, p.Every*3/4),
			Lasts: draw(random, p.Every/10, p.Every*9/10),
			Seed:  random.Uint64(),
		}
		bag = bag[1:]
		slices.Sort(f.Victims)
		if at += f.Wait + f.Lasts; at > p.Time {
			return faults
		}
		faults = append(faults, f)
	}
}

// draw returns a time in whole milliseconds, which are easier to read.
func draw(random *rand.Rand, least, most time.Duration) time.Duration {
	return (least + time.Duration(random.Int64N(int64(most-least)+1))).Round(time.Millisecond)
}
