package exchange

import (
	"fmt"
	"iter"
)

// UnmarshalYAML reads what decode decodes: Keys, or a list of them, which becomes
// Sources.
func (k *Keys) UnmarshalYAML(decode func(any) error) error {
	var sources []Keys
	if decode(&sources) == nil {
		*k = Keys{Sources: sources}
		return nil
	}
	type plain Keys
	return decode((*plain)(k))
}

// Places yields k and each of its Sources with their paths in an issuer.
func (k *Keys) Places() iter.Seq2[string, *Keys] {
	return func(yield func(string, *Keys) bool) {
		if !yield("keys", k) {
			return
		}
		for i := range k.Sources {
			if !yield(fmt.Sprintf("keys.sources[%d]", i), &k.Sources[i]) {
				return
			}
		}
	}
}

// AllSecrets returns the shared secrets of all sources.
func (k *Keys) AllSecrets() (all []SharedSecret) {
	for _, source := range k.Places() {
		all = append(all, source.Secrets...)
	}
	return all
}

// AllRevoked returns the revoked keys of all sources.
func (k *Keys) AllRevoked() (all []string) {
	for _, source := range k.Places() {
		all = append(all, source.RevokedKeys...)
	}
	return all
}

// WithSecrets returns a copy whose sources have what change makes of their secrets, in
// the order of AllSecrets. k is not changed.
func (k Keys) WithSecrets(change func([]SharedSecret) []SharedSecret) Keys {
	k.Sources = append([]Keys(nil), k.Sources...)
	for _, source := range k.Places() {
		source.Secrets = change(source.Secrets)
	}
	return k
}
