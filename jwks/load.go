package jwks

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"cambio/jwks/strictjson"
)

// maxURL bounds URLs, which issuers choose and error texts repeat.
const maxURL = 2048

const discoveryPath = "/.well-known/openid-configuration"

// newLoader is the function that fetches the keys of src.
func newLoader(src Source, opts Options) (func(context.Context) ([]parsed, error), error) {
	g := getter{allowPrivate: opts.AllowPrivateAddresses}
	switch {
	case src.JWKSURL != "":
		return g.loader("JWKSURL", src.JWKSURL, parseJWKS)
	case src.CertificatesURL != "":
		return g.loader("CertificatesURL", src.CertificatesURL, parseCertificates)
	}
	return g.discoverer(src)
}

// loader fetches keys from a URL that the operator registered.
func (g getter) loader(name, address string, parse func([]byte) ([]parsed, error)) (func(context.Context) ([]parsed, error), error) {
	if err := g.check(address); err != nil {
		return nil, field(name, err)
	}
	return func(ctx context.Context) ([]parsed, error) { return g.keys(ctx, address, parse) }, nil
}

func (g getter) keys(ctx context.Context, address string, parse func([]byte) ([]parsed, error)) ([]parsed, error) {
	body, err := g.get(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("fetching keys: %w", err)
	}
	all, err := parse(body)
	if err != nil {
		return nil, fmt.Errorf("reading keys of %s: %w", quote(address), err)
	}
	return all, nil
}

// discoverer fetches the discovery document and the keys it points to: both
// are one fetch, with one timeout.
func (g getter) discoverer(src Source) (func(context.Context) ([]parsed, error), error) {
	if src.Issuer == "" {
		return nil, fieldf("Issuer", "discovery needs the issuer's URL")
	}
	name, address := "DiscoveryURL", src.DiscoveryURL
	if address == "" {
		// OpenID Connect Discovery §4.1: without a terminating slash.
		name, address = "Issuer", strings.TrimSuffix(src.Issuer, "/")+discoveryPath
	}
	if err := g.check(address); err != nil {
		return nil, field(name, err)
	}
	return func(ctx context.Context) ([]parsed, error) {
		body, err := g.get(ctx, address)
		if err != nil {
			return nil, fmt.Errorf("fetching discovery document: %w", err)
		}
		jwksURI, err := readDiscovery(body, src.Issuer)
		if err == nil {
			err = g.check(jwksURI)
		}
		if err != nil {
			return nil, fmt.Errorf("reading discovery document of %s: %w", quote(address), err)
		}
		return g.keys(ctx, jwksURI, parseJWKS)
	}, nil
}

// readDiscovery answers the jwks_uri of issuer's discovery document. One that
// speaks of another issuer is refused (OpenID Connect Discovery §4.3), or keys
// of one tenant would count for another.
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

var discoveryRules = strictjson.Options{AllowNUL: true, Known: strictjson.Known("issuer", "jwks_uri")}

// check refuses URLs that are never fetched: all but https, and http where
// only private addresses can be reached by it.
func (g getter) check(address string) error {
	if len(address) > maxURL {
		return fmt.Errorf("a URL of %d bytes, want at most %d", len(address), maxURL)
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return fmt.Errorf("%s is not a URL", quote(address))
	case u.Scheme != "https" && !(u.Scheme == "http" && g.allowPrivate):
		return fmt.Errorf("%s is not an https URL", quote(address))
	case u.Hostname() == "":
		return fmt.Errorf("%s names no host", quote(address))
	case u.User != nil || u.Fragment != "":
		return errors.New("the URL has user information or a fragment")
	}
	return nil
}
