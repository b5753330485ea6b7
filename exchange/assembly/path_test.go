package assembly_test

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPathOfAnExchange compares the path in ARCHITECTURE.md with the files that an
// exchange of a known user runs.
func TestPathOfAnExchange(t *testing.T) {
	t.Parallel()
	files := filesRun(t)
	text, err := os.ReadFile("../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## One exchange, file by file\n")
	section, _, _ = strings.Cut(section, "\n## ")
	named, packages := map[string]bool{}, map[string]bool{}
	for _, m := range regexp.MustCompile("`([a-z/]+/[a-z_0-9]+\\.go)`").FindAllStringSubmatch(section, -1) {
		named[m[1]], packages[path.Dir(m[1])] = true, true
		if !slices.Contains(files, m[1]) {
			t.Errorf("ARCHITECTURE.md names %s, which an exchange does not run", m[1])
		}
	}
	if len(named) < 15 || len(named) > 30 || len(packages) > 9 {
		t.Errorf("ARCHITECTURE.md names %d files of %d packages, want 15 to 30 of at most 9", len(named), len(packages))
	}
	for _, f := range files {
		if dir := path.Dir(f); !packages[dir] && !regexp.MustCompile("`(exchange/)?"+regexp.QuoteMeta(leafName(dir))+"`").MatchString(section) {
			t.Errorf("an exchange runs %s, whose package ARCHITECTURE.md does not name", f)
		}
	}
}

// leafName returns the name by which ARCHITECTURE.md lists a package beside the
// path.
func leafName(dir string) string {
	if strings.HasPrefix(dir, "storage") {
		return "storage"
	}
	return path.Base(dir)
}

// filesRun returns the files of which one exchange runs a statement.
func filesRun(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	source, err := filepath.Abs("testdata/exchange/main.go")
	if err != nil {
		t.Fatal(err)
	}
	program, profile := filepath.Join(dir, "exchange"), filepath.Join(dir, "profile")
	for _, args := range [][]string{
		{"go", "build", "-cover", "-covermode=atomic", "-coverpkg=cambio/...,command-line-arguments", "-o", program, source},
		{program, dir},
		{"go", "tool", "covdata", "textfmt", "-i=" + dir, "-o=" + profile},
	} {
		if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args, err, out)
		}
	}
	text, err := os.ReadFile(profile)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, m := range regexp.MustCompile(`(?m)^cambio/(\S+\.go):\S+ \d+ [1-9]\d*$`).FindAllStringSubmatch(string(text), -1) {
		if !strings.HasPrefix(m[1], "jwks/jwkstest/") {
			files = append(files, m[1])
		}
	}
	slices.Sort(files)
	return slices.Compact(files)
}
