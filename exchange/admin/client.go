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

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// NewClient is a client of the listener at address (host:port, or a URL) with
// the token of its token file. Plain http is for loopback only: the token
// would cross a network in the clear. A name says that the listener speaks
// https and that its certificate is for that name, and not for address.
func NewClient(address, token, name string) (*Client, error) {
	if !strings.Contains(address, "://") {
		address = schemeFor(name) + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is no address such as 127.0.0.1:8081 or https://admin.example.com", address)
	}
	if u.Scheme == "http" && name != "" {
		return nil, fmt.Errorf("%s has no certificate with a name in it; use https", address)
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return nil, fmt.Errorf("%s is not loopback: the token would cross the network in the clear; use https", u.Host)
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

func schemeFor(name string) string {
	if name == "" {
		return "http://"
	}
	return "https://"
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// Error is a refusal of the API.
type Error struct {
	Status   int    // HTTP
	Detail   string // what happened
	Problems []exchange.Problem
}

// Error is Detail with what is wrong where.
func (e *Error) Error() string {
	lines := []string{e.Detail}
	for _, p := range e.Problems {
		lines = append(lines, strings.TrimPrefix(p.Path+": ", ": ")+p.Message)
	}
	return strings.Join(lines, "\n")
}

// call sends in as JSON, if it is not nil, and reads the answer.
func call[T any](ctx context.Context, c *Client, method, path string, in any) (T, error) {
	var out T
	err := c.do(ctx, method, path, in, &out)
	return out, err
}

// do is call for answers without content when out is nil.
func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
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
		return fmt.Errorf("calling the admin API at %s: %w", c.base, err)
	}
	defer resp.Body.Close()
	return readAnswer(resp, out)
}

func readAnswer(resp *http.Response, out any) error {
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading the answer of the admin API: %w", err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return readProblem(resp, b)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("the answer is not that of an admin API: %w", err)
	}
	return nil
}

// readProblem reads problem details (RFC 9457). What is none of them did not
// come from our API.
func readProblem(resp *http.Response, body []byte) error {
	var p struct {
		Detail string `json:"detail"`
		Errors []struct{ Location, Message string }
	}
	if bytes.HasPrefix(body, []byte("Client sent an HTTP request to an HTTPS server")) { // net/http says so
		return &Error{Status: resp.StatusCode, Detail: "the listener speaks https: say the name in its certificate, as in --admin-name login.example.com"}
	}
	if resp.Header.Get("Content-Type") != "application/problem+json" || json.Unmarshal(body, &p) != nil {
		return &Error{Status: resp.StatusCode, Detail: "the answer is not that of an admin API: status " + resp.Status}
	}
	e := &Error{Status: resp.StatusCode, Detail: p.Detail}
	for _, x := range p.Errors {
		e.Problems = append(e.Problems, exchange.Problem{Path: x.Location, Message: x.Message})
	}
	return e
}
