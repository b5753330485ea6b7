package jwks

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"cambio/jwks/strictjson"
)

// trust holds the operator's requirements for every key beyond its own soundness.
type trust struct {
	anchors  *x509.CertPool             // nil: no certificate is required
	pinned   map[[sha256.Size]byte]bool // nil: any key
	revoked  map[string]bool            // thumbprints and IDs of secrets
	accepted []string                   // algorithms; nil: any
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

// admit refuses a key that the operator does not trust. A certificate that came
// with a key and is not the key's is refused only where the operator asked for more
// than the issuer's word.
func (t *trust) admit(p *parsed, now time.Time) error {
	if err := t.lists(&p.key); err != nil {
		return err
	}
	if p.unproven != nil && (t.anchors != nil || t.pinned != nil) {
		return p.unproven
	}
	if t.anchors == nil {
		return nil
	}
	return t.anchored(&p.key, p.chain, now)
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

// pemKey is a public key and, if it came in one, its certificate.
type pemKey struct {
	public crypto.PublicKey
	cert   *x509.Certificate
}

// readPEM reads public keys (PKIX or PKCS #1) and certificates. Anything else is
// an error, since the operator did not mean it to be ignored.
func readPEM(data []byte) ([]pemKey, error) {
	var out []pemKey
	for len(bytes.TrimSpace(data)) > 0 {
		block, rest := pem.Decode(data)
		if block == nil {
			return nil, errors.New("not PEM")
		}
		k, err := readBlock(block)
		if err != nil {
			return nil, err
		}
		out, data = append(out, k), rest
	}
	switch {
	case len(out) == 0:
		return nil, errors.New("no PEM block")
	case len(out) > maxKeys:
		return nil, fmt.Errorf("%d PEM blocks, want at most %d", len(out), maxKeys)
	}
	return out, nil
}

func readBlock(block *pem.Block) (k pemKey, err error) {
	switch block.Type {
	case "CERTIFICATE":
		if k.cert, err = x509.ParseCertificate(block.Bytes); err == nil {
			k.public = k.cert.PublicKey
		}
	case "PUBLIC KEY":
		k.public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		k.public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		err = errors.New("want public keys or certificates")
	}
	if err != nil {
		return pemKey{}, fmt.Errorf("PEM block %s: %w", quote(block.Type), err)
	}
	return k, nil
}

// parsePEM returns a key without kid for each block. With anchored, CA
// certificates are links of the other certificates' chains instead.
func parsePEM(data []byte, anchored bool) ([]parsed, error) {
	blocks, err := readPEM(data)
	if err != nil {
		return nil, err
	}
	var links []*x509.Certificate
	if anchored {
		links = takeLinks(&blocks)
	}
	out := make([]parsed, len(blocks))
	for i, b := range blocks {
		out[i] = b.parsed("", links)
	}
	return out, nil
}

// takeLinks removes the CA certificates from blocks and returns them.
func takeLinks(blocks *[]pemKey) []*x509.Certificate {
	isLink := func(b pemKey) bool { return b.cert != nil && b.cert.BasicConstraintsValid && b.cert.IsCA }
	var links []*x509.Certificate
	for _, b := range *blocks {
		if isLink(b) {
			links = append(links, b.cert)
		}
	}
	*blocks = slices.DeleteFunc(*blocks, isLink)
	return links
}

// parseNamed returns a key for each kid → PEM. Further certificates of a value
// are links of the first one's chain. A bad value does not spoil the others.
func parseNamed(values map[string]string) []parsed {
	out := make([]parsed, 0, len(values))
	for _, kid := range slices.Sorted(maps.Keys(values)) {
		out = append(out, parseNamedPEM(kid, values[kid]))
	}
	return out
}

func parseNamedPEM(kid, text string) parsed {
	if kid == "" || len(kid) > maxKID {
		return parsed{refused: fmt.Errorf("a kid of %d bytes, want 1 to %d", len(kid), maxKID)}
	}
	blocks, err := readPEM([]byte(text))
	if err != nil {
		return parsed{key: key{kid: kid}, refused: err}
	}
	var links []*x509.Certificate
	for _, b := range blocks[1:] {
		if b.cert == nil || blocks[0].cert == nil {
			return parsed{key: key{kid: kid}, refused: errors.New("more than one key")}
		}
		links = append(links, b.cert)
	}
	return blocks[0].parsed(kid, links)
}

// parseCertificates reads a JSON object of kid → PEM.
func parseCertificates(data []byte) ([]parsed, error) {
	var out []parsed
	r := strictjson.New(string(data), strictjson.Options{AllowNUL: true})
	for kid := range r.Object() {
		if r.Kind() == '"' {
			out = append(out, parseNamedPEM(kid, r.String()))
		} else {
			out = append(out, parsed{key: key{kid: clip(kid)}, refused: errors.New("it is not a string")})
		}
		if len(out) > maxKeys {
			r.Fail(fmt.Errorf("more than %d keys", maxKeys))
		}
	}
	if err := r.End(); err != nil {
		return nil, err
	}
	return out, nil
}

func (b pemKey) parsed(kid string, links []*x509.Certificate) parsed {
	p := parsed{key: key{kid: kid}}
	if b.cert != nil {
		p.expires = b.cert.NotAfter
		p.chain = append([]*x509.Certificate{b.cert}, links...)
	}
	p.refused = p.setPublic(b.public)
	return p
}
