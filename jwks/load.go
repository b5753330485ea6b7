package jwks

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"cambio/jwks/egress"
	"cambio/jwks/strictjson"
)

// maxBody bounds a response of an issuer, also after decompression, and a file, in
// bytes.
const maxBody = 512 << 10

const discoveryPath = "/.well-known/openid-configuration"

// acceptKeys is the Accept header: some servers insist on the media type of key sets
// (RFC 7517 §8.5.1), and others know only that of JSON.
const acceptKeys = "application/jwk-set+json, application/json;q=0.9, */*;q=0.1"

// byteOrderMark begins the files of some editors; it is no JSON (RFC 8259 §8.1).
const byteOrderMark = "\xef\xbb\xbf"

// loader fetches an issuer's keys.
type loader struct {
	opts   Options
	client *egress.Client // without CAFile
	origin *url.URL       // of what the operator registered; only it gets the bearer token
}

type parser = func([]byte) ([]parsed, error)

// newLoader returns the function that fetches the keys of src.
func newLoader(src Source, opts Options) (func(context.Context) ([]parsed, error), error) {
	parseSet := func(data []byte) ([]parsed, error) { return parseJWKS(data, src.Uses...) }
	l := &loader{opts: opts, client: egress.New(opts.egress(nil))}
	switch {
	case src.JWKSURL != "":
		return l.from("JWKSURL", src.JWKSURL, parseSet)
	case src.CertificatesURL != "":
		return l.from("CertificatesURL", src.CertificatesURL, parseCertificates)
	}
	return l.discoverer(src, parseSet)
}

// egress returns the limits of requests. roots are nil for those of the system.
func (o *Options) egress(roots *x509.CertPool) egress.Options {
	return egress.Options{
		Private: o.AllowPrivateAddresses, Allow: o.AllowAddresses, Proxy: o.Proxy,
		Timeout: o.Timeout, MaxBody: maxBody, RootCAs: roots,
	}
}

// register checks a URL that the operator registered.
func (l *loader) register(name, address string) (err error) {
	if err = l.client.CheckURL(address); err == nil {
		l.origin, err = url.Parse(address)
	}
	if err != nil {
		return field(name, err)
	}
	return nil
}

// from returns the function that fetches keys from a URL that the operator
// registered.
func (l *loader) from(name, address string, parse parser) (func(context.Context) ([]parsed, error), error) {
	if err := l.register(name, address); err != nil {
		return nil, err
	}
	return func(ctx context.Context) ([]parsed, error) {
		client, err := l.connect()
		if err != nil {
			return nil, err
		}
		return l.keys(ctx, client, address, parse)
	}, nil
}

func (l *loader) keys(ctx context.Context, client *egress.Client, address string, parse parser) ([]parsed, error) {
	body, err := l.get(ctx, client, address)
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
func (l *loader) discoverer(src Source, parse parser) (func(context.Context) ([]parsed, error), error) {
	if src.Issuer == "" {
		return nil, fieldf("Issuer", "discovery needs the issuer's URL")
	}
	name, address := "DiscoveryURL", src.DiscoveryURL
	if address == "" {
		// OpenID Connect Discovery §4.1: without a terminating slash.
		name, address = "Issuer", strings.TrimSuffix(src.Issuer, "/")+discoveryPath
	}
	if err := l.register(name, address); err != nil {
		return nil, err
	}
	return func(ctx context.Context) ([]parsed, error) {
		client, err := l.connect()
		if err != nil {
			return nil, err
		}
		body, err := l.get(ctx, client, address)
		if err != nil {
			return nil, fmt.Errorf("fetching discovery document: %w", err)
		}
		jwksURI, err := readDiscovery(body, src.Issuer)
		if err == nil {
			err = client.CheckURL(jwksURI)
		}
		if err != nil {
			return nil, fmt.Errorf("reading discovery document of %s: %w", quote(address), err)
		}
		return l.keys(ctx, client, jwksURI, parse)
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

// connect returns the client of one fetch. CAFile is read for each, so that a
// renewed file counts.
func (l *loader) connect() (*egress.Client, error) {
	if l.opts.CAFile == "" {
		return l.client, nil
	}
	data, err := l.opts.readFile(l.opts.CAFile)
	if err != nil {
		return nil, err
	}
	roots, err := readAnchors(data)
	if err != nil {
		return nil, fmt.Errorf("reading certificates of %s: %w", l.opts.CAFile, err)
	}
	return egress.New(l.opts.egress(roots)), nil
}

// get fetches a JSON document.
func (l *loader) get(ctx context.Context, client *egress.Client, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", acceptKeys)
	req.Header.Set("Accept-Encoding", "gzip")
	if err := l.authorize(req); err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
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
	return bytes.TrimPrefix(resp.Body, []byte(byteOrderMark)), nil
}

// authorize adds the bearer token (RFC 6750 §2.1) to a request to where the
// operator registered the issuer. A discovery document that names keys elsewhere
// does not get the token sent there.
func (l *loader) authorize(req *http.Request) error {
	if l.opts.BearerTokenFile == "" || req.URL.Scheme != l.origin.Scheme || req.URL.Host != l.origin.Host {
		return nil
	}
	data, err := l.opts.readFile(l.opts.BearerTokenFile)
	if err != nil {
		return err
	}
	token := strings.TrimSpace(string(data))
	if token == "" || strings.Trim(token, bearerToken) != "" {
		return fmt.Errorf("%s holds no bearer token (RFC 6750 §2.1)", l.opts.BearerTokenFile)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return nil
}

// bearerToken are the characters of a bearer token (RFC 6750 §2.1).
const bearerToken = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="

// readFile reads a file that a registration names. Those of the server itself are
// refused: a registration could have them sent to its issuer.
func (o *Options) readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > maxBody:
		return nil, fmt.Errorf("%s is not a file of at most %d bytes", name, maxBody)
	}
	for _, own := range o.OwnFiles {
		if other, err := os.Stat(own); err == nil && os.SameFile(info, other) {
			return nil, fmt.Errorf("%s is a file of the server itself", name)
		}
	}
	return io.ReadAll(io.LimitReader(f, maxBody))
}
