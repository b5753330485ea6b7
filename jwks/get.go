package jwks

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// maxBody bounds what an issuer sends, in bytes.
const maxBody = 512 << 10

// getter gets documents from addresses that operators or their issuers name.
type getter struct {
	allowPrivate bool
	tls          *tls.Config // nil: the system's roots
}

// get answers the body of a JSON document. ctx bounds the time.
func (g getter) get(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := g.client(req.URL.Scheme == "http").Do(req)
	if err != nil {
		return nil, because(ctx, err)
	}
	defer resp.Body.Close()
	body, err := readBody(resp)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", quote(address), because(ctx, err))
	}
	return body, nil
}

// because prefers the reason why ctx ended to what became of the connection.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return err
}

func readBody(resp *http.Response) ([]byte, error) {
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return nil, fmt.Errorf("redirects to %s, which is not followed", quote(resp.Header.Get("Location")))
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxBody:
		return nil, fmt.Errorf("more than %d bytes", maxBody)
	case bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")):
		return nil, errors.New("an HTML page, want JSON")
	}
	return body, nil
}

// Transport reaches what operators named for others than key sets, by the same
// rules: public addresses by https or, with private, loopback and private
// networks too, also in plain http. It uses no proxy and keeps no connection.
func Transport(private bool) http.RoundTripper {
	g := getter{allowPrivate: private}
	return schemes{plain: g.client(true).Transport, secure: g.client(false).Transport}
}

// schemes are transports for http and for anything else.
type schemes struct{ plain, secure http.RoundTripper }

func (s schemes) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "http" {
		return s.plain.RoundTrip(r)
	}
	return s.secure.RoundTrip(r)
}

// client follows no redirect, uses no proxy, keeps no connection, and reaches
// only addresses that may be reached. plain is for http.
func (g getter) client(plain bool) *http.Client {
	dialer := &net.Dialer{
		Timeout: 5 * time.Second,
		// Names are checked when they have become addresses, or a name could
		// mean another address by then.
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			return g.mayDial(address, plain)
		},
	}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSClientConfig:        g.tls,
			TLSHandshakeTimeout:    5 * time.Second,
			ForceAttemptHTTP2:      true,
			DisableKeepAlives:      true,
			DisableCompression:     true, // the bound is on what is read
			MaxResponseHeaderBytes: 64 << 10,
		},
	}
}

// mayDial refuses addresses that are not on the public Internet, unless the
// operator allowed private ones; those alone may be asked in plain http.
func (g getter) mayDial(address string, plain bool) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %s: %w", quote(address), err)
	}
	switch addr := ap.Addr().Unmap().WithZone(""); {
	case isPrivate(addr) && g.allowPrivate:
		return nil
	case isPrivate(addr) || !isPublic(addr):
		return fmt.Errorf("address %s is not public", addr)
	case plain:
		return fmt.Errorf("address %s is public and must be asked by https", addr)
	}
	return nil
}

// privateNetworks may be allowed: loopback, RFC 1918, RFC 6598, RFC 4193.
var privateNetworks = prefixes(
	"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10",
	"::1/128", "fc00::/7",
)

// reservedNetworks are never reached (RFC 6890 and the registries it begins):
// among them link-local addresses, where clouds keep their metadata, and
// addresses in which another IPv4 address hides.
var reservedNetworks = prefixes(
	"0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
)

// metadataNetworks are where clouds keep their metadata among private and
// public addresses: EC2, Alibaba, Azure.
var metadataNetworks = prefixes("fd00:ec2::/32", "100.100.100.200/32", "168.63.129.16/32")

// globalUnicast is all of IPv6 that is given out (RFC 4291 §2.4); NAT64, IPv4
// compatible and link-local addresses are outside.
var globalUnicast = netip.MustParsePrefix("2000::/3")

func isPrivate(a netip.Addr) bool {
	return within(a, privateNetworks) && !within(a, metadataNetworks)
}

func isPublic(a netip.Addr) bool {
	return (a.Is4() || globalUnicast.Contains(a)) &&
		!within(a, privateNetworks) && !within(a, reservedNetworks) && !within(a, metadataNetworks)
}

func within(a netip.Addr, networks []netip.Prefix) bool {
	for _, n := range networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}
