package registry

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"cambio/exchange"
)

// unsealed is a stored issuer with its shared secrets plain, for the compiler.
func (r *Registry) unsealed(i exchange.Issuer) (exchange.Issuer, []exchange.Problem) {
	var problems []exchange.Problem
	secrets := slices.Clone(i.Keys.Secrets)
	for n, s := range secrets {
		plain, err := r.cfg.Unseal(sealName(i.ID, s.ID), s.Sealed)
		if err != nil {
			path := fmt.Sprintf("keys.secrets[%d]", n)
			problems = append(problems, exchange.Problem{Path: path, Message: "the stored secret cannot be unsealed"})
		}
		secrets[n] = exchange.SharedSecret{ID: s.ID, Value: string(plain)}
	}
	i.Keys.Secrets = secrets
	return i, problems
}

// sealed is an issuer with plain secrets as it is to be stored. A secret that
// is already stored keeps its seal, so that the record does not change.
func (r *Registry) sealed(i, stored exchange.Issuer) (exchange.Issuer, error) {
	secrets := slices.Clone(i.Keys.Secrets)
	for n, s := range secrets {
		value := []byte(s.Value)
		old, plain := r.storedSecret(stored, s.ID)
		if plain == nil || !hmac.Equal(plain, value) {
			var err error
			if old.Sealed, err = r.cfg.Seal(sealName(i.ID, s.ID), value); err != nil {
				return i, fmt.Errorf("sealing a secret of issuer %q: %w", i.ID, err)
			}
		}
		secrets[n] = exchange.SharedSecret{ID: s.ID, Sealed: old.Sealed}
	}
	i.Keys.Secrets = secrets
	return i, nil
}

// completed is a declared issuer whose secrets all have a value and an ID: one
// declared by ID alone keeps the value that is stored, one without an ID gets
// one that is always the same for its value.
func (r *Registry) completed(i, stored exchange.Issuer) exchange.Issuer {
	secrets := slices.Clone(i.Keys.Secrets)
	for n, s := range secrets {
		if s.Value == "" && s.ID != "" {
			_, plain := r.storedSecret(stored, s.ID)
			secrets[n].Value = string(plain)
		}
		if s.ID == "" && s.Value != "" {
			secrets[n].ID = fmt.Sprintf("%x", r.mac("shared secret", i.ID, s.Value)[:8])
		}
	}
	i.Keys.Secrets = secrets
	return i
}

// storedSecret finds a stored secret and what it is; nil if it cannot be
// unsealed or is not there.
func (r *Registry) storedSecret(stored exchange.Issuer, id string) (exchange.SharedSecret, []byte) {
	for _, s := range stored.Keys.Secrets {
		if s.ID != id {
			continue
		}
		if plain, err := r.cfg.Unseal(sealName(stored.ID, id), s.Sealed); err == nil {
			return s, plain
		}
	}
	return exchange.SharedSecret{}, nil
}

// sealName ties a seal to its place. It is quoted, so that no two places share
// a name.
func sealName(issuer, secret string) string {
	return fmt.Sprintf("issuer %q secret %q", issuer, secret)
}

// mac is an HMAC-SHA256 over the length-prefixed parts.
func (r *Registry) mac(parts ...string) []byte {
	h := hmac.New(sha256.New, r.cfg.SecretKey)
	var n [4]byte
	for _, p := range parts {
		binary.BigEndian.PutUint32(n[:], uint32(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return h.Sum(nil)
}

// withoutSecrets is an issuer to show: of its secrets there are the IDs.
func withoutSecrets(i exchange.Issuer) exchange.Issuer {
	secrets := slices.Clone(i.Keys.Secrets)
	for n, s := range secrets {
		secrets[n] = exchange.SharedSecret{ID: s.ID}
	}
	i.Keys.Secrets = secrets
	return i
}

// withdrawn are the keys that before had and after must not have: shared
// secrets that are no longer listed or have another value, and thumbprints
// that are revoked now.
func withdrawn(before, after exchange.Issuer) []string {
	var out []string
	for _, s := range before.Keys.Secrets {
		same := func(o exchange.SharedSecret) bool { return o.ID == s.ID && bytes.Equal(o.Sealed, s.Sealed) }
		if !slices.ContainsFunc(after.Keys.Secrets, same) {
			out = append(out, s.ID)
		}
	}
	for _, k := range after.Keys.RevokedKeys {
		if !slices.Contains(before.Keys.RevokedKeys, k) {
			out = append(out, k)
		}
	}
	return out
}
