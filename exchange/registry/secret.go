package registry

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// secretOverlap is how long a client's secret lives after a newer one was
// made, so that its instances can be given the newer one in turn.
const secretOverlap = 24 * time.Hour

// NewSecret makes a secret for a client that authenticates by one and returns
// it: ssk_ and 256 random bits, in base64url. Only its MAC is kept, so nobody
// can see it again. The secret before it expires after 24 hours, the one
// before that at once.
func (r *Registry) NewSecret(ctx context.Context, clientID string, now time.Time) (secret string, err error) {
	secret = newSecret()
	err = r.changeSecrets(ctx, clientID, now, func(c exchange.Client) ([]exchange.ClientSecret, error) {
		if !bySecret(c) {
			return nil, fmt.Errorf("it does not authenticate by a secret: set its auth to %s", exchange.AuthSecretBasic)
		}
		made := exchange.ClientSecret{ID: newSecretID(), MAC: r.secretMAC(c.ID, secret), Created: now.UTC()}
		return append(lastSecret(c.Secrets, now), made), nil
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}

// RevokeSecret takes one of a client's secrets away at once; storage.ErrNotFound
// if the client has none of that ID.
func (r *Registry) RevokeSecret(ctx context.Context, clientID, secretID string, now time.Time) error {
	return r.changeSecrets(ctx, clientID, now, func(c exchange.Client) ([]exchange.ClientSecret, error) {
		has := func(s exchange.ClientSecret) bool { return s.ID == secretID }
		if !slices.ContainsFunc(c.Secrets, has) {
			return nil, fmt.Errorf("secret %q: %w", secretID, storage.ErrNotFound)
		}
		return slices.DeleteFunc(slices.Clone(c.Secrets), has), nil
	})
}

// CheckSecret is the ID of the one of c's secrets that secret is, unless it has
// expired; empty if it is none. How long it takes does not depend on how much of
// a secret is right.
func (r *Registry) CheckSecret(c *exchange.Client, secret string, now time.Time) (id string) {
	mac := r.secretMAC(c.ID, secret)
	for _, s := range c.Secrets {
		if hmac.Equal(s.MAC, mac) && !expired(s, now) {
			id = s.ID
		}
	}
	return id
}

// changeSecrets gives a client the secrets that edit returns. Its keys, which
// they have nothing to do with, stay as they are.
func (r *Registry) changeSecrets(ctx context.Context, id string, now time.Time, edit func(exchange.Client) ([]exchange.ClientSecret, error)) error {
	return r.change(ctx, now, func(draft *Snapshot) ([]storage.Write, error) {
		old := draft.clients[id]
		if old == nil {
			return nil, fmt.Errorf("client %q: %w", id, storage.ErrNotFound)
		}
		secrets, err := edit(old.record.Client)
		if err != nil {
			return nil, fmt.Errorf("client %q: %w", id, err)
		}
		entry := &client{record: old.record, compiled: old.compiled, problems: old.problems}
		entry.record.Revision = draft.revision
		entry.record.Client.Secrets = secrets
		if old.party != nil {
			entry.party = old.party.WithClient(&entry.record.Client)
		}
		draft.clients[id] = entry
		return nil, nil
	})
}

// lastSecret is the newest secret that lives, made to expire: with the one
// that is added to it, two live.
func lastSecret(list []exchange.ClientSecret, now time.Time) []exchange.ClientSecret {
	for _, s := range slices.Backward(list) {
		if expired(s, now) {
			continue
		}
		if end := now.UTC().Add(secretOverlap); s.Expires.IsZero() || end.Before(s.Expires) {
			s.Expires = end
		}
		return []exchange.ClientSecret{s}
	}
	return nil
}

func bySecret(c exchange.Client) bool {
	return c.Auth == exchange.AuthSecretBasic || c.Auth == exchange.AuthSecretPost
}

func expired(s exchange.ClientSecret, now time.Time) bool {
	return !s.Expires.IsZero() && !now.Before(s.Expires)
}

// secretMAC is bound to the client, so that a secret is of one client only.
func (r *Registry) secretMAC(clientID, secret string) []byte {
	return r.mac("client secret", clientID, secret)
}

func newSecret() string {
	b := make([]byte, 32)
	rand.Read(b)
	return "ssk_" + base64.RawURLEncoding.EncodeToString(b)
}

// newSecretID only tells a client's secrets apart.
func newSecretID() string {
	b := make([]byte, 6)
	rand.Read(b)
	return hex.EncodeToString(b)
}
