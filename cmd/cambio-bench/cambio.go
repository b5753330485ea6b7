package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"cambio/exchange"
	"cambio/exchange/users"
	"cambio/keys"
	"cambio/storage"
	"cambio/storage/bolt"
)

// writeConfig writes a configuration and a manifest: the issuer that signs,
// issuers-1 others, and one client with sessions and one without.
func writeConfig(dir, public, admin string, i *issuer, issuers int) (string, error) {
	var trust bytes.Buffer
	fmt.Fprintln(&trust, "issuers:")
	writeIssuer(&trust, "bench", i.url, i.url+"/jwks")
	for n := 1; n < issuers; n++ {
		writeIssuer(&trust, fmt.Sprintf("other-%d", n), fmt.Sprintf("%s/%d", i.url, n), i.url+"/jwks")
	}
	fmt.Fprint(&trust, `clients:
  - {id: stateless, issuers: [bench], scopes: [read], audiences: ["https://api"]}
  - {id: sessions, issuers: [bench], scopes: [read], audiences: ["https://api"], refreshTokens: true}
`)
	config := fmt.Sprintf("listen: %s\nadminListen: %s\ndatabase: %s\ntrust: %s\naudit: {file: %s}\nlog: {level: warn}\n",
		public, admin, filepath.Join(dir, "cambio.db"), filepath.Join(dir, "trust.yaml"), filepath.Join(dir, "audit.log"))
	if err := os.WriteFile(filepath.Join(dir, "trust.yaml"), trust.Bytes(), 0o600); err != nil {
		return "", err
	}
	file := filepath.Join(dir, "cambio.yaml")
	return file, os.WriteFile(file, []byte(config), 0o600)
}

func writeIssuer(w io.Writer, id, url, jwks string) {
	fmt.Fprintf(w, "  - {id: %s, url: %q, audiences: [%s], scopes: [read], keys: {jwksURL: %q, allowPrivateAddresses: true}}\n",
		id, url, benchAudience, jwks)
}

// startServer starts the server and returns once it is ready.
func startServer(ctx context.Context, binary, config, public string) (*process, error) {
	cmd := exec.CommandContext(ctx, binary, "serve", "-c", config)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, addr: public}
	for range 600 {
		resp, err := http.Get("http://" + public + "/readyz")
		if err == nil {
			resp.Body.Close()
			return p, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	p.stop()
	return nil, errNotReady
}

// seed creates users in a new store, as first exchanges of tokens would.
func seed(ctx context.Context, dir, issuerURL string, n int) error {
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
	ring, err := keys.Open(ctx, engine, keys.Config{KEK: kek})
	if err != nil {
		return err
	}
	return addUsers(ctx, engine, users.New(engine, ring.Derive("records")), n)
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
