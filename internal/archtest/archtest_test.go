package archtest

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestTheHouseIsInOrder(t *testing.T) {
	packages, err := Load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(packages, func(p *Package) bool { return p.Path == "internal/archtest" }) {
		t.Fatal("the module's packages were not found")
	}
	for _, v := range Project().Check(packages) {
		t.Error(v)
	}
}

func TestEveryRowHasAReason(t *testing.T) {
	r := Project()
	for _, a := range slices.Concat(r.Sideways, r.Forbidden) {
		if a.Why == "" {
			t.Errorf("the arrow from %s to %s has no reason", a.From, a.To)
		}
		for _, pattern := range []string{a.From, a.To} {
			if pkg := strings.TrimSuffix(pattern, "/..."); r.layer(pkg) == nil {
				t.Errorf("%s, at an arrow, has no layer", pkg)
			}
		}
	}
	for _, d := range r.Modules {
		if d.Why == "" || len(d.By) == 0 {
			t.Errorf("module %s has no reason or no user", d.Module)
		}
	}
}

// testRules are rules for the little trees below.
func testRules() *Rules {
	return &Rules{
		Module: "example.org/m",
		Layers: []Layer{
			{Pattern: "leaf/...", Level: 1},
			{Pattern: "leaf/kit", Level: 1, TestSupport: true},
			{Pattern: "leaf/kit2", Level: 1, TestSupport: true},
			{Pattern: "pure", Level: 2, Pure: true},
			{Pattern: "reader", Level: 2, Pure: true, Impure: []string{"os"}},
			{Pattern: "engine", Level: 3},
			{Pattern: "other", Level: 3},
			{Pattern: "top/...", Level: 4},
			{Pattern: "top", Level: 5},
			{Pattern: "cmd/...", Level: 6, Only: []string{"top"}},
			{Pattern: "cmd/sim", Level: 6, Below: 5},
		},
		Sideways: []Arrow{
			{"engine", "other", "a reason"},
			{"leaf/kit2", "leaf/kit", "a reason"},
		},
		Forbidden: []Arrow{{"other", "leaf/secret", "not for others"}},
		Modules:   []Dependency{{"example.com/dep", []string{"engine"}, "a reason"}},
		MaxLines:  20,
		BadNames:  []string{"util"},
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name string
		// files are written as they are, but that the import line "~x" stands
		// for the module's package x. Every package gets a doc.go unless it
		// has one.
		files map[string]string
		// want are parts of the violations, in order.
		want []string
	}{
		{name: "downwards", files: map[string]string{"engine/a.go": `import "~pure"`, "pure/a.go": `import "~leaf/x"`, "leaf/x/a.go": ""}},
		{
			name:  "upwards",
			files: map[string]string{"leaf/x/a.go": "", "pure/a.go": "\n" + `import "~engine"`, "engine/a.go": ""},
			want:  []string{"pure/a.go:3: imports engine: level 2 must not import level 3"},
		},
		{
			name:  "sideways without and with an arrow",
			files: map[string]string{"engine/a.go": `import "~other"`, "other/a.go": `import "~engine"`},
			want:  []string{"other/a.go:2: imports engine: level 3 must not import level 3"},
		},
		{
			name:  "leaves of one tree",
			files: map[string]string{"leaf/x/a.go": `import "~leaf/x/y"`, "leaf/x/y/a.go": ""},
			want:  []string{"leaf/x/a.go:2: imports leaf/x/y"},
		},
		{
			name:  "forbidden downwards",
			files: map[string]string{"other/a.go": `import "~leaf/secret"`, "engine/a.go": `import "~leaf/secret"`, "leaf/secret/a.go": ""},
			want:  []string{"other/a.go:2: imports leaf/secret: not for others"},
		},
		{
			name:  "a package without a layer",
			files: map[string]string{"stray/a.go": "", "engine/a.go": `import "~stray"`},
			want:  []string{"engine/a.go:2: imports stray, which has no layer", "stray: has no layer"},
		},
		{
			name:  "only some",
			files: map[string]string{"cmd/x/a.go": "import (\n\"~top\"\n\"~engine\"\n)", "top/a.go": "", "engine/a.go": ""},
			want:  []string{"cmd/x/a.go:4: imports engine, but may import only top"},
		},
		{
			name:  "a level of its own choice",
			files: map[string]string{"cmd/sim/a.go": "import (\n\"~top\"\n\"~engine\"\n)", "top/a.go": "", "engine/a.go": ""},
			want:  []string{"cmd/sim/a.go:3: imports top: level 6 must not import level 5"},
		},
		{
			name:  "nothing imports programs",
			files: map[string]string{"top/a.go": `import "~cmd/x"`, "cmd/x/a.go": ""},
			want:  []string{"top/a.go:2: imports cmd/x: level 5 must not import level 6"},
		},
		{
			name: "tests reach their own level and test support",
			files: map[string]string{
				"other/a.go": "", "other/a_test.go": "import (\n\"~engine\"\n\"~leaf/kit\"\n\"~other\"\n\"~leaf/secret\"\n)",
				"engine/a.go": "", "leaf/kit/a.go": "", "leaf/secret/a.go": "",
			},
		},
		{
			name:  "tests reach their own package",
			files: map[string]string{"cmd/x/a.go": "", "cmd/x/a_test.go": `import "~cmd/x"`},
		},
		{
			name:  "tests do not reach up",
			files: map[string]string{"engine/a.go": "", "engine/a_test.go": `import "~top"`, "top/a.go": ""},
			want:  []string{"engine/a_test.go:2: imports top"},
		},
		{
			name:  "test support in production",
			files: map[string]string{"engine/a.go": `import "~leaf/kit"`, "leaf/kit/a.go": "", "leaf/kit2/a.go": `import "~leaf/kit"`},
			want:  []string{"engine/a.go:2: imports leaf/kit, which is for tests"},
		},
		{
			name: "other modules",
			files: map[string]string{
				"engine/a.go": `import "example.com/dep/x"`, "other/a.go": `import "example.com/dep"`,
				"other/a_test.go": `import "example.com/dep"`, "top/a.go": `import "example.com/depot"`,
			},
			want: []string{
				"other/a.go:2: imports example.com/dep, which only engine may",
				"top/a.go:2: imports example.com/depot, a module without a row",
			},
		},
		{
			name: "what is pure",
			files: map[string]string{"pure/a.go": `import ("time"; "math/rand/v2"; "net/netip"; "sync")
				var d = time.Second; var _ time.Time; var _ = rand.New(rand.NewPCG(1, 2)); var _ netip.Addr; var mu sync.Mutex
				func f(x struct{ Now func() }) { x.Now() }`},
		},
		{
			name: "what is not pure",
			files: map[string]string{"pure/a.go": `import (
				clock "time"
				"math/rand/v2"
				"os/exec"
				"net/http"
				"crypto/rand"
				)
				var _ = clock.Now
				var _ = rand.IntN(3)
				func f() { clock.Sleep(1); go f() }`},
			want: []string{
				"pure/a.go:5: a pure package imports os/exec",
				"pure/a.go:6: a pure package imports net/http",
				"pure/a.go:7: a pure package imports crypto/rand",
				"pure/a.go:9: a pure package uses time.Now",
				"pure/a.go:11: a pure package uses time.Sleep",
				"pure/a.go:11: a pure package starts a goroutine",
			},
		},
		{
			name:  "the global source",
			files: map[string]string{"pure/a.go": "import \"math/rand/v2\"\nvar _ = rand.IntN(3)", "pure/b.go": `import "math/rand"`},
			want:  []string{"pure/a.go:3: a pure package uses the global source by rand.IntN", "pure/b.go:2: a pure package imports math/rand"},
		},
		{
			name:  "hidden by a dot",
			files: map[string]string{"pure/a.go": `import . "time"`},
			want:  []string{"pure/a.go:2: a pure package imports time with a dot"},
		},
		{
			name:  "an exception for one import",
			files: map[string]string{"reader/a.go": "import (\n\"os\"\n\"net\"\n)"},
			want:  []string{"reader/a.go:4: a pure package imports net"},
		},
		{name: "tests of pure packages", files: map[string]string{"pure/a.go": "", "pure/a_test.go": "import \"time\"\nvar _ = time.Now\nfunc f() { go f() }"}},
		{
			name:  "documentation",
			files: map[string]string{"engine/a.go": "", "engine/doc.go": "package engine\n", "other/a.go": "// Package other is here.\npackage other"},
			want:  []string{"engine: doc.go has no package comment", "other: a.go has a package comment"},
		},
		{name: "no doc.go", files: map[string]string{"engine/a.go": "", "engine/doc.go": "-"}, want: []string{"engine: has no doc.go"}},
		{name: "tests alone", files: map[string]string{"engine/a_test.go": "", "engine/doc.go": "-"}},
		{
			name: "long files",
			files: map[string]string{
				"engine/a.go": strings.Repeat("\n", 20), "engine/b.go": strings.Repeat("\n", 5),
				"engine/c_gen.go": strings.Repeat("\n", 20), "engine/d_test.go": strings.Repeat("\n", 20),
			},
			want: []string{"engine: a.go has 21 lines, more than 20"},
		},
		{
			name:  "names",
			files: map[string]string{"leaf/util/a.go": "", "leaf/x/a.go": "package util"},
			want:  []string{`leaf/util: the name "util"`, `leaf/x: a.go: the name "util"`},
		},
		{
			name: "what does not belong to the module",
			files: map[string]string{
				"engine/testdata/a.go": "", "_old/a.go": "", ".ci/a.go": "", "vendor/v/a.go": "",
				"nested/go.mod": "module nested", "nested/a.go": "",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			packages, err := Load(tree(tt.files))
			if err != nil {
				t.Fatal(err)
			}
			got := testRules().Check(packages)
			for i, v := range got {
				if i >= len(tt.want) || !strings.Contains(v, tt.want[i]) {
					t.Errorf("violation %d is %q", i, v)
				}
			}
			if len(got) != len(tt.want) {
				t.Errorf("%d violations, want %q", len(got), tt.want)
			}
		})
	}
}

// tree makes a file system of the files of a test: "-" as a doc.go is none.
func tree(files map[string]string) fstest.MapFS {
	m := make(fstest.MapFS)
	for name, content := range files {
		dir, base, _ := cutLast(name)
		pkg := dir
		if _, last, ok := cutLast(dir); ok {
			pkg = last
		}
		if strings.HasSuffix(base, ".go") {
			if !strings.Contains(content, "package ") {
				content = "package " + strings.Trim(pkg, "._") + "\n" + content
			}
			if doc := dir + "/doc.go"; files[doc] == "" {
				m[doc] = &fstest.MapFile{Data: []byte("// Package " + pkg + " is a test.\npackage " + pkg + "\n")}
			}
		}
		if content = strings.ReplaceAll(content, `"~`, `"example.org/m/`); base != "doc.go" || files[name] != "-" {
			m[name] = &fstest.MapFile{Data: []byte(content)}
		}
	}
	return m
}

func cutLast(name string) (dir, base string, ok bool) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return name, name, false
	}
	return name[:i], name[i+1:], true
}

func TestLoadReportsWhatDoesNotParse(t *testing.T) {
	_, err := Load(fstest.MapFS{"a/a.go": {Data: []byte("package a\nfunc {")}})
	if err == nil || !strings.Contains(err.Error(), "a/a.go:2") {
		t.Errorf("Load: %v, want an error at a/a.go:2", err)
	}
}
