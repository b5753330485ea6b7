package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"cambio/exchange"
	"cambio/exchange/assembly"
	"cambio/exchange/users"
	"cambio/jwks/jwkstest"
	"cambio/keys"
	"cambio/storage"
	"cambio/storage/bolt"
)

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
	config := fmt.Sprintf("listen: 127.0.0.1:0\nadminListen: 127.0.0.1:0\ndatabase: %s\ntrust: %s\naudit: {file: %s}\n",
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
	parts, err := assembly.New(ctx, assembly.Config{Engine: engine, Keys: keys.Config{KEK: kek}, Issuer: "http://127.0.0.1"})
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
