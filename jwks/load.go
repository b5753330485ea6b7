package jwks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"cambio/jwks/egress"
	"cambio/jwks/strictjson"
)

// maxBody bounds a response of an issuer, in bytes.
const maxBody = 512 << 10

const discoveryPath = "/.well-known/openid-configuration"

// loader fetches an issuer's keys.
type loader struct{ client *egress.Client }

// newLoader returns the function that fetches the keys of src.
func newLoader(src Source, opts Options) (func(context.Context) ([]parsed, error), error) {
	l := loader{egress.New(egress.Options{Private: opts.AllowPrivateAddresses, Timeout: opts.Timeout, MaxBody: maxBody})}
	switch {
	case src.JWKSURL != "":
		return l.from("JWKSURL", src.JWKSURL, parseJWKS)
	case src.CertificatesURL != "":
		return l.from("CertificatesURL", src.CertificatesURL, parseCertificates)
	}
	return l.discoverer(src)
}

// from returns the function that fetches keys from a URL that the operator
// registered.
func (l loader) from(name, address string, parse func([]byte) ([]parsed, error)) (func(context.Context) ([]parsed, error), error) {
	if err := l.client.CheckURL(address); err != nil {
		return nil, field(name, err)
	}
	return func(ctx context.Context) ([]parsed, error) { return l.keys(ctx, address, parse) }, nil
}

func (l loader) keys(ctx context.Context, address string, parse func([]byte) ([]parsed, error)) ([]parsed, error) {
	body, err := l.get(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("fetching keys: %w", err)
	}
	all, err := parse(body)
	if err != nil {
		return nil, fmt.Errorf("reading keys of %s: %w", quote(address), err)
	}
	return all, nil
}

// discoverer returns the function that fetches the discovery document and the
// keys at its jwks_uri: both are one fetch, with one timeout.
func (l loader) discoverer(src Source) (func(context.Context) ([]parsed, error), error) {
	if src.Issuer == "" {
		return nil, fieldf("Issuer", "discovery needs the issuer's URL")
	}
	name, address := "DiscoveryURL", src.DiscoveryURL
	if address == "" {
		// OpenID Connect Discovery §4.1: without a terminating slash.
		name, address = "Issuer", strings.TrimSuffix(src.Issuer, "/")+discoveryPath
	}
	if err := l.client.CheckURL(address); err != nil {
		return nil, field(name, err)
	}
	return func(ctx context.Context) ([]parsed, error) {
		body, err := l.get(ctx, address)
		if err != nil {
			return nil, fmt.Errorf("fetching discovery document: %w", err)
		}
		jwksURI, err := readDiscovery(body, src.Issuer)
		if err == nil {
			err = l.client.CheckURL(jwksURI)
		}
		if err != nil {
			return nil, fmt.Errorf("reading discovery document of %s: %w", quote(address), err)
		}
		return l.keys(ctx, jwksURI, parseJWKS)
	}, nil
}

var discoveryRules = strictjson.Options{AllowNUL: true, Known: strictjson.Known("issuer", "jwks_uri")}

// readDiscovery returns the jwks_uri of issuer's discovery document. A document
// of another issuer is refused (OpenID Connect Discovery §4.3): the keys of one
// tenant would count for another.
func readDiscovery(body []byte, issuer string) (string, error) {
	var got, jwksURI string
	r := strictjson.New(string(body), discoveryRules)
	for name := range r.Object() {
		switch name {
		case "issuer":
			got = r.String()
		case "jwks_uri":
			jwksURI = r.String()
		}
	}
	switch err := r.End(); {
	case err != nil:
		return "", err
	case got != issuer:
		return "", fmt.Errorf("its issuer is %s, want %s", quote(got), quote(issuer))
	case jwksURI == "":
		return "", errors.New("it has no jwks_uri")
	}
	return jwksURI, nil
}

// get fetches a JSON document.
func (l loader) get(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := l.client.Do(req)
	switch {
	case err != nil:
	case resp.Status >= 300 && resp.Status < 400:
		err = fmt.Errorf("redirects to %s, which is not followed", quote(resp.Header.Get("Location")))
	case resp.Status != http.StatusOK:
		err = fmt.Errorf("status %d", resp.Status)
	case bytes.HasPrefix(bytes.TrimSpace(resp.Body), []byte("<")):
		err = errors.New("an HTML page, want JSON")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", quote(address), err)
	}
	return resp.Body, nil
}
