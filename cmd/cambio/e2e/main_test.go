// Package e2e contains only tests. They build the binary and run it as an operator
// would, against independent parties: OpenID providers, OAuth clients, resource
// servers, curl, browsers' CORS.
//
// The parties from npm are in npm/ with a lock file; the tests install them. Where
// node, npm, bash or curl is missing, the tests that need it are skipped, except
// with CI=true in the environment: then they fail.
//
// With -race the binary is built with the race detector too, and a race in it
// fails the test that ran it. Every run of a server ends with a search of its
// log, its audit log and its database for the secrets that it received.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// binary is the path of the built cambio, set by TestMain.
var binary string

func TestMain(m *testing.M) {
	code, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func buildAndRun(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "cambio-e2e-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "cambio")
	args := []string{"build", "-o", binary}
	if raceEnabled {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "cambio/cmd/cambio")...)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return 0, fmt.Errorf("building cambio: %w", err)
	}
	return m.Run(), nil
}

// need skips a test whose programs are missing, and fails it in CI.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing(t, err)
		}
	}
}

func missing(t *testing.T, why error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}
