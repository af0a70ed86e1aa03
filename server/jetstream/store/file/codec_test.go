package file

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/internal/pack"
	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

func TestRecord(t *testing.T) {
	for _, tt := range []struct {
		name string
		m    store.Message
	}{
		{"smallest", store.Message{Seq: 1}},
		{"with a header", store.Message{Seq: 1 << 40, Time: -5, Subject: []byte("a.b"), Header: []byte("NATS/1.0\r\n\r\n"), Data: []byte("data")}},
		{"without padding", store.Message{Seq: 7, Time: math.MaxInt64, Subject: []byte("12345678")}},
		{"without header", store.Message{Seq: math.MaxUint64, Subject: []byte("s"), Data: bytes.Repeat([]byte("x"), 300)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const at, ordinal = 4096 + 64, 17
			seed := seedOf(11, 22)
			b, crc := appendRecord([]byte("in front"), seed, at, ordinal, &tt.m)
			b = b[8:]
			r, ok := decodeRecord(b, seed, at)
			if !ok || r.ordinal != ordinal || r.crc != crc || padded(r.rawLen()) != len(b) || !r.checkContent(b[recordHead+r.subject:], seed, at) {
				t.Fatalf("decoded as %+v, %v", r, ok)
			}
			var got store.Message
			r.view(b, &got)
			if got.Seq != tt.m.Seq || got.Time != tt.m.Time || short(&got) != short(&tt.m) {
				t.Fatalf("decoded as %+v, want %+v", got, tt.m)
			}
			sl := newSlot(3, got.Time, at, &r)
			if want := store.FileSize(len(got.Subject), len(got.Header), len(got.Data)); sl.messageSize() != want || sl.place() != at {
				t.Errorf("slot %+v: size %d, want %d", sl, sl.messageSize(), want)
			}
			valid := func(b []byte, seed uint32, at int64) bool {
				r, ok := decodeRecord(b, seed, at)
				return ok && padded(r.rawLen()) == len(b) && r.checkContent(b[recordHead+r.subject:], seed, at)
			}
			for bit := range 8 * len(b) {
				b[bit/8] ^= 1 << (bit % 8)
				if valid(b, seed, at) {
					t.Errorf("valid with bit %d flipped", bit)
				}
				b[bit/8] ^= 1 << (bit % 8)
			}
			if valid(b, seed, at+8) || valid(b, seedOf(11, 23), at) || valid(b, seedOf(12, 22), at) {
				t.Error("valid in another place")
			}
			for n := range len(b) {
				if valid(b[:n], seed, at) {
					t.Errorf("valid with %d bytes", n)
				}
			}
			r.erase(b, seed, at)
			if !valid(b, seed, at) || len(tt.m.Data) > 0 && bytes.Contains(b, tt.m.Data) {
				t.Error("not erased to something valid")
			}
			if r, _ := decodeRecord(b, seed, at); r.crc != crc {
				t.Error("erasing has changed the chain")
			}
		})
	}
}

func TestChainIsCRC(t *testing.T) {
	sum := uint32(0)
	var all []byte
	for _, crc := range []uint32{0, 1, 0xdeadbeef, math.MaxUint32} {
		sum = chain(sum, crc)
		all = append(all, byte(crc), byte(crc>>8), byte(crc>>16), byte(crc>>24))
		if want := crc32.Checksum(all, castagnoli); sum != want {
			t.Errorf("chain %08x, want %08x", sum, want)
		}
	}
}

// testCodecs are all ways to make a frame.
func testCodecs(t testing.TB) map[string]*codec {
	codecs := map[string]*codec{"plain": {}, "s2": {compress: true}}
	for _, c := range []seal.Cipher{seal.AES, seal.ChaCha} {
		aead, err := c.AEAD(make([]byte, seal.KeySize), Purpose)
		if err != nil {
			t.Fatal(err)
		}
		random := rand.NewChaCha8([32]byte{})
		codecs[c.String()] = &codec{aead: aead, rand: random}
		codecs[c.String()+", s2"] = &codec{aead: aead, rand: random, compress: true}
	}
	return codecs
}

func TestFrame(t *testing.T) {
	for name, c := range testCodecs(t) {
		for _, content := range [][]byte{nil, []byte("a"), bytes.Repeat([]byte("a.subject."), 30)} {
			t.Run(fmt.Sprintf("%s/%d", name, len(content)), func(t *testing.T) {
				here := place{3, 4, 64}
				b, err := c.append([]byte("in front"), here, frameSlots, 99, content)
				if err != nil {
					t.Fatal(err)
				}
				b = b[8:]
				got, f, err := c.open(b, here, frameSlots)
				if err != nil || !bytes.Equal(got, content) || f.length() != len(b) || f.at != 99 {
					t.Fatalf("opened as %q, %+v: %v", got, f, err)
				}
				if c.aead != nil && len(content) > 8 && bytes.Contains(b, content[:8]) {
					t.Error("encrypted content can be read")
				}
				for bit := range 8 * len(b) {
					b[bit/8] ^= 1 << (bit % 8)
					if _, _, err := c.open(b, here, frameSlots); err == nil {
						t.Errorf("valid with bit %d flipped", bit)
					}
					b[bit/8] ^= 1 << (bit % 8)
				}
				for n := range len(b) {
					if _, _, err := c.open(b[:n], here, frameSlots); err == nil {
						t.Errorf("valid with %d bytes", n)
					}
				}
				for _, p := range []place{{3, 4, 72}, {3, 5, 64}, {4, 4, 64}} {
					if _, _, err := c.open(b, p, frameSlots); err == nil {
						t.Errorf("valid at %+v", p)
					}
					if c.aead == nil {
						continue
					}
					// Whoever can compute checksums still has no key.
					forged := slices.Clone(b)
					sum := crc32.Update(p.seed(), castagnoli, forged[4:])
					forged[0], forged[1], forged[2], forged[3] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
					if _, _, err := c.open(forged, p, frameSlots); err == nil {
						t.Errorf("authentic at %+v", p)
					}
				}
				if _, _, err := c.open(b, here, frameSubjects); err == nil {
					t.Error("valid as something else")
				}
			})
		}
	}
}

func randomBody(rng *rand.Rand) *indexBody {
	x := &indexBody{nextBlock: 1000, state: store.State{
		Messages: rng.Uint64(), Bytes: rng.Uint64(), First: store.Seq(rng.Uint64()), Last: store.Seq(rng.Uint64()),
		FirstTime: rng.Int64() - 1<<62, LastTime: rng.Int64(),
	}}
	if rng.IntN(3) > 0 {
		x.extra = make([]byte, rng.IntN(20))
	}
	for range rng.IntN(3) {
		x.losses = append(x.losses, store.Loss{Range: store.Range{First: 1, Last: store.Seq(rng.Uint64())}, Bytes: rng.Uint64(), Err: store.KnownLoss("bad")})
	}
	seq := store.Seq(1)
	for range rng.IntN(5) {
		b := blockState{
			id: rng.Uint64N(1000), framed: rng.IntN(2) == 0, compress: rng.IntN(2) == 0, cipher: seal.Cipher(rng.IntN(3)), base: seq,
			n: 1 + rng.IntN(300), firstTime: rng.Int64(), lastTime: -rng.Int64(), liveBytes: rng.Uint64(), sum: rng.Uint32(),
			renew: rng.IntN(2) == 0, damaged: rng.IntN(2) == 0,
		}
		b.last = b.base + store.Seq(b.n-1+rng.IntN(10))
		b.end = blockHeader + int64(b.n*recordHead)
		b.written = b.end + 1<<20
		if rng.IntN(2) == 0 {
			b.foot = footer{start: b.end, dir: b.end + 8, length: 100, crc: rng.Uint32()}
		}
		b.live = b.n
		for i := range b.n {
			if rng.IntN(7) < rng.IntN(7) {
				if b.dead == nil {
					b.dead = &bitmap{words: make([]uint64, (b.n+63)/64)}
				}
				b.dead.set(i)
				b.live--
			}
		}
		x.blocks = append(x.blocks, b)
		seq = b.last + 1
	}
	return x
}

func TestIndexBody(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		x := randomBody(rng)
		b := x.append(nil)
		got, err := decodeIndexBody(b)
		if err != nil || !reflect.DeepEqual(got, x) {
			t.Fatalf("decoded as %+v, %v, want %+v", got, err, x)
		}
		for n := range len(b) {
			if _, err := decodeIndexBody(b[:n]); err == nil {
				t.Fatalf("valid with %d of %d bytes", n, len(b))
			}
		}
	}
}

// Sets of ordinals agree with a slice, and with what is decoded.
func TestBitmap(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for range 300 {
		n := 1 + rng.IntN(300)
		a, b := make([]bool, n), make([]bool, n)
		setA, setB := &bitmap{}, &bitmap{}
		for _, x := range []struct {
			in  []bool
			set *bitmap
		}{{a, setA}, {b, setB}} {
			for range rng.IntN(6) {
				from := rng.IntN(n)
				to := from + rng.IntN(n-from+1)
				x.set.setRange(from, to)
				for i := from; i < to; i++ {
					x.in[i] = true
				}
			}
			for range rng.IntN(n) {
				i := rng.IntN(n)
				x.set.set(i)
				x.in[i] = true
			}
		}
		from, to := rng.IntN(n), rng.IntN(n+1)
		var members, without []int
		for i := range n {
			if setA.has(i) != a[i] {
				t.Fatalf("has(%d) = %v", i, !a[i])
			}
			if a[i] {
				members = append(members, i)
			}
			if a[i] && !b[i] {
				without = append(without, i)
			}
		}
		inside := func(list []int, from, to int) (in []int) {
			for _, i := range list {
				if i >= from && i < to {
					in = append(in, i)
				}
			}
			return in
		}
		if got, want := setA.count(from, to), len(inside(members, from, to)); got != want {
			t.Fatalf("count(%d, %d) = %d, want %d", from, to, got, want)
		}
		in := inside(without, from, n)
		if got := countWithout(setA, setB, from, n); got != len(in) {
			t.Fatalf("countWithout(%d, %d) = %d, want %d", from, n, got, len(in))
		}
		if got, want := nextWithout(setA, setB, from, n), append(in, n)[0]; got != want {
			t.Fatalf("nextWithout(%d, %d) = %d, want %d", from, n, got, want)
		}
		if got, want := lastWithout(setA, setB, to), slices.Max(append(inside(without, 0, to), -1)); got != want {
			t.Fatalf("lastWithout(%d) = %d, want %d", to, got, want)
		}
		code := pack.NewReader(append(setA.append(nil, n), "rest"...))
		decoded := decodeBitmap(&code, n)
		if rest := string(code.Rest()); rest != "rest" {
			t.Fatalf("decoded with rest %q", rest)
		}
		for i := range n {
			if decoded.has(i) != a[i] {
				t.Fatalf("decoded: has(%d) = %v", i, !a[i])
			}
		}
	}
}

func TestBloom(t *testing.T) {
	const n = 20_000
	b := newBloom(n)
	name := func(i int) []byte { return fmt.Appendf(nil, "orders.%d.new", i) }
	for i := range n {
		b.add(hashSubject(name(i)))
	}
	wrong := 0
	for i := range n {
		if !b.mayHave(hashSubject(name(i))) {
			t.Fatalf("%s is not there", name(i))
		}
		if b.mayHave(hashSubject(name(i + n))) {
			wrong++
		}
	}
	if wrong > n/50 {
		t.Errorf("%d of %d subjects are taken for others", wrong, n)
	}
	if none := newBloom(0); !none.mayHave(1) {
		t.Error("an empty filter excludes something")
	}
	// Who is mistaken in one is mistaken in others with the same subjects no more often
	// than anybody.
	other := newBloom(n)
	for i := range n {
		other.add(hashSubject(name(i)))
	}
	both := 0
	for i := range n {
		if h := hashSubject(name(i + n)); b.mayHave(h) && other.mayHave(h) {
			both++
		}
	}
	if both > wrong/4 {
		t.Errorf("%d subjects are mistaken, %d of them twice", wrong, both)
	}
}

// goldenStore writes the store whose files the next test knows.
func goldenStore(t testing.TB, cfg Config) map[string][]byte {
	mem := vfs.NewMem()
	cfg.Rand = rand.NewChaCha8([32]byte{1})
	s, _ := mustOpen(t, cfg, mem)
	for i := range 40 {
		m := store.Message{Seq: store.Seq(2*i + 1), Time: int64(i) * 1e9, Subject: fmt.Appendf(nil, "a.%d", i%5), Data: bytes.Repeat([]byte("x"), i)}
		if i%3 == 0 {
			m.Header = []byte("NATS/1.0\r\n\r\n")
		}
		if err := s.Append(&m); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Remove(5, true); err != nil {
		t.Fatal(err)
	}
	maintain(t, s)
	commit(t, s, []byte("extra"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return readFiles(t, mem)
}

// The format does not change by accident: a store that is written the same way
// has the same bytes. A change of these sums is another version of the format.
func TestGolden(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  Config
		want map[string]string
	}{
		{"plain", Config{BlockBytes: 1 << 10}, map[string]string{
			"1.idx": "120 c7ee2fdad7136a3d", "2.idx": "232 a37defd542532ac8",
			"1.blk": "1592 965cbe0b6cb8346d", "2.blk": "1536 9160b5c03ccdf26c", "3.blk": "992 529da9c084c8f286",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := goldenStore(t, tt.cfg)
			got := make(map[string]string)
			for name, content := range files {
				sum := sha256.Sum256(content)
				got[strings.TrimLeft(name, "0")] = fmt.Sprintf("%d %s", len(content), hex.EncodeToString(sum[:8]))
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("files are %#v, want %#v", got, tt.want)
			}
		})
	}
}

// The first record and the head of an index, byte by byte.
func TestGoldenBytes(t *testing.T) {
	b, _ := appendRecord(nil, seedOf(1, 2), 64, 3, &store.Message{Seq: 4, Time: 5, Subject: []byte("sub"), Header: []byte("hd"), Data: []byte("data")})
	h := indexHead{store: 1, generation: 2, cipher: seal.AES, wrapped: []byte("key")}
	w := footerWriter{store: 1, block: 2, start: 512}
	m := &memIndex{}
	m.add(slot{time: 9, seq: 0, at: 8, size: 50}, []byte("b"), 1)
	m.add(slot{time: 10, seq: 2, at: 15, size: 60 | headerBit}, []byte("a.b"), 2)
	m.add(slot{time: 11, seq: 3, at: 23, size: 70}, []byte("a.c"), 3)
	foot, ref, err := w.build(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		got  []byte
		want string
	}{
		{"record", b, "2dc8784ecf144e460400000000000000050000000000000002000000040000000300524d0300000073756268646461746100000000000000"},
		{"index", h.append(nil), "4e4c53545249445832fa72190100000001000000000000000200000000000000030000000100000000000000000000000000000000000000" +
			"00000000000000006b65790000000000"},
		{"footer", foot, "91fcde1948000000480000000200000000000000000000000000000000000000000000000000000009000000000000000000000008000000" +
			"32000000020000000a00000000000000020000000f0000003c000080000000000b0000000000000003000000170000004600000001000000" +
			"1c63aaa61100000011000000030000000000000000000000000000000000000000000000000000000003612e620101020163010200016201" +
			"00000000000000007e2394ce3700000037000000040000000000000000000000000000000000000000000000000000000300000001000000" +
			"010000000000000040000000700000000000000009000000000000004e000000400000000000000003000000612e6200"},
		{"block", (&block{id: 2, framed: true}).appendHeader(nil, 1), "4e4c535452424c4b08efeb500100000001000000000000000200000000000000010000000000000000000000000000000000000000000000" +
			"0000000000000000"},
	} {
		if got := hex.EncodeToString(tt.got); got != tt.want {
			t.Errorf("%s is\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
	if ref.start != 512 || ref.dir <= ref.start || filepath.Base(blockName(0x1f)) != "000000000000001f.blk" {
		t.Errorf("footer at %+v", ref)
	}
}
