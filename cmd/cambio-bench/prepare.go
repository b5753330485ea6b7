package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
)

// Names of the targets.
const (
	noWrite     = "cambio, no write"
	withSession = "cambio, session"
)

// prepare builds the server, seeds its store, and starts it and the
// yardsticks, each in a process of its own.
func prepare(ctx context.Context, dir string, opts options, out io.Writer) (_ *bench, err error) {
	b := &bench{options: opts, ratios: []ratio{
		{noWrite, yardCrypto, 1.0}, {withSession, yardWritten, 0.9},
	}}
	defer func() {
		if err != nil {
			b.stop()
		}
	}()
	fmt.Fprintf(out, "%d tokens, %d issuers, %d users beside the tokens', %d rounds of %v\n\n",
		opts.tokens, opts.issuers, opts.users, opts.rounds, opts.duration)
	issuer, err := newIssuer()
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, issuer.close)
	tokens, err := issuer.tokens(opts.tokens)
	if err != nil {
		return nil, err
	}
	if err := b.startYardsticks(ctx, dir, issuer, tokens); err != nil {
		return nil, err
	}
	return b, b.startCambio(ctx, dir, issuer, tokens)
}

func (b *bench) startYardsticks(ctx context.Context, dir string, issuer *issuer, tokens []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	key, err := issuer.writePEM(dir)
	if err != nil {
		return err
	}
	for _, kind := range []string{yardBare, yardCrypto, yardWritten} {
		p, err := startProcess(ctx, listening, self, "yardstick", kind, key, dir)
		if err != nil {
			return err
		}
		b.processes = append(b.processes, p)
		b.targets = append(b.targets, target{kind, p, p.addr, exchanges(p.addr, "spa", tokens)})
	}
	return nil
}

func (b *bench) startCambio(ctx context.Context, dir string, issuer *issuer, tokens []string) error {
	binary := filepath.Join(dir, "cambio")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "cambio/cmd/cambio")
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the server: %w\n%s", err, text)
	}
	if err := seed(ctx, dir, issuer.url, b.users); err != nil {
		return fmt.Errorf("seeding the store: %w", err)
	}
	public, admin, err := freePorts()
	if err != nil {
		return err
	}
	config, err := writeConfig(dir, public, admin, issuer, b.issuers)
	if err != nil {
		return err
	}
	p, err := startServer(ctx, binary, config, public)
	if err != nil {
		return err
	}
	b.processes = append(b.processes, p)
	b.targets = append(b.targets,
		target{noWrite, p, public, exchanges(public, "stateless", tokens)},
		target{withSession, p, public, exchanges(public, "sessions", tokens)})
	return nil
}

// exchanges are token exchanges, one for each token, ready to be sent.
func exchanges(addr, client string, tokens []string) [][]byte {
	out := make([][]byte, len(tokens))
	for i, token := range tokens {
		out[i] = formRequest(addr, "/oauth/token", url.Values{
			"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
			"client_id":          {client},
			"subject_token_type": {"urn:ietf:params:oauth:token-type:id_token"},
			"subject_token":      {token},
			"scope":              {"read"},
		}.Encode())
	}
	return out
}

// freePorts finds two ports that nothing listens on.
func freePorts() (a, b string, err error) {
	var addrs [2]string
	for i := range addrs {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", "", err
		}
		defer l.Close()
		addrs[i] = l.Addr().String()
	}
	return addrs[0], addrs[1], nil
}

// writePEM writes the issuer's public key for the yardsticks.
func (i *issuer) writePEM(dir string) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(&i.key.PublicKey)
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "issuer.pem")
	return file, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600)
}

var errNotReady = errors.New("the server did not become ready")
