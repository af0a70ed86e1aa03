package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Package is one directory of Go files.
type Package struct {
	// Path is the directory, relative to the module; the module's own is ".".
	Path string
	// Files are sorted by name.
	Files []*File
}

// File is one Go file.
type File struct {
	Name    string
	Test    bool
	Lines   int
	Syntax  *ast.File
	Imports []Import
	fset    *token.FileSet
}

// Import is one import of a file.
type Import struct {
	Path string
	Pos  token.Pos
	// Name is what the file calls the package by, "." or "_" included.
	Name string
}

// Load parses the Go files of a module, but for those of testdata, of
// directories that the go tool ignores, and of modules nested in it.
func Load(module fs.FS) ([]*Package, error) {
	fset := token.NewFileSet()
	byDir := make(map[string]*Package)
	var packages []*Package
	err := fs.WalkDir(module, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return skip(module, p)
		case !strings.HasSuffix(p, ".go"):
			return nil
		}
		f, err := loadFile(module, fset, p)
		if err != nil {
			return err
		}
		dir := path.Dir(p)
		if byDir[dir] == nil {
			byDir[dir] = &Package{Path: dir}
			packages = append(packages, byDir[dir])
		}
		byDir[dir].Files = append(byDir[dir].Files, f)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(packages, func(a, b *Package) int { return strings.Compare(a.Path, b.Path) })
	return packages, nil
}

// skip returns fs.SkipDir for a directory that does not belong to the module.
func skip(module fs.FS, dir string) error {
	base := path.Base(dir)
	if dir == "." {
		return nil
	}
	if base == "testdata" || base == "vendor" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return fs.SkipDir
	}
	if _, err := fs.Stat(module, path.Join(dir, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func loadFile(module fs.FS, fset *token.FileSet, name string) (*File, error) {
	source, err := fs.ReadFile(module, name)
	if err != nil {
		return nil, err
	}
	syntax, err := parser.ParseFile(fset, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	f := &File{
		Name:   path.Base(name),
		Test:   strings.HasSuffix(name, "_test.go"),
		Lines:  bytes.Count(source, []byte("\n")),
		Syntax: syntax,
		fset:   fset,
	}
	for _, spec := range syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: import %s: %w", name, spec.Path.Value, err)
		}
		im := Import{Path: imported, Pos: spec.Pos(), Name: defaultName(imported)}
		if spec.Name != nil {
			im.Name = spec.Name.Name
		}
		f.Imports = append(f.Imports, im)
	}
	return f, nil
}

// defaultName is the last element of an import path that is not a version. It
// holds for the packages that the rules name.
func defaultName(imported string) string {
	base := path.Base(imported)
	if len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" {
		return path.Base(path.Dir(imported))
	}
	return base
}

// at describes a position in a file.
func (f *File) at(pos token.Pos) string {
	p := f.fset.Position(pos)
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}
