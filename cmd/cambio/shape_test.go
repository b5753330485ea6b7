package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// The bounds of what is read at once, in lines, without tests.
const (
	maxFile     = 400
	maxFunction = 45
	maxPackage  = 2600
	minPackage  = 60
)

// small lists the packages below minPackage, each with the reason why it is one.
var small = map[string]string{
	"cmd/cambio/docs": "it embeds the manual, whose tests are its content",
}

// sourceFiles returns the Go files below root that are not tests: path → content.
func sourceFiles(t *testing.T, root fs.FS) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		files[name], err = fs.ReadFile(root, name)
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d files: %v", len(files), err)
	}
	return files
}

func lines(text []byte) int { return bytes.Count(text, []byte("\n")) }

func TestFilesAndFunctionsAreShort(t *testing.T) {
	for name, text := range sourceFiles(t, os.DirFS("../..")) {
		if n := lines(text); n > maxFile {
			t.Errorf("%s has %d lines, more than %d; split it by subject", name, n, maxFile)
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := set.Position(f.End()).Line - set.Position(f.Pos()).Line + 1; n > maxFunction {
				t.Errorf("%s has %d lines, more than %d; split it", set.Position(f.Pos()).String()+" "+f.Name.Name, n, maxFunction)
			}
		}
	}
}

func TestPackagesHaveOneSubject(t *testing.T) {
	sizes := map[string]int{}
	for name, text := range sourceFiles(t, os.DirFS("../..")) {
		sizes[path.Dir(name)] += lines(text)
	}
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		switch n := sizes[name]; {
		case n > maxPackage:
			t.Errorf("package %s has %d lines, more than %d; split it by subject", name, n, maxPackage)
		case n < minPackage && small[name] == "":
			t.Errorf("package %s has %d lines, fewer than %d; merge it with another or list it with a reason", name, n, minPackage)
		case n >= minPackage && small[name] != "":
			t.Errorf("package %s has %d lines and is listed as small", name, n)
		}
	}
	for name := range small {
		if sizes[name] == 0 {
			t.Errorf("package %s is listed and does not exist", name)
		}
	}
}
