package admin

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"cambio/exchange"
)

// Client calls the admin API of a running server. It is safe for concurrent
// use.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// maxResponse is how many bytes of a response are read.
const maxResponse = 64 << 20

// NewClient returns a client of the listener at address (host:port, or a URL) with
// the token of its token file. Plain http is for loopback only, because the token
// would cross a network unencrypted. With a name the listener speaks https and its
// certificate is for that name instead of address.
func NewClient(address, token, name string) (*Client, error) {
	switch {
	case strings.Contains(address, "://"):
	case name != "":
		address = "https://" + address
	default:
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is not an address such as 127.0.0.1:8081 or https://admin.example.com", address)
	}
	if u.Scheme == "http" && name != "" {
		return nil, fmt.Errorf("%s is plain http, which has no certificate to check the name against; use https", address)
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return nil, fmt.Errorf("%s is not loopback: the token would cross the network unencrypted; use https", u.Host)
	}
	return &Client{
		base:  u.Scheme + "://" + u.Host,
		token: token,
		http: &http.Client{
			Timeout:       time.Minute,
			Transport:     &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{ServerName: name}},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// Error is an error response of the API.
type Error struct {
	Status   int    // HTTP
	Detail   string // what happened
	Problems []exchange.Problem
}

// Error returns Detail and the problems, one on each line.
func (e *Error) Error() string {
	lines := []string{e.Detail}
	for _, p := range e.Problems {
		lines = append(lines, strings.TrimPrefix(p.Path+": ", ": ")+p.Message)
	}
	return strings.Join(lines, "\n")
}

// call sends in as JSON, if it is not nil, and reads the response into a T.
func call[T any](ctx context.Context, c *Client, method, path string, in any) (out T, err error) {
	var body []byte
	if in != nil {
		if body, err = json.Marshal(in); err != nil {
			return out, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return out, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // its text repeats method and URL
		}
		return out, fmt.Errorf("calling the admin API at %s: %w", c.base, err)
	}
	defer resp.Body.Close()
	return out, readResponse(resp, &out)
}

// readResponse reads a response into out, unless it has no content.
func readResponse(resp *http.Response, out any) error {
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse))
	switch {
	case err != nil:
		return fmt.Errorf("reading the response of the admin API: %w", err)
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return readProblem(resp, b)
	case resp.StatusCode == http.StatusNoContent:
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("the response is not that of an admin API: %w", err)
	}
	return nil
}

// readProblem reads problem details (RFC 9457). Any other error response is not
// from an admin API.
func readProblem(resp *http.Response, body []byte) error {
	var p struct {
		Detail string `json:"detail"`
		Errors []struct{ Location, Message string }
	}
	if bytes.HasPrefix(body, []byte("Client sent an HTTP request to an HTTPS server")) { // net/http says so
		return &Error{Status: resp.StatusCode, Detail: "the listener speaks https: give the name in its certificate, as in --admin-name login.example.com"}
	}
	if resp.Header.Get("Content-Type") != "application/problem+json" || json.Unmarshal(body, &p) != nil {
		return &Error{Status: resp.StatusCode, Detail: "the response is not that of an admin API: status " + resp.Status}
	}
	e := &Error{Status: resp.StatusCode, Detail: p.Detail}
	for _, x := range p.Errors {
		e.Problems = append(e.Problems, exchange.Problem{Path: x.Location, Message: x.Message})
	}
	return e
}
