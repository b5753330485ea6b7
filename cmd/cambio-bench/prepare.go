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

// The names of the targets. Small is the server with one issuer and the users of the
// tokens only.
const (
	noWrite          = "cambio, no write"
	withSession      = "cambio, session"
	smallNoWrite     = "small, no write"
	smallWithSession = "small, session"
)

// installation is a server's files and address.
type installation struct {
	noWrite, withSession string // names of its targets
	issuers, users       int
	config, public       string
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
	issuer, err := newIssuer()
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, issuer.close)
	if b.signed, err = issuer.tokens(opts.tokens); err != nil {
		return nil, err
	}
	if b.key, err = issuer.writePEM(dir); err != nil {
		return nil, err
	}
	return b, b.prepareCambio(ctx, issuer)
}

func (b *bench) prepareCambio(ctx context.Context, issuer *issuer) error {
	build := exec.CommandContext(ctx, "go", "build", "-o", b.binary, "cambio/cmd/cambio")
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the server: %w\n%s", err, text)
	}
	for _, i := range b.installations {
		dir, err := os.MkdirTemp(b.dir, "cambio-")
		if err != nil {
			return err
		}
		if err := i.install(ctx, dir, issuer); err != nil {
			return err
		}
	}
	return nil
}

func (i *installation) install(ctx context.Context, dir string, issuer *issuer) error {
	if err := seed(ctx, dir, issuer.url, i.users); err != nil {
		return fmt.Errorf("seeding the store: %w", err)
	}
	public, admin, err := freePorts()
	if err != nil {
		return err
	}
	i.public = public
	i.config, err = writeConfig(dir, public, admin, issuer, i.issuers)
	return err
}

// start starts every server in a process of its own. All tokens are exchanged once
// before the measurement, so that users exist, keys are fetched and files have
// grown.
func (b *bench) start(ctx context.Context) error {
	if err := b.startYardsticks(ctx); err != nil {
		return err
	}
	for _, i := range b.installations {
		if err := b.startCambio(ctx, i); err != nil {
			return err
		}
	}
	return b.warm()
}

func (b *bench) startYardsticks(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, kind := range []string{yardBare, yardCrypto, yardWritten} {
		p, err := startProcess(ctx, listening, self, "yardstick", kind, b.key, b.dir)
		if err != nil {
			return err
		}
		b.processes = append(b.processes, p)
		b.targets = append(b.targets, target{kind, p, p.addr, exchanges(p.addr, "spa", b.signed)})
	}
	return nil
}

func (b *bench) startCambio(ctx context.Context, i *installation) error {
	p, err := startServer(ctx, b.binary, i.config, i.public)
	if err != nil {
		return err
	}
	b.processes = append(b.processes, p)
	b.targets = append(b.targets,
		target{i.noWrite, p, i.public, exchanges(i.public, "stateless", b.signed)},
		target{i.withSession, p, i.public, exchanges(i.public, "sessions", b.signed)})
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

// exchanges returns a token exchange request for each token.
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

// freePorts returns two unused addresses on loopback.
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
