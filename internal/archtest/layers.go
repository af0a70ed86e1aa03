package archtest

import (
	"fmt"
	"slices"
	"strings"
)

// Rules are the rules of one module.
type Rules struct {
	// Module is the module's path.
	Module string
	Layers []Layer
	// Sideways are imports that the layers would forbid.
	Sideways []Arrow
	// Forbidden are imports that the layers would allow.
	Forbidden []Arrow
	// Modules are the other modules that may be imported.
	Modules []Dependency
	// MaxLines bounds files that are neither tests nor generated (x_gen.go).
	MaxLines int
	// BadNames are names that no package may have.
	BadNames []string
}

// Layer places the packages that a pattern stands for: a path relative to the
// module, or one that ends in "/..." for it and all below. Of several patterns
// the narrowest counts.
type Layer struct {
	Pattern string
	// Level is the height; lower levels may be imported, unless Only is set.
	Level int
	// Below is the level from which on nothing may be imported, where that is
	// not Level itself; 0 is Level.
	Below int
	// Only, if set, lists all that may be imported of this module.
	Only []string
	// Pure packages are held to the rules of purity, but may import what
	// Impure lists.
	Pure   bool
	Impure []string
	// TestSupport may be imported by tests and other test support only.
	TestSupport bool
}

// Arrow is an import of To by From, both patterns.
type Arrow struct{ From, To, Why string }

// Dependency is another module, and the packages that may import it.
type Dependency struct {
	Module string
	By     []string
	Why    string
}

// Check returns what breaks the rules, in the order of the packages.
func (r *Rules) Check(packages []*Package) (violations []string) {
	for _, p := range packages {
		violations = append(violations, r.checkHouse(p)...)
		layer := r.layer(p.Path)
		if layer == nil {
			violations = append(violations, fmt.Sprintf("%s: has no layer: give it a row in rules.go", p.Path))
			continue
		}
		for _, f := range p.Files {
			violations = append(violations, r.checkImports(p, layer, f)...)
			if layer.Pure && !f.Test {
				violations = append(violations, checkPurity(layer, f)...)
			}
		}
	}
	return violations
}

func (r *Rules) layer(pkg string) *Layer {
	var best *Layer
	for i := range r.Layers {
		l := &r.Layers[i]
		if matches(l.Pattern, pkg) && (best == nil || narrower(l.Pattern, best.Pattern)) {
			best = l
		}
	}
	return best
}

// narrower reports whether a stands for less than b, where both match.
func narrower(a, b string) bool {
	above := func(pattern string) int { return len(strings.TrimSuffix(pattern, "/...")) }
	return above(a) > above(b) || above(a) == above(b) && len(a) < len(b)
}

// matches reports whether a pattern stands for a package.
func matches(pattern, pkg string) bool {
	if above, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == above || strings.HasPrefix(pkg, above+"/")
	}
	return pattern == pkg
}

func matchesAny(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, pkg) })
}

func (r *Rules) checkImports(p *Package, layer *Layer, f *File) (violations []string) {
	for _, im := range f.Imports {
		var why string
		if own, ok := r.own(im.Path); ok {
			why = r.forbids(p.Path, layer, own, f.Test)
		} else if isModule(im.Path) {
			why = r.forbidsModule(p.Path, im.Path, f.Test)
		}
		if why != "" {
			violations = append(violations, fmt.Sprintf("%s: %s", f.at(im.Pos), why))
		}
	}
	return violations
}

// own returns the path of a package of this module relative to it.
func (r *Rules) own(imported string) (pkg string, ok bool) {
	if imported == r.Module {
		return ".", true
	}
	return strings.CutPrefix(imported, r.Module+"/")
}

// isModule tells other modules from the standard library, whose paths have no
// dot in the first element.
func isModule(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return strings.Contains(first, ".")
}

// forbids says why a package of the module may not be imported, "" if it may.
// Tests may also import their own package, those of their own level, and test
// support.
func (r *Rules) forbids(from string, layer *Layer, to string, test bool) string {
	target := r.layer(to)
	if target == nil {
		return fmt.Sprintf("imports %s, which has no layer", to)
	}
	if target.TestSupport {
		if test || layer.TestSupport && (target.Level < layer.Level || r.arrow(r.Sideways, from, to) != nil) {
			return ""
		}
		return fmt.Sprintf("imports %s, which is for tests", to)
	}
	if a := r.arrow(r.Forbidden, from, to); a != nil && !test {
		return fmt.Sprintf("imports %s: %s", to, a.Why)
	}
	if r.arrow(r.Sideways, from, to) != nil || test && from == to {
		return ""
	}
	if layer.Only != nil {
		if matchesAny(layer.Only, to) {
			return ""
		}
		return fmt.Sprintf("imports %s, but may import only %s", to, strings.Join(layer.Only, ", "))
	}
	below := layer.Level
	if layer.Below != 0 {
		below = layer.Below
	}
	if target.Level < below || test && target.Level <= below {
		return ""
	}
	return fmt.Sprintf("imports %s: level %d must not import level %d", to, layer.Level, target.Level)
}

func (r *Rules) arrow(arrows []Arrow, from, to string) *Arrow {
	for i, a := range arrows {
		if matches(a.From, from) && matches(a.To, to) {
			return &arrows[i]
		}
	}
	return nil
}

func (r *Rules) forbidsModule(from, imported string, test bool) string {
	for _, d := range r.Modules {
		if !matches(d.Module+"/...", imported) {
			continue
		}
		if test || matchesAny(d.By, from) {
			return ""
		}
		return fmt.Sprintf("imports %s, which only %s may", imported, strings.Join(d.By, ", "))
	}
	return fmt.Sprintf("imports %s, a module without a row in rules.go", imported)
}
