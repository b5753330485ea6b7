package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"cambio/exchange"
)

// TestTranscript pastes what `cambio dev` prints into a shell, as it is, and
// again as bob.
func TestTranscript(t *testing.T) {
	t.Parallel()
	need(t, "bash", "curl")
	p := run(t, t.TempDir(), []string{"TMPDIR=" + t.TempDir()}, binary, "dev", "--port", port(t, 5))
	const last = ` -w '\n'` + "\n"
	await(t, "the transcript", func() bool {
		if p.ended() {
			t.Fatalf("cambio dev ended: %v", p.err)
		}
		return strings.HasSuffix(p.printed.String(), last)
	})
	intro, script, found := strings.Cut(p.printed.String(), "field()")
	if !found {
		t.Fatal("no transcript was printed")
	}
	script = "field()" + script
	alice := paste(t, script)
	bob := paste(t, strings.NewReplacer("username=alice", "username=bob", "password=alice", "password=bob").Replace(script))
	if alice == bob {
		t.Errorf("alice and bob are both user %s", alice)
	}
	trySessions(t, intro, 2)
	pasteReadme(t, regexp.MustCompile(`Cambio\s+(\S+)`).FindStringSubmatch(intro)[1])

	folder := regexp.MustCompile(`Everything is in (\S+),`).FindStringSubmatch(intro)
	if _, err := os.Stat(folder[1]); err != nil {
		t.Error(err)
	}
	p.stop(t)
	if _, err := os.Stat(folder[1]); !os.IsNotExist(err) {
		t.Errorf("the folder was left behind: %v", err)
	}
}

// paste runs the transcript and checks what each of its steps prints.
func paste(t *testing.T, script string) (userID string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash")
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(lines) != 5 {
		t.Fatalf("the transcript printed %q: %v", out, err)
	}
	var created, next, ended answer
	var orders struct {
		User   string
		Orders []any
	}
	for i, into := range map[int]any{0: &created, 1: &orders, 2: &next, 4: &ended} {
		if err := json.Unmarshal([]byte(lines[i]), into); err != nil {
			t.Fatalf("line %d is %q: %v", i+1, lines[i], err)
		}
	}
	if created.AccessToken == "" || created.RefreshToken == "" || created.Scope != scope || !created.User.IsNew {
		t.Errorf("the exchange printed %s", lines[0])
	}
	if orders.User != created.User.ID || len(orders.Orders) == 0 {
		t.Errorf("the API printed %s to user %s", lines[1], created.User.ID)
	}
	if next.AccessToken == "" || next.RefreshToken == "" || next.RefreshToken == created.RefreshToken || next.SessionID != created.SessionID {
		t.Errorf("the refresh printed %s", lines[2])
	}
	if lines[3] != "revoked: 200" {
		t.Errorf("the revocation printed %s", lines[3])
	}
	if ended.Error != string(exchange.InvalidGrant) || ended.Code != string(exchange.ReasonSessionEnded) {
		t.Errorf("the last refresh printed %s", lines[4])
	}
	return created.User.ID
}

// pasteReadme runs the README's commands in a second shell beside a running
// demo, whose address is server.
func pasteReadme(t *testing.T, server string) {
	t.Helper()
	port := server[strings.LastIndexByte(server, ':')+1:]
	script := samplesIn(t, "../../../README.md", "Cambio", "sh")[1]
	script = strings.NewReplacer("go run ./cmd/cambio dev login", binary+" dev login --port "+port, "http://127.0.0.1:8080", server).Replace(script)
	cmd := exec.CommandContext(t.Context(), "bash")
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.Output()
	var session answer
	if err == nil {
		err = json.Unmarshal(out, &session)
	}
	if err != nil || session.AccessToken == "" || session.RefreshToken == "" || session.Scope != scope {
		t.Errorf("the README's commands printed %s: %v", out, err)
	}
}

// trySessions runs the admin command that the introduction offers.
func trySessions(t *testing.T, intro string, want int) {
	t.Helper()
	offered := regexp.MustCompile(`try: go run ./cmd/cambio (.*)`).FindStringSubmatch(intro)
	if offered == nil {
		t.Fatalf("no command is offered in %q", intro)
	}
	out, err := exec.CommandContext(t.Context(), binary, append(strings.Fields(offered[1]), "-o", "json")...).Output()
	var page struct{ Sessions []any }
	if err == nil {
		err = json.Unmarshal(out, &page)
	}
	if err != nil || len(page.Sessions) != want {
		t.Errorf("cambio %s printed %s: %v", offered[1], out, err)
	}
}
