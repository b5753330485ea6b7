package jwks

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"

	"cambio/jwks/strictjson"
)

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

// parseCertificates reads a JSON object of kid → PEM. An object of refused keys
// only is an error: it probably is an error that the issuer sent with status 200.
func parseCertificates(data []byte) ([]parsed, error) {
	var out []parsed
	r := strictjson.New(string(data), strictjson.Options{AllowNUL: true})
	for kid := range r.Object() {
		if r.Kind() == '"' {
			out = append(out, parseNamedPEM(kid, r.String()))
		} else {
			out = append(out, parsed{refused: fmt.Errorf("%s is not a string", quote(kid))})
		}
		if len(out) > maxKeys {
			r.Fail(fmt.Errorf("more than %d keys", maxKeys))
		}
	}
	if err := r.End(); err != nil {
		return nil, err
	}
	if len(out) > 0 {
		if err := someSound(out); err != nil {
			return nil, err
		}
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
