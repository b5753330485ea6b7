package jwks

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Options are the limits of a Set. Zero values are sound.
type Options struct {
	// Algorithms are the accepted alg values (RFC 7518 §3.1, RFC 8037 §3.1).
	// Default: RS256, ES256 and EdDSA; HS256 for Secrets.
	Algorithms []string
	// AllowMissingKID tries a token without kid against the keys that fit its
	// alg, at most 16 of them. Keys from PEM and Secrets have no kid that the
	// issuer knows, and are tried anyway.
	AllowMissingKID bool
	// AllowPrivateAddresses lets fetches reach loopback and private networks,
	// and use plain http there.
	AllowPrivateAddresses bool
	// MaxAge is how long fetched keys count; a key that the issuer withdraws
	// verifies for no longer. Default and maximum 10m.
	MaxAge time.Duration
	// MaxStale is how long, since they were fetched, keys count while the
	// issuer is down. Default 1h, or MaxAge if that is longer; at most 24h.
	MaxStale time.Duration
	// Cooldown is the least time between the starts of two fetches. Default
	// 30s, at most half of MaxAge.
	Cooldown time.Duration
	// Timeout bounds one fetch, discovery included. Default 5s.
	Timeout time.Duration
	// Now is the clock for ages and cool-downs. Default time.Now.
	Now func() time.Time
	// Verifying bounds the signatures that are verified at once, by its
	// capacity. It is shared by many Sets; nil means no bound.
	Verifying chan struct{}
	Logger    *slog.Logger    // nil discards
	OnFetch   func(err error) // called after each fetch, for metrics; nil for none
}

const (
	maxAge   = 10 * time.Minute
	maxStale = 24 * time.Hour
)

// setDefaults fills zero fields and refuses options that contradict src or each
// other.
func (o *Options) setDefaults(src Source) error {
	if err := src.check(); err != nil {
		return err
	}
	if err := o.setAlgorithms(src); err != nil {
		return err
	}
	if err := o.setTimes(); err != nil {
		return err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// setAlgorithms keeps shared secrets and public keys apart (RFC 8725 §3.1).
func (o *Options) setAlgorithms(src Source) error {
	secret := len(src.Secrets) > 0
	switch {
	case len(o.Algorithms) == 0 && secret:
		o.Algorithms = []string{"HS256"}
	case len(o.Algorithms) == 0:
		o.Algorithms = []string{"RS256", "ES256", "EdDSA"}
	}
	for _, name := range o.Algorithms {
		a := algorithms[name]
		switch {
		case a == nil:
			return fieldf("Algorithms", "%s is not a known signature algorithm", quote(name))
		case secret && a.kty != "oct":
			return fieldf("Algorithms", "%s needs public keys, and the issuer has secrets", name)
		case !secret && a.kty == "oct":
			return fieldf("Algorithms", "%s needs secrets, and the issuer has public keys", name)
		}
		short := func(s Secret) bool { return len(s.Value) >= minSecret && len(s.Value) < a.hash.Size() }
		if secret && slices.ContainsFunc(src.Secrets, short) {
			return fieldf("Secrets", "%s needs secrets of %d bytes or more", name, a.hash.Size())
		}
	}
	return nil
}

func (o *Options) setTimes() error {
	for _, d := range []struct {
		name string
		time time.Duration
	}{{"MaxAge", o.MaxAge}, {"MaxStale", o.MaxStale}, {"Cooldown", o.Cooldown}, {"Timeout", o.Timeout}} {
		if d.time < 0 {
			return fieldf(d.name, "%s is negative", d.time)
		}
	}
	o.MaxAge = cmp.Or(o.MaxAge, maxAge)
	o.MaxStale = cmp.Or(o.MaxStale, max(time.Hour, o.MaxAge))
	o.Cooldown = min(cmp.Or(o.Cooldown, 30*time.Second), o.MaxAge/2)
	o.Timeout = cmp.Or(o.Timeout, 5*time.Second)
	switch {
	case o.MaxAge > maxAge:
		return field("MaxAge", fmt.Errorf("%s, want at most %s", o.MaxAge, maxAge))
	case o.MaxStale < o.MaxAge || o.MaxStale > maxStale:
		return fieldf("MaxStale", "%s, want %s to %s", o.MaxStale, o.MaxAge, maxStale)
	}
	return nil
}
