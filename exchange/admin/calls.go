package admin

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"cambio/exchange"
)

// Plan says what Apply would change.
func (c *Client) Plan(ctx context.Context, m exchange.Manifest, prune bool) (Plan, error) {
	return call[Plan](ctx, c, http.MethodPost, "/v1/manifest:plan"+pruneQuery(prune), m)
}

// Apply makes the registrations of m so, all of them or none. With prune,
// those that m does not name are removed.
func (c *Client) Apply(ctx context.Context, m exchange.Manifest, prune bool) (Plan, error) {
	return call[Plan](ctx, c, http.MethodPost, "/v1/manifest:apply"+pruneQuery(prune), m)
}

func pruneQuery(prune bool) string {
	if prune {
		return "?prune=true"
	}
	return ""
}

// Issuers are the registered issuers in the order of their IDs.
func (c *Client) Issuers(ctx context.Context) ([]exchange.Issuer, error) {
	out, err := call[issuerList](ctx, c, http.MethodGet, "/v1/issuers", nil)
	return out.Issuers, err
}

// Issuer is a registered issuer.
func (c *Client) Issuer(ctx context.Context, id string) (exchange.Issuer, error) {
	return call[exchange.Issuer](ctx, c, http.MethodGet, "/v1/issuers/"+url.PathEscape(id), nil)
}

// IssuerKeys is a registered issuer with the keys it publishes at the moment.
func (c *Client) IssuerKeys(ctx context.Context, id string) (Preview, error) {
	return call[Preview](ctx, c, http.MethodGet, "/v1/issuers/"+url.PathEscape(id)+"/keys", nil)
}

// Preview fetches the keys of an issuer and registers nothing.
func (c *Client) Preview(ctx context.Context, i exchange.Issuer) (Preview, error) {
	return call[Preview](ctx, c, http.MethodPost, "/v1/issuers:preview", i)
}

// RemoveIssuer ends the trust in an issuer and all sessions born from it.
func (c *Client) RemoveIssuer(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, "/v1/issuers/"+url.PathEscape(id), nil, nil)
}

// Clients are the registered clients in the order of their IDs.
func (c *Client) Clients(ctx context.Context) ([]exchange.Client, error) {
	out, err := call[clientList](ctx, c, http.MethodGet, "/v1/clients", nil)
	return out.Clients, err
}

// Client is a registered client.
func (c *Client) Client(ctx context.Context, id string) (exchange.Client, error) {
	return call[exchange.Client](ctx, c, http.MethodGet, "/v1/clients/"+url.PathEscape(id), nil)
}

// RemoveClient removes a client and ends its sessions.
func (c *Client) RemoveClient(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, "/v1/clients/"+url.PathEscape(id), nil, nil)
}

// DetailTypes are the registered types of authorization_details in their order.
func (c *Client) DetailTypes(ctx context.Context) ([]exchange.DetailType, error) {
	out, err := call[detailTypeList](ctx, c, http.MethodGet, "/v1/detail-types", nil)
	return out.DetailTypes, err
}

// DetailType is a registered type of authorization_details.
func (c *Client) DetailType(ctx context.Context, name string) (exchange.DetailType, error) {
	return call[exchange.DetailType](ctx, c, http.MethodGet, "/v1/detail-types/"+url.PathEscape(name), nil)
}

// RemoveDetailType takes away a type of authorization_details.
func (c *Client) RemoveDetailType(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodDelete, "/v1/detail-types/"+url.PathEscape(name), nil, nil)
}

// Invoices is one page of a client's invoices.
func (c *Client) Invoices(ctx context.Context, client string, f InvoiceFilter) (Invoices, error) {
	q := url.Values{}
	for name, v := range map[string]string{"customer": f.Customer, "from": f.From} {
		if v != "" {
			q.Set(name, v)
		}
	}
	if f.Limit != 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	return call[Invoices](ctx, c, http.MethodGet, "/v1/clients/"+url.PathEscape(client)+"/invoices?"+q.Encode(), nil)
}

// AddInvoices puts at most 1000 invoices on a client's list, all or none.
func (c *Client) AddInvoices(ctx context.Context, client string, list []InvoiceRef) error {
	return c.do(ctx, http.MethodPost, "/v1/clients/"+url.PathEscape(client)+"/invoices", invoiceRefs{list}, nil)
}

// RemoveInvoices takes at most 1000 invoices off a client's list and answers
// how many were on it.
func (c *Client) RemoveInvoices(ctx context.Context, client string, list []InvoiceRef) (int, error) {
	out, err := call[removedInvoices](ctx, c, http.MethodPost, "/v1/clients/"+url.PathEscape(client)+"/invoices:remove", invoiceRefs{list})
	return out.Removed, err
}

// RotateSecret makes a client secret. The one before lives for 24 hours more.
func (c *Client) RotateSecret(ctx context.Context, client string) (NewSecret, error) {
	return call[NewSecret](ctx, c, http.MethodPost, "/v1/clients/"+url.PathEscape(client)+"/secrets", nil)
}

// Secrets are a client's secrets without themselves.
func (c *Client) Secrets(ctx context.Context, client string) ([]Secret, error) {
	out, err := call[secretList](ctx, c, http.MethodGet, "/v1/clients/"+url.PathEscape(client)+"/secrets", nil)
	return out.Secrets, err
}

// RevokeSecret ends a client secret at once.
func (c *Client) RevokeSecret(ctx context.Context, client, secret string) error {
	return c.do(ctx, http.MethodDelete, "/v1/clients/"+url.PathEscape(client)+"/secrets/"+url.PathEscape(secret), nil, nil)
}

// Sessions is one page of the sessions that f chooses.
func (c *Client) Sessions(ctx context.Context, f SessionFilter) (Sessions, error) {
	q := url.Values{}
	for name, v := range map[string]string{"user": f.User, "client": f.Client, "issuer": f.Issuer, "from": f.From} {
		if v != "" {
			q.Set(name, v)
		}
	}
	if f.Limit != 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	return call[Sessions](ctx, c, http.MethodGet, "/v1/sessions?"+q.Encode(), nil)
}

// Session is a stored session.
func (c *Client) Session(ctx context.Context, id string) (Session, error) {
	return call[Session](ctx, c, http.MethodGet, "/v1/sessions/"+url.PathEscape(id), nil)
}

// Revoke ends sessions and the tokens that were born with them.
func (c *Client) Revoke(ctx context.Context, r Revocation) error {
	return c.do(ctx, http.MethodPost, "/v1/sessions:revoke", r, nil)
}

// Users is one page of the users that f chooses.
func (c *Client) Users(ctx context.Context, f UserFilter) (Users, error) {
	q := url.Values{}
	for name, v := range map[string]string{"issuer": f.Issuer, "from": f.From} {
		if v != "" {
			q.Set(name, v)
		}
	}
	if f.Limit != 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	return call[Users](ctx, c, http.MethodGet, "/v1/users?"+q.Encode(), nil)
}

// User is a user with its links.
func (c *Client) User(ctx context.Context, id string) (UserDetails, error) {
	return call[UserDetails](ctx, c, http.MethodGet, "/v1/users/"+url.PathEscape(id), nil)
}

// ExportUser is everything that is held of a user.
func (c *Client) ExportUser(ctx context.Context, id string) (UserExport, error) {
	return call[UserExport](ctx, c, http.MethodGet, "/v1/users/"+url.PathEscape(id)+"/export", nil)
}

// DisableUser keeps a user out and ends its sessions.
func (c *Client) DisableUser(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodPost, "/v1/users/"+url.PathEscape(id)+"/disable", nil, nil)
}

// EnableUser lets a disabled user in again.
func (c *Client) EnableUser(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodPost, "/v1/users/"+url.PathEscape(id)+"/enable", nil, nil)
}

// DeleteUser deletes a user and its links and ends its sessions.
func (c *Client) DeleteUser(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, "/v1/users/"+url.PathEscape(id), nil, nil)
}

// Link makes a subject of an issuer a user.
func (c *Client) Link(ctx context.Context, r LinkRequest) (LinkAnswer, error) {
	return call[LinkAnswer](ctx, c, http.MethodPost, "/v1/links", r)
}

// Unlink makes a subject unknown again, ends the sessions born from it, and
// returns the link that it was.
func (c *Client) Unlink(ctx context.Context, s SubjectName) (exchange.Link, error) {
	return call[exchange.Link](ctx, c, http.MethodPost, "/v1/links:remove", s)
}

// PlanMerge says what Merge would do.
func (c *Client) PlanMerge(ctx context.Context, r MergeRequest) (MergePlan, error) {
	return call[MergePlan](ctx, c, http.MethodPost, "/v1/merges:plan", r)
}

// Merge makes one user another.
func (c *Client) Merge(ctx context.Context, r MergeRequest) (Merge, error) {
	return call[Merge](ctx, c, http.MethodPost, "/v1/merges", r)
}

// Merges are the merges that can be undone, oldest first.
func (c *Client) Merges(ctx context.Context) ([]Merge, error) {
	out, err := call[mergeList](ctx, c, http.MethodGet, "/v1/merges", nil)
	return out.Merges, err
}

// Unmerge undoes a merge.
func (c *Client) Unmerge(ctx context.Context, id string) (Unmerged, error) {
	return call[Unmerged](ctx, c, http.MethodDelete, "/v1/merges/"+url.PathEscape(id), nil)
}

// Keys are the keys that sign our tokens.
func (c *Client) Keys(ctx context.Context) ([]SigningKey, error) {
	out, err := call[keyList](ctx, c, http.MethodGet, "/v1/keys", nil)
	return out.Keys, err
}

// RotateKeys makes the next key sign from now on.
func (c *Client) RotateKeys(ctx context.Context) ([]SigningKey, error) {
	out, err := call[keyList](ctx, c, http.MethodPost, "/v1/keys:rotate", nil)
	return out.Keys, err
}

// RevokeKey withdraws a key: what it signed counts no more.
func (c *Client) RevokeKey(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, "/v1/keys/"+url.PathEscape(id), nil, nil)
}
