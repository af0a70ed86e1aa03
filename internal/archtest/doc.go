// Package archtest holds the rules of the house and the test that enforces
// them, so that a wrong import fails in seconds.
//
// The rules are data, in rules.go:
//
//   - Each package has a layer, and imports only layers below its own.
//     Sideways imports are arrows, each with its reason. A package that has no
//     row is a violation, so that nobody adds one without giving it a place.
//   - Other modules are imported where a row says so, with the reason.
//   - Pure packages know neither time, chance, files nor sockets, and start no
//     goroutines.
//   - Test support is imported by tests only.
//   - Every package has a doc.go with a package comment, no file is longer than
//     MaxLines, and no package has a name that says nothing.
//
// The checker parses every Go file of the module, whatever its build tags. It
// sees what is written, not types: a method value of a clock passes for what it
// is called, and a local variable named like a package is taken for it.
package archtest
