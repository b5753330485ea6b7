package main

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"cambio/exchange"
	"cambio/jwks/jwkstest"
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
		p, err := b.startProcess(ctx, self, "yardstick", kind, b.key, b.dir)
		if err != nil {
			return err
		}
		b.targets = append(b.targets, target{kind, p, exchanges(p.addr, "spa", b.signed)})
	}
	for _, i := range b.installations {
		p, err := b.startProcess(ctx, b.binary, "serve", "-c", i.config)
		if err != nil {
			return err
		}
		b.targets = append(b.targets,
			target{i.noWrite, p, exchanges(p.addr, "stateless", b.signed)},
			target{i.withSession, p, exchanges(p.addr, "sessions", b.signed)})
	}
	return b.warm()
}

// startProcess starts a process that stop stops.
func (b *bench) startProcess(ctx context.Context, path string, args ...string) (*process, error) {
	p, err := startProcess(ctx, path, args...)
	if err == nil {
		b.processes = append(b.processes, p)
	}
	return p, err
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

// exchanges returns a token exchange request for each token.
func exchanges(addr, client string, tokens []string) [][]byte {
	out := make([][]byte, len(tokens))
	for i, token := range tokens {
		out[i] = formRequest(addr, "/oauth/token", url.Values{
			"grant_type": {exchange.GrantTokenExchange}, "client_id": {client}, "scope": {"read"},
			"subject_token_type": {exchange.TypeIDToken}, "subject_token": {token},
		}.Encode())
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
