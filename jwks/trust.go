package jwks

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"
)

// trust holds the operator's requirements for every key beyond its own soundness.
type trust struct {
	anchors *x509.CertPool             // nil: no certificate is required
	pinned  map[[sha256.Size]byte]bool // nil: any key
	revoked map[string]bool            // thumbprints and IDs of secrets
}

func newTrust(src Source) (*trust, error) {
	t := &trust{revoked: make(map[string]bool)}
	var err error
	if t.anchors, err = readAnchors(src.Anchors); err != nil {
		return nil, field("Anchors", err)
	}
	if t.pinned, err = readPins(src.PinnedSPKI); err != nil {
		return nil, field("PinnedSPKI", err)
	}
	for _, r := range src.RevokedKeys {
		if !isThumbprint(r) && !slices.ContainsFunc(src.Secrets, func(s Secret) bool { return s.ID == r }) {
			return nil, fieldf("RevokedKeys", "%s is neither a thumbprint (RFC 7638) nor the ID of a secret", quote(r))
		}
		t.revoked[r] = true
	}
	return t, nil
}

func readAnchors(data []byte) (*x509.CertPool, error) {
	if len(data) == 0 {
		return nil, nil
	}
	certificates, err := readPEM(data)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, c := range certificates {
		if c.cert == nil {
			return nil, errors.New("a PEM block that is not a certificate")
		}
		pool.AddCert(c.cert)
	}
	return pool, nil
}

func readPins(pins []string) (map[[sha256.Size]byte]bool, error) {
	if len(pins) == 0 {
		return nil, nil
	}
	out := make(map[[sha256.Size]byte]bool)
	for _, p := range pins {
		sum, err := base64.StdEncoding.Strict().DecodeString(p)
		if err != nil || len(sum) != sha256.Size {
			return nil, fmt.Errorf("%s is not a base64 SHA-256", quote(p))
		}
		out[[sha256.Size]byte(sum)] = true
	}
	return out, nil
}

func isThumbprint(s string) bool {
	sum, err := decode(nil, s)
	return err == nil && len(sum) == sha256.Size
}

// admit refuses a key that the operator does not trust. chain is the key's
// certificate and those that came with it, the leaf first.
func (t *trust) admit(k *key, chain []*x509.Certificate, now time.Time) error {
	if err := t.lists(k); err != nil || t.anchors == nil {
		return err
	}
	return t.anchored(k, chain, now)
}

// lists refuses a key that the operator revoked or did not pin.
func (t *trust) lists(k *key) error {
	if t.revoked[k.thumbprint] {
		return errors.New("revoked by the operator")
	}
	if t.pinned == nil {
		return nil
	}
	sum, err := spkiHash(k.public)
	if err == nil && !t.pinned[sum] {
		err = errors.New("its SPKI is not pinned")
	}
	return err
}

// anchored requires a chain to an anchor and bounds the key's use by the dates of
// the whole chain. A chain whose leaf is not valid yet is verified as of the time
// when it will be.
func (t *trust) anchored(k *key, chain []*x509.Certificate, now time.Time) error {
	if len(chain) == 0 {
		return errors.New("it comes without a certificate, and anchors are required")
	}
	leaf, between := chain[0], x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	if leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return errors.New("its certificate is not for signatures")
	}
	if now.Before(leaf.NotBefore) {
		now = leaf.NotBefore
	}
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots:         t.anchors,
		Intermediates: between,
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return fmt.Errorf("its certificate does not lead to an anchor: %w", err)
	}
	k.notBefore, k.notAfter = window(chains)
	return nil
}

// window returns the time during which the longest-lived of chains is valid.
func window(chains [][]*x509.Certificate) (from, until time.Time) {
	for _, chain := range chains {
		notBefore, notAfter := chain[0].NotBefore, chain[0].NotAfter
		for _, c := range chain[1:] {
			if c.NotBefore.After(notBefore) {
				notBefore = c.NotBefore
			}
			if c.NotAfter.Before(notAfter) {
				notAfter = c.NotAfter
			}
		}
		if notAfter.After(until) {
			from, until = notBefore, notAfter
		}
	}
	return from, until
}
