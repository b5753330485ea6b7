// Package egress is the guarded way out: requests to URLs that operators, or
// the documents of their issuers, name.
//
// A [Client] reaches https URLs at public addresses. With [Options.Private] it
// also reaches loopback and private networks, and there plain http. Addresses
// are checked when a name has become one, immediately before the connection, so
// that a name cannot mean another address by then; an IPv4 address inside an
// IPv6 address is checked as the IPv4 address. Link-local addresses and others
// at which clouds keep their metadata are never reached.
//
// It follows no redirect, uses no proxy, sends no cookie, and bounds the time
// and the size of a response. Its errors do not repeat the URL, which may
// contain a key.
package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

const (
	maxURL    = 2048     // bytes of a URL, which errors repeat
	maxHeader = 16 << 10 // bytes of a response's header
)

// Options are the limits of a Client.
type Options struct {
	// Private also allows loopback and private networks, and plain http there.
	Private bool
	Timeout time.Duration // of a request, its response's body included; required
	MaxBody int           // bytes of a response's body; required
	// KeepAlive keeps idle connections, for a minute, for the next request.
	KeepAlive bool
	// RootCAs verify certificates. Default: those of the system.
	RootCAs *x509.CertPool
}

// Client sends requests. It is safe for concurrent use.
type Client struct {
	opts Options
	// Connections that can be read on the way are kept apart from others.
	plain, secure *http.Transport
}

// Response is a response whose body was read.
type Response struct {
	Status int
	Header http.Header
	Body   []byte // nil unless Status is 200
}

// New returns a Client.
func New(opts Options) *Client {
	return &Client{opts: opts, plain: opts.transport(true), secure: opts.transport(false)}
}

func (o Options) transport(plain bool) *http.Transport {
	dialer := &net.Dialer{
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			return o.mayDial(address, plain)
		},
	}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: o.RootCAs},
		ForceAttemptHTTP2:      true,
		DisableKeepAlives:      !o.KeepAlive,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        time.Minute,
		DisableCompression:     true, // MaxBody is of what is read
		MaxResponseHeaderBytes: maxHeader,
	}
}

// Close closes idle connections.
func (c *Client) Close() {
	c.plain.CloseIdleConnections()
	c.secure.CloseIdleConnections()
}

// Do sends a request and reads the response. If the request's context ends, the
// error says why.
func (c *Client) Do(req *http.Request) (*Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), c.opts.Timeout)
	defer cancel()
	resp, err := c.do(req.WithContext(ctx))
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	return resp, err
}

func (c *Client) do(req *http.Request) (*Response, error) {
	transport := c.secure
	if req.URL.Scheme != "https" {
		transport = c.plain
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	out := &Response{Status: resp.StatusCode, Header: resp.Header}
	if out.Status != http.StatusOK {
		return out, nil
	}
	out.Body, err = io.ReadAll(io.LimitReader(resp.Body, int64(c.opts.MaxBody)+1))
	switch {
	case err != nil:
		return nil, err
	case len(out.Body) > c.opts.MaxBody:
		return nil, fmt.Errorf("the response has more than %d bytes", c.opts.MaxBody)
	}
	return out, nil
}

// CheckURL refuses a URL that is never requested: any but https, and http where
// only private addresses can be reached by it.
func (c *Client) CheckURL(address string) error {
	if len(address) > maxURL {
		return fmt.Errorf("a URL of %d bytes, want at most %d", len(address), maxURL)
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return fmt.Errorf("%.128q is not a URL", address)
	case u.Scheme != "https" && !(u.Scheme == "http" && c.opts.Private):
		return fmt.Errorf("%.128q is not an https URL", address)
	case u.Hostname() == "":
		return fmt.Errorf("%.128q names no host", address)
	case u.User != nil || u.Fragment != "":
		return errors.New("the URL has user information or a fragment")
	}
	return nil
}

// mayDial refuses addresses that are not on the public Internet, unless private
// ones are allowed. Only private ones may be reached by plain http.
func (o Options) mayDial(address string, plain bool) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return errors.New("not an IP address and port")
	}
	addr, translated := meant(ap.Addr())
	switch {
	case !isPublic(addr) && !(o.Private && isPrivate(addr) && !translated):
		return fmt.Errorf("address %s is not public", addr)
	case plain && !within(addr, privateNetworks):
		return fmt.Errorf("address %s must be reached by https", addr)
	}
	return nil
}

// nat64 is the prefix of IPv4 addresses that a translator reaches for hosts
// without IPv4 (RFC 6052 §2.1).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// meant returns the address at which a connection ends, and reports whether a
// translator makes it: that must not reach what is not public (RFC 6052 §3.1).
func meant(addr netip.Addr) (_ netip.Addr, translated bool) {
	addr = addr.Unmap().WithZone("")
	if nat64.Contains(addr) {
		b := addr.As16()
		return netip.AddrFrom4([4]byte(b[12:])), true
	}
	return addr, false
}

// privateNetworks may be allowed: loopback, RFC 1918, RFC 4193.
var privateNetworks = prefixes("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")

// sharedNetworks may be allowed too, but for https only: carriers share them
// (RFC 6598).
var sharedNetworks = prefixes("100.64.0.0/10")

// reservedNetworks are never reached (RFC 6890 and the registries it begins):
// among them link-local addresses, at which clouds keep their metadata, and
// addresses that contain another IPv4 address.
var reservedNetworks = prefixes(
	"0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
)

// metadataNetworks are where clouds keep their metadata among private and public
// addresses: EC2, Alibaba, Azure.
var metadataNetworks = prefixes("fd00:ec2::/32", "100.100.100.200/32", "168.63.129.16/32")

// globalUnicast is all of IPv6 that is assigned (RFC 4291 §2.4). Other NAT64
// prefixes, IPv4-compatible and link-local addresses are outside.
var globalUnicast = netip.MustParsePrefix("2000::/3")

func isPrivate(a netip.Addr) bool {
	return (within(a, privateNetworks) || within(a, sharedNetworks)) && !within(a, metadataNetworks)
}

func isPublic(a netip.Addr) bool {
	return (a.Is4() || globalUnicast.Contains(a)) && !within(a, privateNetworks) && !within(a, sharedNetworks) &&
		!within(a, reservedNetworks) && !within(a, metadataNetworks)
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
