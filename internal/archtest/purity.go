package archtest

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// impureImports are packages, with all below them, by which the world gets in.
var impureImports = []string{
	"crypto/rand", "io/ioutil", "log", "math/rand", "net", "os", "plugin", "runtime", "syscall", "testing", "unsafe",
}

// pureImports are packages below those that are pure all the same. Of
// math/rand/v2 only part is; see pureRand.
var pureImports = []string{"math/rand/v2", "net/netip", "net/url"}

// impureTime are the functions of package time that read the clock or wait.
var impureTime = []string{"After", "AfterFunc", "NewTicker", "NewTimer", "Now", "Since", "Sleep", "Tick", "Until"}

// pureRand is what math/rand/v2 has besides its global source.
var pureRand = []string{"ChaCha8", "New", "NewChaCha8", "NewPCG", "NewZipf", "PCG", "Rand", "Source", "Zipf"}

// checkPurity returns what a file of a pure package does that it must not.
func checkPurity(layer *Layer, f *File) (violations []string) {
	complain := func(n ast.Node, format string, args ...any) {
		violations = append(violations, fmt.Sprintf("%s: a pure package %s", f.at(n.Pos()), fmt.Sprintf(format, args...)))
	}
	// names maps what the file calls a package to its path.
	names := make(map[string]string)
	for i, im := range f.Imports {
		spec := f.Syntax.Imports[i]
		names[im.Name] = im.Path
		switch {
		case matchesAny(layer.Impure, im.Path):
		case isImpure(im.Path):
			complain(spec, "imports %s", im.Path)
		case im.Name == "." && (im.Path == "time" || im.Path == "math/rand/v2"):
			complain(spec, "imports %s with a dot, which hides what it uses of it", im.Path)
		}
	}
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			complain(n, "starts a goroutine")
		case *ast.SelectorExpr:
			pkg, ok := n.X.(*ast.Ident)
			if !ok {
				break
			}
			switch path := names[pkg.Name]; {
			case path == "time" && slices.Contains(impureTime, n.Sel.Name):
				complain(n, "uses time.%s", n.Sel.Name)
			case path == "math/rand/v2" && !slices.Contains(pureRand, n.Sel.Name):
				complain(n, "uses the global source by rand.%s", n.Sel.Name)
			}
		}
		return true
	})
	return violations
}

func isImpure(imported string) bool {
	if slices.Contains(pureImports, imported) {
		return false
	}
	return slices.ContainsFunc(impureImports, func(p string) bool {
		return imported == p || strings.HasPrefix(imported, p+"/")
	})
}
