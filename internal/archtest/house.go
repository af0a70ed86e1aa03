package archtest

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// checkHouse returns what breaks the rules about files and names.
func (r *Rules) checkHouse(p *Package) (violations []string) {
	complain := func(format string, args ...any) {
		violations = append(violations, p.Path+": "+fmt.Sprintf(format, args...))
	}
	if base := path.Base(p.Path); slices.Contains(r.BadNames, base) {
		complain("the name %q says nothing about what is in the package", base)
	}
	var doc *File
	sources := 0
	for _, f := range p.Files {
		name := strings.TrimSuffix(f.Syntax.Name.Name, "_test")
		if slices.Contains(r.BadNames, name) && name != path.Base(p.Path) {
			complain("%s: the name %q says nothing about what is in the package", f.Name, name)
		}
		if f.Test {
			continue
		}
		sources++
		if f.Name == "doc.go" {
			doc = f
		} else if f.Syntax.Doc != nil && !strings.HasSuffix(f.Name, "_gen.go") {
			complain("%s has a package comment; it belongs in doc.go", f.Name)
		}
		if f.Lines > r.MaxLines && !strings.HasSuffix(f.Name, "_gen.go") {
			complain("%s has %d lines, more than %d: split it by concern", f.Name, f.Lines, r.MaxLines)
		}
	}
	switch {
	case sources == 0:
		// A directory of tests alone has nothing to import.
	case doc == nil:
		complain("has no doc.go")
	case doc.Syntax.Doc.Text() == "":
		complain("doc.go has no package comment")
	}
	return violations
}
