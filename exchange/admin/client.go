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
	"net/url"
	"strconv"
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
	if u.Scheme == "http" && !exchange.Loopback(u.Hostname()) {
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

// path returns the path of a call; parts may contain any characters.
func path(parts ...string) string {
	var b strings.Builder
	b.WriteString("/v1")
	for _, p := range parts {
		b.WriteString("/" + url.PathEscape(p))
	}
	return b.String()
}

// query returns the query of a list; empty values and a zero limit are left out.
func query(limit int, values map[string]string) string {
	q := url.Values{}
	for name, v := range values {
		if v != "" {
			q.Set(name, v)
		}
	}
	if limit != 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	return "?" + q.Encode()
}

func get[T any](ctx context.Context, c *Client, path string) (T, error) {
	return call[T](ctx, c, http.MethodGet, path, nil)
}

func post[T any](ctx context.Context, c *Client, path string, in any) (T, error) {
	return call[T](ctx, c, http.MethodPost, path, in)
}

func (c *Client) post(ctx context.Context, path string, in any) error {
	_, err := post[struct{}](ctx, c, path, in)
	return err
}

func (c *Client) delete(ctx context.Context, path string) error {
	_, err := call[struct{}](ctx, c, http.MethodDelete, path, nil)
	return err
}

// Plan returns what Apply would change.
func (c *Client) Plan(ctx context.Context, m exchange.Manifest, prune bool) (Plan, error) {
	return post[Plan](ctx, c, path("manifest:plan")+query(0, map[string]string{"prune": strconv.FormatBool(prune)}), m)
}

// Apply registers what m declares, all or nothing. With prune, registrations that m
// does not declare are removed.
func (c *Client) Apply(ctx context.Context, m exchange.Manifest, prune bool) (Plan, error) {
	return post[Plan](ctx, c, path("manifest:apply")+query(0, map[string]string{"prune": strconv.FormatBool(prune)}), m)
}

// Issuers returns the registered issuers in the order of their IDs.
func (c *Client) Issuers(ctx context.Context) ([]exchange.Issuer, error) {
	out, err := get[issuerList](ctx, c, path("issuers"))
	return out.Issuers, err
}

// Issuer returns a registered issuer.
func (c *Client) Issuer(ctx context.Context, id string) (exchange.Issuer, error) {
	return get[exchange.Issuer](ctx, c, path("issuers", id))
}

// IssuerKeys returns a registered issuer with the keys it publishes now.
func (c *Client) IssuerKeys(ctx context.Context, id string) (Preview, error) {
	return get[Preview](ctx, c, path("issuers", id, "keys"))
}

// Preview fetches the keys of an issuer without registering it.
func (c *Client) Preview(ctx context.Context, i exchange.Issuer) (Preview, error) {
	return post[Preview](ctx, c, path("issuers:preview"), i)
}

// RemoveIssuer removes an issuer and ends the sessions that came from it.
func (c *Client) RemoveIssuer(ctx context.Context, id string) error {
	return c.delete(ctx, path("issuers", id))
}

// Clients returns the registered clients in the order of their IDs.
func (c *Client) Clients(ctx context.Context) ([]exchange.Client, error) {
	out, err := get[clientList](ctx, c, path("clients"))
	return out.Clients, err
}

// Client returns a registered client.
func (c *Client) Client(ctx context.Context, id string) (exchange.Client, error) {
	return get[exchange.Client](ctx, c, path("clients", id))
}

// RemoveClient removes a client and ends its sessions.
func (c *Client) RemoveClient(ctx context.Context, id string) error {
	return c.delete(ctx, path("clients", id))
}

// DetailTypes returns the registered types of authorization_details, sorted.
func (c *Client) DetailTypes(ctx context.Context) ([]exchange.DetailType, error) {
	out, err := get[detailTypeList](ctx, c, path("detail-types"))
	return out.DetailTypes, err
}

// DetailType returns a registered type of authorization_details.
func (c *Client) DetailType(ctx context.Context, name string) (exchange.DetailType, error) {
	return get[exchange.DetailType](ctx, c, path("detail-types", name))
}

// RemoveDetailType removes a type of authorization_details.
func (c *Client) RemoveDetailType(ctx context.Context, name string) error {
	return c.delete(ctx, path("detail-types", name))
}

// Invoices returns a page of a client's invoices.
func (c *Client) Invoices(ctx context.Context, client string, f InvoiceFilter) (Invoices, error) {
	return get[Invoices](ctx, c, path("clients", client, "invoices")+query(f.Limit, map[string]string{"customer": f.Customer, "from": f.From}))
}

// AddInvoices adds at most 1000 invoices to a client's list, all or none.
func (c *Client) AddInvoices(ctx context.Context, client string, list []InvoiceRef) error {
	return c.post(ctx, path("clients", client, "invoices"), invoiceRefs{list})
}

// RemoveInvoices removes at most 1000 invoices from a client's list and returns how
// many were on it.
func (c *Client) RemoveInvoices(ctx context.Context, client string, list []InvoiceRef) (int, error) {
	out, err := post[removedInvoices](ctx, c, path("clients", client, "invoices:remove"), invoiceRefs{list})
	return out.Removed, err
}

// RotateSecret generates a client secret. The previous one is valid for 24 hours
// more.
func (c *Client) RotateSecret(ctx context.Context, client string) (NewSecret, error) {
	return post[NewSecret](ctx, c, path("clients", client, "secrets"), nil)
}

// Secrets returns a client's secrets without their values.
func (c *Client) Secrets(ctx context.Context, client string) ([]Secret, error) {
	out, err := get[secretList](ctx, c, path("clients", client, "secrets"))
	return out.Secrets, err
}

// RevokeSecret revokes a client secret at once.
func (c *Client) RevokeSecret(ctx context.Context, client, secret string) error {
	return c.delete(ctx, path("clients", client, "secrets", secret))
}

// Sessions returns a page of the sessions that f selects.
func (c *Client) Sessions(ctx context.Context, f SessionFilter) (Sessions, error) {
	return get[Sessions](ctx, c, path("sessions")+query(f.Limit, map[string]string{"user": f.User, "client": f.Client, "issuer": f.Issuer, "from": f.From}))
}

// Session returns a stored session.
func (c *Client) Session(ctx context.Context, id string) (Session, error) {
	return get[Session](ctx, c, path("sessions", id))
}

// Revoke ends sessions and the tokens that came from them.
func (c *Client) Revoke(ctx context.Context, r Revocation) error {
	return c.post(ctx, path("sessions:revoke"), r)
}

// Users returns a page of the users that f selects.
func (c *Client) Users(ctx context.Context, f UserFilter) (Users, error) {
	return get[Users](ctx, c, path("users")+query(f.Limit, map[string]string{"issuer": f.Issuer, "from": f.From}))
}

// User returns a user with its links.
func (c *Client) User(ctx context.Context, id string) (UserDetails, error) {
	return get[UserDetails](ctx, c, path("users", id))
}

// ExportUser returns all stored data of a user.
func (c *Client) ExportUser(ctx context.Context, id string) (UserExport, error) {
	return get[UserExport](ctx, c, path("users", id, "export"))
}

// DisableUser refuses a user's exchanges and ends its sessions.
func (c *Client) DisableUser(ctx context.Context, id string) error {
	return c.post(ctx, path("users", id, "disable"), nil)
}

// EnableUser allows a disabled user's exchanges again.
func (c *Client) EnableUser(ctx context.Context, id string) error {
	return c.post(ctx, path("users", id, "enable"), nil)
}

// DeleteUser deletes a user and its links and ends its sessions.
func (c *Client) DeleteUser(ctx context.Context, id string) error {
	return c.delete(ctx, path("users", id))
}

// Link links a subject of an issuer to a user.
func (c *Client) Link(ctx context.Context, r LinkRequest) (LinkResult, error) {
	return post[LinkResult](ctx, c, path("links"), r)
}

// Unlink removes the link of a subject, ends the sessions that came from it, and
// returns the link.
func (c *Client) Unlink(ctx context.Context, r UnlinkRequest) (exchange.Link, error) {
	return post[exchange.Link](ctx, c, path("links:remove"), r)
}

// PlanMerge returns what Merge would do.
func (c *Client) PlanMerge(ctx context.Context, r MergeRequest) (MergePlan, error) {
	return post[MergePlan](ctx, c, path("merges:plan"), r)
}

// Merge merges one user into another.
func (c *Client) Merge(ctx context.Context, r MergeRequest) (Merge, error) {
	return post[Merge](ctx, c, path("merges"), r)
}

// Merges returns the merges that can be undone, oldest first.
func (c *Client) Merges(ctx context.Context) ([]Merge, error) {
	out, err := get[mergeList](ctx, c, path("merges"))
	return out.Merges, err
}

// Unmerge undoes a merge.
func (c *Client) Unmerge(ctx context.Context, id string) (Unmerged, error) {
	return call[Unmerged](ctx, c, http.MethodDelete, path("merges", id), nil)
}

// Keys returns the server's signing keys.
func (c *Client) Keys(ctx context.Context) ([]SigningKey, error) {
	out, err := get[keyList](ctx, c, path("keys"))
	return out.Keys, err
}

// RotateKeys makes the server sign with its next key.
func (c *Client) RotateKeys(ctx context.Context) ([]SigningKey, error) {
	out, err := post[keyList](ctx, c, path("keys:rotate"), nil)
	return out.Keys, err
}

// ConfirmClock makes the server trust its wall clock at once.
func (c *Client) ConfirmClock(ctx context.Context) error {
	return c.post(ctx, path("clock:confirm"), nil)
}

// RevokeKey revokes a key: the tokens that it signed are invalid.
func (c *Client) RevokeKey(ctx context.Context, id string) error {
	return c.delete(ctx, path("keys", id))
}
