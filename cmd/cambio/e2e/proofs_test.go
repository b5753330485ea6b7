package e2e

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// way is a documented way in and what its last sample prints.
type way struct {
	heading string
	prints  []string // a member of each line, which is a JSON object
}

var ways = []way{
	{"OIDC exchange", []string{"accessToken", "accessToken"}},
	{"A vendor's app tokens", []string{"accessToken", "claims"}},
	{"Server session injection", []string{"accessToken", "access_token"}},
	{"A key for each user", []string{"accessToken", "access_token"}},
	{"Checkout tokens", []string{"invoice", "access_token"}},
}

var walletsWay = way{"Wallets", []string{"sessionJwt", "access_token"}}

// TestDocumentedProofs pastes the samples of `cambio docs proofs` into a shell
// beside `cambio dev`.
func TestDocumentedProofs(t *testing.T) {
	t.Parallel()
	need(t, "bash", "curl", "openssl")
	folder := startDemo(t)
	setup := samplesOfProofs(t, "Ways in: the six proofs", "sh")[0]
	for _, w := range ways {
		t.Run(w.heading, func(t *testing.T) {
			blocks := samplesOfProofs(t, w.heading, "sh")
			cmd := exec.CommandContext(t.Context(), "bash")
			cmd.Env = append(environ(), "TMPDIR="+filepath.Dir(folder)) // where the samples look for the demo's folder
			w.check(t, cmd, setup+blocks[len(blocks)-1])
		})
	}
	t.Run(walletsWay.heading, func(t *testing.T) {
		needNode(t)
		// In a shell that has the demo's environment, as a reader would.
		cmd := exec.CommandContext(t.Context(), "bash", "-c", `. "$1/demo.env" && exec node --input-type=module -`, "bash", folder)
		cmd.Dir = npmDir
		walletsWay.check(t, cmd, samplesOfProofs(t, walletsWay.heading, "js")[0])
	})
}

// check runs a program with a script and decodes its output.
func (w way) check(t *testing.T, cmd *exec.Cmd, script string) {
	t.Helper()
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(lines) != len(w.prints) {
		t.Fatalf("printed %q, want %d lines: %v", out, len(w.prints), err)
	}
	for i, name := range w.prints {
		var got map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil || got[name] == nil {
			t.Errorf("line %d is %q, want JSON with %s", i+1, lines[i], name)
		}
	}
}

// startDemo runs `cambio dev` and returns its folder, which is alone in its parent.
func startDemo(t *testing.T) (folder string) {
	t.Helper()
	p := run(t, t.TempDir(), []string{"TMPDIR=" + t.TempDir()}, binary, "dev", "--port", port(t, 5))
	const last = ` -w '\n'` + "\n"
	await(t, "cambio dev", func() bool {
		if p.ended() {
			t.Fatalf("cambio dev ended: %v", p.err)
		}
		return strings.HasSuffix(p.printed.String(), last)
	})
	return regexp.MustCompile(`Everything is in (\S+),`).FindStringSubmatch(p.printed.String())[1]
}
