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

// secretOverlap is how long a client's secret stays valid after a newer one was
// generated, so that the newer one can be deployed to the client's instances.
const secretOverlap = 24 * time.Hour

// secretsKept is how long the secrets of a removed client are kept: one that was
// removed by mistake works again once it is registered again.
const secretsKept = 24 * time.Hour

// keptSecrets returns the unexpired secrets of a client that was removed less than
// secretsKept ago.
func (s *Snapshot) keptSecrets(id string, now time.Time) []exchange.ClientSecret {
	c := s.clients[id]
	if c == nil || c.active() || !now.Before(c.record.Removed.Add(secretsKept)) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(c.record.Client.Secrets), func(s exchange.ClientSecret) bool { return expired(s, now) })
}

// forgetRemoved drops the removed clients whose secrets are not kept any longer.
func (s *Snapshot) forgetRemoved(now time.Time) {
	for id, c := range s.clients {
		if !c.active() && !now.Before(c.record.Removed.Add(secretsKept)) {
			delete(s.clients, id)
		}
	}
}

// NewSecret generates a secret for a client that authenticates by one: ssk_ and 256
// random bits, in base64url. Only its MAC is stored, so it cannot be shown again.
// The previous secret expires after 24 hours, the one before that at once.
func (r *Registry) NewSecret(ctx context.Context, clientID string, now time.Time) (id, secret string, err error) {
	id, secret = hex.EncodeToString(random(6)), "ssk_"+base64.RawURLEncoding.EncodeToString(random(32))
	err = r.changeSecrets(ctx, clientID, now, func(c exchange.Client) ([]exchange.ClientSecret, error) {
		if !c.Auth.BySecret() {
			return nil, fmt.Errorf("it does not authenticate by a secret: set its auth to %s", exchange.AuthSecretBasic)
		}
		next := exchange.ClientSecret{ID: id, MAC: r.secretMAC(c.ID, secret), Created: now.UTC()}
		return append(expiring(c.Secrets, now), next), nil
	})
	if err != nil {
		return "", "", err
	}
	return id, secret, nil
}

// RevokeSecret revokes one of a client's secrets at once; storage.ErrNotFound if
// the client has none of that ID.
func (r *Registry) RevokeSecret(ctx context.Context, clientID, secretID string, now time.Time) error {
	return r.changeSecrets(ctx, clientID, now, func(c exchange.Client) ([]exchange.ClientSecret, error) {
		has := func(s exchange.ClientSecret) bool { return s.ID == secretID }
		if !slices.ContainsFunc(c.Secrets, has) {
			return nil, fmt.Errorf("secret %q: %w", secretID, storage.ErrNotFound)
		}
		return slices.DeleteFunc(slices.Clone(c.Secrets), has), nil
	})
}

// CheckSecret returns the ID of c's unexpired secret that equals secret, empty if
// none does. Its duration does not depend on how much of a secret is right.
func (r *Registry) CheckSecret(c *exchange.Client, secret string, now time.Time) (id string) {
	mac := r.secretMAC(c.ID, secret)
	for _, s := range c.Secrets {
		if hmac.Equal(s.MAC, mac) && !expired(s, now) {
			id = s.ID
		}
	}
	return id
}

// changeSecrets gives a client the secrets that edit returns. What was compiled of
// the client, such as its keys, stays.
func (r *Registry) changeSecrets(ctx context.Context, id string, now time.Time, edit func(exchange.Client) ([]exchange.ClientSecret, error)) error {
	return r.change(ctx, now, func(draft *Snapshot) ([]storage.Write, error) {
		old := draft.clients[id]
		if !old.active() {
			return nil, fmt.Errorf("client %q: %w", id, storage.ErrNotFound)
		}
		secrets, err := edit(old.record.Client)
		if err != nil {
			return nil, fmt.Errorf("client %q: %w", id, err)
		}
		next := r.clients.entry(old.record)
		next.record.Revision = draft.revision
		next.record.Client.Secrets = secrets
		made := &compiled[exchange.CompiledClient]{problems: old.known().problems}
		if c := old.value(); c != nil {
			made.value = c.WithClient(&next.record.Client)
		}
		next.compiled.Store(made)
		draft.clients[id] = next
		return nil, nil
	})
}

// expiring returns the newest unexpired secret, made to expire: with the one that
// is added to it, two are valid.
func expiring(list []exchange.ClientSecret, now time.Time) []exchange.ClientSecret {
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

func expired(s exchange.ClientSecret, now time.Time) bool {
	return !s.Expires.IsZero() && !now.Before(s.Expires)
}

// secretMAC includes the client's ID, so that a secret is valid for one client only.
func (r *Registry) secretMAC(clientID, secret string) []byte {
	return r.mac("client secret", clientID, secret)
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
