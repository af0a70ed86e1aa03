package nemesis

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// damage does something to every file below a directory, and tells to what.
func damage(dir string, hurt func(path string, size int64) (string, error)) (done []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Size() == 0 {
			return err
		}
		what, err := hurt(path, info.Size())
		if name, relErr := filepath.Rel(dir, path); what != "" && relErr == nil {
			done = append(done, name+" "+what)
		}
		return err
	})
	return done, err
}

// FlipBits changes bits of the files below a directory, about two in each, and tells which.
// Nobody may be using them.
func FlipBits(dir string, seed uint64) ([]string, error) {
	random := rand.New(rand.NewPCG(seed, 1))
	return damage(dir, func(path string, size int64) (what string, err error) {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return "", err
		}
		defer f.Close()
		var b [1]byte
		for range random.IntN(5) {
			at, bit := random.Int64N(size), random.IntN(8)
			if _, err := f.ReadAt(b[:], at); err != nil {
				return what, err
			}
			b[0] ^= 1 << bit
			if _, err := f.WriteAt(b[:], at); err != nil {
				return what, err
			}
			what += fmt.Sprintf("[%d.%d]", at, bit)
		}
		return what, nil
	})
}

// CutFiles cuts the ends off about half of the files below a directory, mostly short ones,
// and tells where. Nobody may be using them.
func CutFiles(dir string, seed uint64) ([]string, error) {
	random := rand.New(rand.NewPCG(seed, 2))
	return damage(dir, func(path string, size int64) (string, error) {
		if random.IntN(2) == 0 {
			return "", nil
		}
		cut := 1 + random.Int64N(size>>random.IntN(10)+1)
		to := max(0, size-cut)
		return fmt.Sprintf("[%d of %d]", to, size), os.Truncate(path, to)
	})
}
