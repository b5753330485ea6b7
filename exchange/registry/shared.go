package registry

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"slices"

	"cambio/exchange"
)

// sharedSecrets is the stored secrets of one registration, which are sealed: those
// shared with an issuer, or that of a client's webhook.
type sharedSecrets struct {
	*Registry
	owner    string                       // ID of the registration
	purpose  string                       // of the MAC that becomes the ID of a secret without one
	sealName func(secretID string) string // binds a seal to its place
	stored   []exchange.SharedSecret
}

// Seal names are quoted, so that no two places have the same.

func (r *Registry) issuerSecrets(id string, stored exchange.Issuer) sharedSecrets {
	return sharedSecrets{r, id, "shared secret", func(secretID string) string {
		return fmt.Sprintf("issuer %q secret %q", id, secretID)
	}, stored.Keys.AllSecrets()}
}

func (r *Registry) webhookSecrets(id string, stored exchange.Client) sharedSecrets {
	return sharedSecrets{r, id, "webhook secret", func(string) string {
		return fmt.Sprintf("client %q webhook", id)
	}, webhookSecrets(stored)}
}

// find returns a stored secret and its value; nil if it is not stored or cannot be
// unsealed.
func (s sharedSecrets) find(id string) (exchange.SharedSecret, []byte) {
	for _, old := range s.stored {
		if old.ID != id {
			continue
		}
		if plain, err := s.cfg.Unseal(s.sealName(id), old.Sealed); err == nil {
			return old, plain
		}
	}
	return exchange.SharedSecret{}, nil
}

// complete returns declared secrets with values and IDs: one that is declared by
// its ID alone keeps the stored value; one without an ID gets an ID derived from
// its value.
func (s sharedSecrets) complete(declared []exchange.SharedSecret) []exchange.SharedSecret {
	declared = slices.Clone(declared)
	for n := range declared {
		d := &declared[n]
		if d.Value == "" && d.ID != "" {
			_, plain := s.find(d.ID)
			d.Value = string(plain)
		}
		if d.ID == "" && d.Value != "" {
			d.ID = fmt.Sprintf("%x", s.mac(s.purpose, s.owner, d.Value)[:8])
		}
	}
	return declared
}

// seal returns declared secrets as they are stored. A secret that is stored already
// keeps its seal, so that the record does not change.
func (s sharedSecrets) seal(declared []exchange.SharedSecret) ([]exchange.SharedSecret, error) {
	declared = slices.Clone(declared)
	for n, d := range declared {
		old, plain := s.find(d.ID)
		if plain == nil || !hmac.Equal(plain, []byte(d.Value)) {
			var err error
			if old.Sealed, err = s.cfg.Seal(s.sealName(d.ID), []byte(d.Value)); err != nil {
				return nil, fmt.Errorf("sealing a secret of %q: %w", s.owner, err)
			}
		}
		declared[n] = exchange.SharedSecret{ID: d.ID, Sealed: old.Sealed}
	}
	return declared, nil
}

// unsealed returns a stored issuer with plain secrets, for the compiler.
func (r *Registry) unsealed(i exchange.Issuer) (exchange.Issuer, []exchange.Problem) {
	var problems []exchange.Problem
	stored := r.issuerSecrets(i.ID, i)
	i.Keys = i.Keys.WithSecrets(func(sealed []exchange.SharedSecret) []exchange.SharedSecret {
		open := idsOnly(sealed)
		for n, s := range open {
			_, plain := stored.find(s.ID)
			if plain == nil {
				problems = append(problems, exchange.Problem{Path: "keys", Message: fmt.Sprintf("the stored secret %s cannot be unsealed", exchange.Quote(s.ID))})
			}
			open[n].Value = string(plain)
		}
		return open
	})
	return i, problems
}

// webhookSecrets returns the secret of a client's webhook, none if it has none.
func webhookSecrets(c exchange.Client) []exchange.SharedSecret {
	if c.Checkout == nil || c.Checkout.Webhook == nil {
		return nil
	}
	return []exchange.SharedSecret{c.Checkout.Webhook.Secret}
}

// withWebhookSecrets returns a client with other [webhookSecrets]. c is not changed.
func withWebhookSecrets(c exchange.Client, secrets []exchange.SharedSecret) exchange.Client {
	if len(secrets) > 0 {
		checkout, hook := *c.Checkout, *c.Checkout.Webhook
		hook.Secret = secrets[0]
		checkout.Webhook = &hook
		c.Checkout = &checkout
	}
	return c
}

// idsOnly returns secrets without values and seals.
func idsOnly(secrets []exchange.SharedSecret) []exchange.SharedSecret {
	secrets = slices.Clone(secrets)
	for n, s := range secrets {
		secrets[n] = exchange.SharedSecret{ID: s.ID}
	}
	return secrets
}

// masked returns secrets with placeholders as values: the same as in other if the
// secret at that index is.
func masked(secrets, other []exchange.SharedSecret) []exchange.SharedSecret {
	out := idsOnly(secrets)
	for n, s := range secrets {
		out[n].Value = "(secret)"
		if n < len(other) && !bytes.Equal(other[n].Sealed, s.Sealed) {
			out[n].Value = "(another secret)"
		}
	}
	return out
}

func shownIssuer(r, other issuerRecord) any {
	before := other.Issuer.Keys.AllSecrets()
	r.Issuer.Keys = r.Issuer.Keys.WithSecrets(func(list []exchange.SharedSecret) []exchange.SharedSecret {
		out := masked(list, before)
		before = before[min(len(list), len(before)):]
		return out
	})
	return r.Issuer
}

// shownClient leaves out the client's own secrets, which no manifest declares.
func shownClient(r, other clientRecord) any {
	r.Client.Secrets = nil
	return withWebhookSecrets(r.Client, masked(webhookSecrets(r.Client), webhookSecrets(other.Client)))
}

func shownDetailType(r, _ detailRecord) any { return r.Type }

// mac returns an HMAC-SHA256 over parts.
func (r *Registry) mac(parts ...string) []byte {
	h := hmac.New(sha256.New, r.cfg.SecretKey)
	h.Write(exchange.LengthPrefixed(parts...))
	return h.Sum(nil)
}

// revokedKeys returns the keys that before had and after must not have: shared
// secrets that are no longer listed or have another value, and thumbprints that are
// newly revoked.
func revokedKeys(before, after exchange.Issuer) []string {
	var out []string
	for _, s := range before.Keys.AllSecrets() {
		same := func(o exchange.SharedSecret) bool { return o.ID == s.ID && bytes.Equal(o.Sealed, s.Sealed) }
		if !slices.ContainsFunc(after.Keys.AllSecrets(), same) {
			out = append(out, s.ID)
		}
	}
	for _, k := range after.Keys.AllRevoked() {
		if !slices.Contains(before.Keys.AllRevoked(), k) {
			out = append(out, k)
		}
	}
	return out
}
