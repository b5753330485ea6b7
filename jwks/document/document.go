// Package document fetches what issuers publish: discovery documents (OpenID Connect
// Discovery §4) and their key sets, as texts. What they mean is for package jwks.
//
// Requests go out through package egress. Files that a registration names are read
// for each fetch, so that a renewed one counts; those of the server itself are
// refused, since a registration could have them sent to its issuer.
package document

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

// MaxBody bounds a document, also after decompression, and a file, in bytes.
const MaxBody = 512 << 10

const discoveryPath = "/.well-known/openid-configuration"

// accept is the Accept header: some servers insist on the media type of key sets
// (RFC 7517 §8.5.1), and others know only that of JSON.
const accept = "application/jwk-set+json, application/json;q=0.9, */*;q=0.1"

// byteOrderMark begins the files of some editors; it is no JSON (RFC 8259 §8.1).
const byteOrderMark = "\xef\xbb\xbf"

// Options are how documents are fetched.
type Options struct {
	Egress egress.Options // whose MaxBody and RootCAs are set here
	// CAFile holds PEM certificates that those of the server must chain to, in place
	// of the system's.
	CAFile string
	// BearerTokenFile holds a token for requests to the host that is registered (RFC
	// 6750 §2.1).
	BearerTokenFile string
	// OwnFiles are files that are refused as CAFile and BearerTokenFile.
	OwnFiles []string
}

// Source is a document at a URL that the operator registered.
type Source struct {
	opts    Options
	client  *egress.Client // without CAFile
	address string
	origin  *url.URL // of address; only it gets the bearer token
}

// New returns the document at a URL. It fetches nothing.
func New(address string, opts Options) (*Source, error) {
	opts.Egress.MaxBody = MaxBody
	s := &Source{opts: opts, client: egress.New(opts.Egress), address: address}
	if err := s.client.CheckURL(address); err != nil {
		return nil, err
	}
	var err error
	s.origin, err = url.Parse(address)
	return s, err
}

// DiscoveryURL returns the URL of an issuer's discovery document (OpenID Connect
// Discovery §4.1): without a terminating slash of the issuer.
func DiscoveryURL(issuer string) string { return strings.TrimSuffix(issuer, "/") + discoveryPath }

// Fetch returns the document and its URL.
func (s *Source) Fetch(ctx context.Context) (body []byte, address string, err error) {
	client, err := s.connect()
	if err == nil {
		body, err = s.get(ctx, client, s.address)
	}
	if err != nil {
		return nil, "", fmt.Errorf("fetching keys: %w", err)
	}
	return body, s.address, nil
}

// Discover fetches the discovery document of issuer, and returns what is at its
// jwks_uri and that URL.
func (s *Source) Discover(ctx context.Context, issuer string) (body []byte, address string, err error) {
	client, err := s.connect()
	if err == nil {
		body, err = s.get(ctx, client, s.address)
	}
	if err != nil {
		return nil, "", fmt.Errorf("fetching discovery document: %w", err)
	}
	address, err = readDiscovery(body, issuer)
	if err == nil {
		err = client.CheckURL(address)
	}
	if err != nil {
		return nil, "", fmt.Errorf("reading discovery document of %.128q: %w", s.address, err)
	}
	if body, err = s.get(ctx, client, address); err != nil {
		return nil, "", fmt.Errorf("fetching keys: %w", err)
	}
	return body, address, nil
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
		return "", fmt.Errorf("its issuer is %.128q, want %.128q", got, issuer)
	case jwksURI == "":
		return "", errors.New("it has no jwks_uri")
	}
	return jwksURI, nil
}

// connect returns the client of one fetch. CAFile is read for each, so that a
// renewed file counts.
func (s *Source) connect() (*egress.Client, error) {
	if s.opts.CAFile == "" {
		return s.client, nil
	}
	data, err := s.opts.readFile(s.opts.CAFile)
	if err != nil {
		return nil, err
	}
	opts := s.opts.Egress
	opts.RootCAs = x509.NewCertPool()
	if !opts.RootCAs.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s holds no PEM certificate", s.opts.CAFile)
	}
	return egress.New(opts), nil
}

// get fetches a JSON document.
func (s *Source) get(ctx context.Context, client *egress.Client, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("Accept-Encoding", "gzip")
	if err := s.authorize(req); err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	switch {
	case err != nil:
	case resp.Status >= 300 && resp.Status < 400:
		err = fmt.Errorf("redirects to %.128q, which is not followed", resp.Header.Get("Location"))
	case resp.Status != http.StatusOK:
		err = fmt.Errorf("status %d", resp.Status)
	case bytes.HasPrefix(bytes.TrimSpace(resp.Body), []byte("<")):
		err = errors.New("an HTML page, want JSON")
	}
	if err != nil {
		return nil, fmt.Errorf("%.128q: %w", address, err)
	}
	return bytes.TrimPrefix(resp.Body, []byte(byteOrderMark)), nil
}

// authorize adds the bearer token (RFC 6750 §2.1) to a request to where the
// operator registered the issuer. A discovery document that names keys elsewhere
// does not get the token sent there.
func (s *Source) authorize(req *http.Request) error {
	if s.opts.BearerTokenFile == "" || req.URL.Scheme != s.origin.Scheme || req.URL.Host != s.origin.Host {
		return nil
	}
	data, err := s.opts.readFile(s.opts.BearerTokenFile)
	if err != nil {
		return err
	}
	token := strings.TrimSpace(string(data))
	if token == "" || strings.Trim(token, bearerToken) != "" {
		return fmt.Errorf("%s holds no bearer token (RFC 6750 §2.1)", s.opts.BearerTokenFile)
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
	case !info.Mode().IsRegular() || info.Size() > MaxBody:
		return nil, fmt.Errorf("%s is not a file of at most %d bytes", name, MaxBody)
	}
	for _, own := range o.OwnFiles {
		if other, err := os.Stat(own); err == nil && os.SameFile(info, other) {
			return nil, fmt.Errorf("%s is a file of the server itself", name)
		}
	}
	return io.ReadAll(io.LimitReader(f, MaxBody))
}
