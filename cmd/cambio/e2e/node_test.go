package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

const npmDir = "npm"

// install installs the packages of package-lock.json once, and not again while the
// file is unchanged.
var install = sync.OnceValue(func() error {
	want, err := os.Stat(npmDir + "/package-lock.json")
	if err != nil {
		return err
	}
	have, err := os.Stat(npmDir + "/node_modules/.package-lock.json")
	if err == nil && have.ModTime().After(want.ModTime()) {
		return nil
	}
	cmd := exec.Command("npm", "ci", "--no-audit", "--no-fund")
	cmd.Dir = npmDir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return &installError{err, out.String()}
	}
	return nil
})

type installError struct {
	err error
	out string
}

func (e *installError) Error() string { return "npm ci: " + e.err.Error() + "\n" + e.out }

// needNode skips a test where the npm parties are unavailable.
func needNode(t *testing.T) {
	t.Helper()
	need(t, "node", "npm")
	if err := install(); err != nil {
		missing(t, err)
	}
}

// node runs a script of npm/ with v on its standard input as JSON, and reads
// the JSON that it prints into out.
func node(t *testing.T, script string, v, out any) {
	t.Helper()
	needNode(t)
	input, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", script)
	var stderr bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stderr = npmDir, bytes.NewReader(input), &stderr
	cmd.Env = environ()
	printed, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", script, err, printed, &stderr)
	}
	if err := json.Unmarshal(printed, out); err != nil {
		t.Fatalf("%s printed %q: %v", script, printed, err)
	}
}

// startIssuer runs npm's oidc-provider until the test ends and returns its URL.
func startIssuer(t *testing.T) (url string) {
	t.Helper()
	needNode(t)
	return listening(t, run(t, npmDir, nil, "node", "issuer.mjs", app, callback))
}

// listening waits for a script to print "listening <url>".
func listening(t *testing.T, p *process) (url string) {
	t.Helper()
	await(t, "a script to listen", func() bool {
		if p.ended() {
			t.Fatalf("the script ended: %v", p.err)
		}
		for line := range strings.Lines(p.printed.String()) {
			if at, ok := strings.CutPrefix(line, "listening "); ok && strings.HasSuffix(line, "\n") {
				url = strings.TrimSpace(at)
			}
		}
		return url != ""
	})
	return url
}
