// Package egress is the guarded way out: requests to URLs that operators, or
// the documents of their issuers, name.
//
// A [Client] reaches https URLs at public addresses. With [Options.Private] it
// also reaches loopback and private networks, and there plain http; with
// [Options.Allow] the networks that are listed. Addresses are checked when a name
// has become one, immediately before the connection, so that a name cannot mean
// another address by then; an IPv4 address inside an IPv6 address is checked as
// the IPv4 address. Link-local addresses and others at which clouds keep their
// metadata are never reached.
//
// It follows no redirect, sends no cookie, and bounds the time and the size of a
// response, before and after decompression. It uses no proxy but [Options.Proxy],
// which then resolves names and decides what they reach; an address that a URL
// itself has is still checked here. Errors do not repeat the URL, which may
// contain a key.
package egress

import (
	"bytes"
	"compress/gzip"
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
	"slices"
	"strings"
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
	// Allow are networks that may be reached besides public ones.
	Allow []netip.Prefix
	// Proxy is the HTTP proxy that every request goes through. It may be at any
	// address but those that are never reached.
	Proxy   *url.URL
	Timeout time.Duration // of a request, its response's body included; required
	MaxBody int           // bytes of a response's body; required
	// KeepAlive keeps idle connections, for a minute, for the next request.
	KeepAlive bool
	// AnyStatus reads the body of a response with any status, not only 200.
	AnyStatus bool
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
	Body   []byte // nil unless Status is 200, or AnyStatus is set
}

// New returns a Client.
func New(opts Options) *Client {
	return &Client{opts: opts, plain: opts.transport(true), secure: opts.transport(false)}
}

func (o Options) transport(plain bool) *http.Transport {
	dialer := &net.Dialer{
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			if o.Proxy != nil {
				return mayDialProxy(address)
			}
			return o.mayDial(address, plain)
		},
	}
	t := &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: o.RootCAs},
		ForceAttemptHTTP2:      true,
		DisableKeepAlives:      !o.KeepAlive,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        time.Minute,
		DisableCompression:     true, // the bounds of read are of both lengths
		MaxResponseHeaderBytes: maxHeader,
	}
	if o.Proxy != nil {
		t.Proxy = http.ProxyURL(o.Proxy)
	}
	return t
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
	plain := req.URL.Scheme != "https"
	if err := c.opts.mayProxy(req.URL, plain); err != nil {
		return nil, err
	}
	transport := c.secure
	if plain {
		transport = c.plain
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	out := &Response{Status: resp.StatusCode, Header: resp.Header}
	if out.Status != http.StatusOK && !c.opts.AnyStatus {
		return out, nil
	}
	if out.Body, err = c.read(resp); err != nil {
		return nil, err
	}
	return out, nil
}

// read reads a body. One that begins as gzip does is decompressed, whatever the
// header says: servers of stored files forget to say it, and proxies that
// decompress forget to unsay it. No JSON begins so.
func (c *Client) read(resp *http.Response) ([]byte, error) {
	body, err := c.bounded(resp.Body)
	coding := strings.ToLower(resp.Header.Get("Content-Encoding"))
	switch {
	case err != nil:
		return nil, err
	case bytes.HasPrefix(body, []byte("\x1f\x8b")):
		r, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		return c.bounded(r)
	case !slices.Contains([]string{"", "identity", "gzip", "x-gzip"}, coding):
		return nil, fmt.Errorf("the response is coded by %.32q, want gzip or none", coding)
	}
	return body, nil
}

func (c *Client) bounded(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, int64(c.opts.MaxBody)+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > c.opts.MaxBody:
		return nil, fmt.Errorf("the response has more than %d bytes", c.opts.MaxBody)
	}
	return body, nil
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
	case u.Scheme != "https" && !(u.Scheme == "http" && (c.opts.Private || len(c.opts.Allow) > 0)):
		return fmt.Errorf("%.128q is not an https URL", address)
	case u.Hostname() == "":
		return fmt.Errorf("%.128q names no host", address)
	case u.User != nil || u.Fragment != "":
		return errors.New("the URL has user information or a fragment")
	}
	return nil
}
