package exchange_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Invariant 1: package exchange does no I/O, and no deciding package reads the
// clock.
func TestPure(t *testing.T) {
	for _, dir := range []string{".", "registration", "policy", "details", "subject", "grant", "registry", "users", "session", "replay", "idempotency", "keylogin", "walletlogin", "checkout", "limit"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) < 2 {
			t.Fatalf("%s: %d files, %v", dir, len(files), err)
		}
		for _, name := range files {
			if !strings.HasSuffix(name, "_test.go") {
				checkPure(t, name, dir == ".")
			}
		}
	}
}

func checkPure(t *testing.T, name string, noIO bool) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	doesIO := []string{"os", "os/exec", "io", "io/fs", "net", "net/http", "syscall", "log", "log/slog", "crypto/rand", "math/rand", "math/rand/v2", "database/sql"}
	for _, i := range file.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		if err == nil && noIO && (slices.Contains(doesIO, path) || strings.HasPrefix(path, "cambio/") && path != "cambio/jwks/strictjson") {
			t.Errorf("%s imports %s", name, path)
		}
	}
	clock := []string{"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer", "Sleep"}
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clock, s.Sel.Name) {
				t.Errorf("%s reads the clock: time.%s", set.Position(n.Pos()), s.Sel.Name)
			}
		}
		return true
	})
}
