package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"cambio/cmd/cambio/docs"
	"cambio/cmd/cambio/settings"
	"cambio/exchange"
	"cambio/exchange/admin"
	"cambio/jwks/jwkstest"
)

// The scripts in testdata are what an operator types and reads. `server` runs a
// real server, `issuer` an issuer, and `exchange` presents one of its tokens;
// `refresh` and `introspect` use the tokens of the exchange.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"cambio": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Values[runningKey{}] = &running{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"server": startServer, "issuer": startIssuer, "exchange": exchangeToken,
			"refresh": refreshToken, "introspect": introspectToken, "first": firstCell,
		},
	})
}

// running holds what a script started.
type running struct{ issuer *jwkstest.Issuer }

type runningKey struct{}

// startIssuer starts an issuer; with a file, it serves that in place of its keys:
// issuer [FILE].
func startIssuer(ts *testscript.TestScript, _ bool, args []string) {
	i := jwkstest.Start()
	if len(args) > 0 {
		set := ts.ReadFile(args[0])
		i.Serve(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, set) })
	}
	ts.Defer(i.Close)
	ts.Setenv("ISSUER", i.URL)
	ts.Value(runningKey{}).(*running).issuer = i
}

// startServer runs a server in the script's folder until the script ends.
func startServer(ts *testscript.TestScript, _ bool, _ []string) {
	dir := ts.MkAbs(".")
	cfg, err := settings.Load("", []string{
		"CAMBIO_LISTEN=127.0.0.1:0", "CAMBIO_ADMIN_LISTEN=127.0.0.1:0", "CAMBIO_ISSUER=http://127.0.0.1:8080",
		"CAMBIO_DATABASE=" + filepath.Join(dir, "cambio.db"), "CAMBIO_AUDIT_FILE=" + filepath.Join(dir, "audit.log"),
	})
	ts.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan [2]net.Addr, 1), make(chan error, 1)
	go func() {
		done <- run(ctx, cfg, nil, io.Discard, io.Discard, func(public, admin net.Addr) { ready <- [2]net.Addr{public, admin} })
	}()
	ts.Defer(func() {
		cancel()
		if err := <-done; err != nil {
			ts.Logf("server: %v", err)
		}
	})
	select {
	case addrs := <-ready:
		ts.Setenv("CAMBIO_ADMIN", addrs[1].String())
		ts.Setenv("PUBLIC", "http://"+addrs[0].String())
		ts.Setenv("CAMBIO_ADMIN_TOKEN_FILE", filepath.Join(dir, "cambio.admin-token"))
	case err := <-done:
		done <- err
		ts.Fatalf("server: %v", err)
	}
}

// exchangeToken exchanges a token of a subject as a client: exchange CLIENT SUB.
// Its session and user are in $SESSION and $USERID afterwards, its tokens in
// $ACCESS and $REFRESH.
func exchangeToken(ts *testscript.TestScript, neg bool, args []string) {
	i := ts.Value(runningKey{}).(*running).issuer
	resp, err := http.PostForm(ts.Getenv("PUBLIC")+"/oauth/token", url.Values{
		"grant_type": {exchange.GrantTokenExchange}, "client_id": {args[0]},
		"subject_token": {i.Sign(i.Claims(args[1], "app"))}, "subject_token_type": {exchange.TypeIDToken},
	})
	ts.Check(err)
	defer resp.Body.Close()
	var body struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		Session string `json:"session_id"`
		User    struct {
			ID string `json:"id"`
		}
		Code string `json:"code"`
	}
	ts.Check(json.NewDecoder(resp.Body).Decode(&body))
	if (resp.StatusCode == http.StatusOK) == neg {
		ts.Fatalf("exchange: %s %s", resp.Status, body.Code)
	}
	ts.Setenv("SESSION", body.Session)
	ts.Setenv("USERID", body.User.ID)
	ts.Setenv("ACCESS", body.Access)
	ts.Setenv("REFRESH", body.Refresh)
}

// firstCell puts the first cell of a table that a file holds into a variable:
// first FILE NAME.
func firstCell(ts *testscript.TestScript, _ bool, args []string) {
	_, rows, _ := strings.Cut(ts.ReadFile(args[0]), "\n")
	cell, _, _ := strings.Cut(rows, " ")
	ts.Setenv(args[1], cell)
}

// refreshToken exchanges a refresh token as a client: refresh CLIENT TOKEN. A
// refusal must be invalid_grant, by which clients drop a session.
func refreshToken(ts *testscript.TestScript, neg bool, args []string) {
	resp, err := http.PostForm(ts.Getenv("PUBLIC")+"/oauth/token", url.Values{
		"grant_type": {exchange.GrantRefreshToken}, "client_id": {args[0]}, "refresh_token": {args[1]},
	})
	ts.Check(err)
	defer resp.Body.Close()
	var body struct{ Error string }
	ts.Check(json.NewDecoder(resp.Body).Decode(&body))
	if (body.Error == "") == neg || neg && body.Error != "invalid_grant" {
		ts.Fatalf("refresh: %s %s", resp.Status, body.Error)
	}
}

// introspectToken introspects a token as a client whose secret is in a file:
// introspect CLIENT FILE TOKEN. It fails if the token is not active.
func introspectToken(ts *testscript.TestScript, neg bool, args []string) {
	form := strings.NewReader(url.Values{"token": {args[2]}}.Encode())
	req, err := http.NewRequest(http.MethodPost, ts.Getenv("PUBLIC")+"/oauth/introspect", form)
	ts.Check(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	var body struct{ Active bool }
	ts.Check(json.NewDecoder(resp.Body).Decode(&body))
	if resp.StatusCode != http.StatusOK || body.Active == neg {
		ts.Fatalf("introspect: %s, active %v", resp.Status, body.Active)
	}
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		args string
		want int
	}{
		{"version", exitDone}, {"", exitDone}, {"key", exitDone}, {"serve --help", exitDone},
		{"validate absent.yaml", exitFailed}, {"key list --admin-token-file absent", exitFailed},
		{"nothing", exitUsage}, {"key nothing", exitUsage}, {"key list too many", exitUsage},
		{"key list --nothing", exitUsage}, {"apply", exitUsage}, {"version -o xml", exitUsage},
	} {
		run := &cli{in: strings.NewReader(""), out: io.Discard, err: io.Discard}
		if got := run.main(t.Context(), strings.Fields(c.args)); got != c.want {
			t.Errorf("cambio %s: %d, want %d", c.args, got, c.want)
		}
	}
}

// The help of every command has a text and an example.
func TestHelpHasTextAndExample(t *testing.T) {
	c := &cli{in: strings.NewReader(""), out: io.Discard, err: io.Discard}
	commands := c.root().Commands()
	for n := 0; n < len(commands); n++ {
		cmd := commands[n]
		commands = append(commands, cmd.Commands()...)
		if name := cmd.CommandPath(); strings.HasPrefix(name, "cambio completion") || name == "cambio help" {
			continue
		}
		if len(cmd.Long) < 40 || !strings.Contains(cmd.Example, "  cambio ") {
			t.Errorf("%s: its help has no text or no example", cmd.CommandPath())
		}
	}
	if len(commands) < 25 {
		t.Errorf("%d commands", len(commands))
	}
}

// A secret that is shown once must not be lost without an error.
func TestErrorsOfWritingAreReported(t *testing.T) {
	full, closed := io.Pipe()
	closed.CloseWithError(io.ErrShortWrite)
	full.Close()
	for _, args := range [][]string{{"version"}, {"version", "-o", "json"}, {"docs", "speed"}} {
		run := &cli{in: strings.NewReader(""), out: closed, err: io.Discard}
		if got := run.main(t.Context(), args); got != exitFailed {
			t.Errorf("cambio %s: %d, want %d", args, got, exitFailed)
		}
	}
}

// The command that the output of user show names continues its list.
func TestUserWithManySessions(t *testing.T) {
	var out, err strings.Builder
	c := &cli{out: &out, err: &err}
	u := shownUser{Sessions: make([]admin.Session, 1), NextSession: "s-1"}
	u.User.ID = "u-1"
	c.printUser(u)
	if want := "there are more: cambio session list --user u-1 --from s-1\n"; err.String() != want {
		t.Errorf("got %q, want %q", err.String(), want)
	}
}

// Where a port is in use, the hint names what the command reads.
func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	dir := t.TempDir()
	for _, row := range []struct {
		args, environment, hint string
	}{
		{"dev --port " + port, "", "cambio dev --port 9080"},
		{"serve", "CAMBIO_LISTEN=127.0.0.1:" + port, "CAMBIO_LISTEN="},
	} {
		var text strings.Builder
		run := &cli{in: strings.NewReader(""), out: io.Discard, err: &text, environ: []string{row.environment, "CAMBIO_DATABASE=" + filepath.Join(dir, "cambio.db")}}
		if got := run.main(t.Context(), strings.Fields(row.args)); got != exitFailed || !strings.Contains(text.String(), row.hint) {
			t.Errorf("cambio %s: %d, %s", row.args, got, text.String())
		}
	}
}

// What users chose cannot act on the operator's terminal, and stays the same JSON.
func TestOutputHasNoTerminalControls(t *testing.T) {
	const name = "a\x1b[2Jb\u009b2Jc\u202ed\x7fé"
	for _, output := range []string{"json", "text"} {
		var out strings.Builder
		c := &cli{out: &out, output: output}
		err := c.show(name, func() { topicTable.print(c.out, docs.Topic{Name: name}) })
		if err != nil || strings.ContainsAny(out.String(), "\x1b\u009b\u202e\x7f") || !strings.Contains(out.String(), "é") {
			t.Errorf("%s: %q, %v", output, out.String(), err)
		}
		var got string
		if err := json.Unmarshal([]byte(out.String()), &got); output == "json" && (err != nil || got != name) {
			t.Errorf("read back as %q, %v", got, err)
		}
	}
}
