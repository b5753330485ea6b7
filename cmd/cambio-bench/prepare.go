package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"cambio/exchange"
	"cambio/exchange/assembly"
	"cambio/exchange/users"
	"cambio/jwks/jwkstest"
	"cambio/keys"
	"cambio/storage"
	"cambio/storage/bolt"
)

// The names of the targets. Small is the server with one issuer and the users of the
// tokens only.
const (
	noWrite          = "cambio, no write"
	withSession      = "cambio, session"
	smallNoWrite     = "small, no write"
	smallWithSession = "small, session"
)

// installation is a server's configuration file and the names of its targets.
type installation struct {
	noWrite, withSession string
	issuers, users       int
	config               string
}

// prepare signs the tokens, builds the server and seeds its store.
func prepare(ctx context.Context, dir string, opts options, out io.Writer) (*bench, error) {
	b := &bench{
		options: opts, dir: dir, binary: filepath.Join(dir, "cambio"),
		ratios:        []ratio{{noWrite, yardCrypto, 1.0}, {withSession, yardWritten, 0.9}},
		installations: []*installation{{noWrite: noWrite, withSession: withSession, issuers: opts.issuers, users: opts.users}},
	}
	if opts.issuers > 1 || opts.users > 0 { // which should cost no more than one
		b.ratios = append(b.ratios, ratio{noWrite, smallNoWrite, 1.0}, ratio{withSession, smallWithSession, 1.0})
		b.installations = append(b.installations, &installation{noWrite: smallNoWrite, withSession: smallWithSession, issuers: 1})
	}
	fmt.Fprintf(out, "%d tokens, %d issuers, %d users beside the tokens', %d rounds of %v\n\n",
		opts.tokens, opts.issuers, opts.users, opts.rounds, opts.duration)
	issuer := jwkstest.Start(jwkstest.WithAlg("RS256"))
	context.AfterFunc(ctx, issuer.Close)
	b.signed = sign(issuer, opts.tokens)
	key, err := x509.MarshalPKIXPublicKey(issuer.PublicKey())
	if err != nil {
		return nil, err
	}
	b.key = base64.StdEncoding.EncodeToString(key)
	return b, b.install(ctx, issuer.URL)
}

// install builds the server and writes the files of each installation.
func (b *bench) install(ctx context.Context, issuerURL string) error {
	build := exec.CommandContext(ctx, "go", "build", "-o", b.binary, "cambio/cmd/cambio")
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the server: %w\n%s", err, text)
	}
	for _, i := range b.installations {
		dir, err := os.MkdirTemp(b.dir, "cambio-")
		if err != nil {
			return err
		}
		if err := seed(ctx, dir, i.users); err != nil {
			return fmt.Errorf("seeding the store: %w", err)
		}
		if i.config, err = writeConfig(dir, issuerURL, i.issuers); err != nil {
			return err
		}
	}
	return nil
}

// start starts every server in a process of its own. All tokens are exchanged once
// before the measurement, so that users exist, keys are fetched and files have
// grown.
func (b *bench) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, kind := range []string{yardBare, yardCrypto, yardWritten} {
		p, err := b.launch(ctx, self, "yardstick", kind, b.key, b.dir)
		if err != nil {
			return err
		}
		b.targets = append(b.targets, target{kind, p, exchanges(p.addr, "spa", b.signed)})
	}
	for _, i := range b.installations {
		p, err := b.launch(ctx, b.binary, "serve", "-c", i.config)
		if err != nil {
			return err
		}
		b.targets = append(b.targets,
			target{i.noWrite, p, exchanges(p.addr, "stateless", b.signed)},
			target{i.withSession, p, exchanges(p.addr, "sessions", b.signed)})
	}
	for _, t := range b.targets {
		if err := t.warm(); err != nil {
			return fmt.Errorf("warming %s: %w", t.name, err)
		}
	}
	return nil
}

// stop stops what start started.
func (b *bench) stop() error {
	var err error
	for _, p := range b.processes {
		err = errors.Join(err, p.stop())
	}
	b.processes, b.targets = nil, nil
	return err
}

// exchanges returns a token exchange request for each token, as a client without a
// backend sends it.
func exchanges(addr, client string, tokens []string) [][]byte {
	out := make([][]byte, len(tokens))
	for i, token := range tokens {
		form := url.Values{
			"grant_type": {exchange.GrantTokenExchange}, "client_id": {client}, "scope": {"read"},
			"subject_token_type": {exchange.TypeIDToken}, "subject_token": {token},
		}.Encode()
		out[i] = fmt.Appendf(nil, "POST /oauth/token HTTP/1.1\r\nHost: %s\r\n"+
			"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", addr, len(form), form)
	}
	return out
}

// benchAudience is the aud of the subject tokens.
const benchAudience = "bench-app"

// sign returns n ID tokens of an issuer, each for its own subject, with the claims
// that large providers include.
func sign(i *jwkstest.Issuer, n int) []string {
	tokens := make([]string, n)
	now := time.Now()
	for k := range tokens {
		tokens[k] = i.Sign(map[string]any{
			"iss": i.URL, "sub": fmt.Sprintf("auth0|%024x", k), "aud": benchAudience, "azp": benchAudience,
			"iat": now.Unix(), "exp": now.Add(12 * time.Hour).Unix(), "auth_time": now.Unix(), "nonce": rand.Text(),
			"email": fmt.Sprintf("user%d@example.com", k), "email_verified": true, "name": fmt.Sprintf("User %d", k),
			"picture": "https://example.com/avatar.png", "sid": rand.Text(),
		})
	}
	return tokens
}

// process is a server in a process of its own, so that its CPU time is separate from
// the load generator's.
type process struct {
	cmd  *exec.Cmd
	addr string
	log  sync.WaitGroup // the reading of standard error, until it ends
}

// listening is the start of the log line with the address of a server.
const listening = "msg=listening public="

// launch starts a command, which stop stops, and returns once it logs its address.
func (b *bench) launch(ctx context.Context, path string, args ...string) (*process, error) {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	in := bufio.NewReader(log)
	addr, err := awaitAddress(in)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", path, err), cmd.Process.Kill(), cmd.Wait())
	}
	p := &process{cmd: cmd, addr: addr}
	p.log.Go(func() {
		for line := range logLines(in) {
			printLine(line)
		}
	})
	b.processes = append(b.processes, p)
	return p, nil
}

// awaitAddress reads a log up to the line with the address. It prints the lines
// before.
func awaitAddress(log *bufio.Reader) (string, error) {
	for line := range logLines(log) {
		if _, fields, ok := strings.Cut(line, listening); ok {
			return strings.Fields(fields)[0], nil
		}
		printLine(line)
	}
	return "", errors.New("it ended before it listened")
}

// logLines yields whole lines of any length to the end of a log: a server whose
// standard error nothing reads stops at its next line.
func logLines(log *bufio.Reader) iter.Seq[string] {
	return func(yield func(string) bool) {
		for {
			line, err := log.ReadString('\n')
			if err != nil || !yield(line) {
				return
			}
		}
	}
}

// printLine prints what is worth attention: all but the level INFO.
func printLine(line string) {
	if !strings.Contains(line, "level=INFO") {
		fmt.Fprint(os.Stderr, line)
	}
}

// stop terminates the process and waits for it.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	p.log.Wait() // Wait of the command closes what is read
	return p.cmd.Wait()
}

// cpu returns the user and system time that the process has used, in the kernel's
// ticks of 10 ms.
func (p *process) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(stat), ") ") // the name may hold spaces
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0, fmt.Errorf("stat of process %d is too short", p.cmd.Process.Pid)
	}
	const utime, stime, tick = 11, 12, 10 * time.Millisecond
	user, err := strconv.Atoi(fields[utime])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(fields[stime])
	return time.Duration(user+system) * tick, err
}

// serverIssuer is the issuer of the measured servers, whose stores are filled before
// they start.
const serverIssuer = "http://127.0.0.1"

// writeConfig writes a configuration and a manifest: the issuer that signs,
// issuers-1 others, and one client with sessions and one without.
func writeConfig(dir, issuerURL string, issuers int) (string, error) {
	var trust bytes.Buffer
	fmt.Fprintln(&trust, "issuers:")
	for n := range issuers {
		id, url := "bench", issuerURL
		if n > 0 {
			id, url = fmt.Sprintf("other-%d", n), fmt.Sprintf("%s/%d", issuerURL, n)
		}
		fmt.Fprintf(&trust, "  - {id: %s, url: %q, audiences: [%s], scopes: [read], keys: {jwksURL: %q, allowPrivateAddresses: true}}\n",
			id, url, benchAudience, issuerURL+jwkstest.JWKSPath)
	}
	fmt.Fprint(&trust, `clients:
  - {id: stateless, issuers: [bench], scopes: [read], audiences: ["https://api"]}
  - {id: sessions, issuers: [bench], scopes: [read], audiences: ["https://api"], refreshTokens: true}
`)
	config := fmt.Sprintf("issuer: "+serverIssuer+"\nlisten: 127.0.0.1:0\nadminListen: 127.0.0.1:0\ndatabase: %s\ntrust: %s\naudit: {file: %s}\n",
		filepath.Join(dir, "cambio.db"), filepath.Join(dir, "trust.yaml"), filepath.Join(dir, "audit.log"))
	if err := os.WriteFile(filepath.Join(dir, "trust.yaml"), trust.Bytes(), 0o600); err != nil {
		return "", err
	}
	file := filepath.Join(dir, "cambio.yaml")
	return file, os.WriteFile(file, []byte(config), 0o600)
}

// seed creates users in a new store, as first exchanges of tokens would.
func seed(ctx context.Context, dir string, n int) error {
	if n == 0 {
		return nil
	}
	kek, err := keys.CreateKEK(filepath.Join(dir, "cambio.kek"))
	if err != nil {
		return err
	}
	engine, err := bolt.Open(filepath.Join(dir, "cambio.db"), bolt.Options{NoSync: true})
	if err != nil {
		return err
	}
	defer engine.Close()
	parts, err := assembly.New(ctx, assembly.Config{Engine: engine, Keys: keys.Config{KEK: kek}, Issuer: serverIssuer})
	if err != nil {
		return err
	}
	defer parts.Close()
	return addUsers(ctx, engine, parts.Users, n)
}

// addUsers commits a thousand users at a time.
func addUsers(ctx context.Context, engine storage.Engine, store *users.Store, n int) error {
	var batch []storage.Write
	for i := range n {
		s := &exchange.Subject{Issuer: "bench", ID: fmt.Sprintf("seeded-%d", i), Email: fmt.Sprintf("%d@example.com", i)}
		_, _, writes, err := store.Resolve(ctx, s, true, time.Now())
		if err != nil {
			return err
		}
		if batch = append(batch, writes...); i%1000 == 999 || i == n-1 {
			if err := engine.Commit(ctx, batch...); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	return nil
}
