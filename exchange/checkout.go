package exchange

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A checkout token is for one invoice of one customer. A backend gives it to a
// page, which needs no other credential.
const (
	// DetailCheckout is the built-in type of authorization_details. Its only
	// members are customer_id and invoice_id.
	DetailCheckout = "checkout"
	// ScopeCheckout is the scope that a client's own access token needs to be
	// exchanged for a checkout token.
	ScopeCheckout = "checkout:create"
	// MaxCheckout is the longest lifetime of a checkout token.
	MaxCheckout = 15 * time.Minute
)

// Checkout configures a client's checkout tokens.
type Checkout struct {
	// PartnerID is the partner_id of the tokens. Default: the client's ID.
	PartnerID string `json:"partnerID,omitempty" yaml:"partnerID,omitempty"`
	// Audience is the API that accepts them.
	Audience string `json:"audience" yaml:"audience"`
	// Invoices names the source that confirms that an invoice is the customer's:
	// none, registered (by the admin API) or webhook. Default none.
	Invoices InvoiceSource `json:"invoices,omitempty" yaml:"invoices,omitempty"`
	// Webhook is the source if Invoices is webhook.
	Webhook *Webhook `json:"webhook,omitempty" yaml:"webhook,omitempty"`
}

// InvoiceSource is a source of customers' invoices.
type InvoiceSource string

// The invoice sources. With none, the client's own word counts.
const (
	InvoicesNone       InvoiceSource = "none"
	InvoicesRegistered InvoiceSource = "registered"
	InvoicesWebhook    InvoiceSource = "webhook"
)

// Webhook is an operator's endpoint, and the secret that signs requests to it.
type Webhook struct {
	URL    string       `json:"url" yaml:"url"`
	Secret SharedSecret `json:"secret" yaml:"secret"`
	// AllowPrivateAddresses permits loopback and private networks, and plain http
	// there.
	AllowPrivateAddresses bool `json:"allowPrivateAddresses,omitempty" yaml:"allowPrivateAddresses,omitempty"`
}

// Purchase identifies the invoice that a checkout token is for.
type Purchase struct {
	Partner  string // partner_id
	Customer string // customer_id
	Invoice  string // invoice_id
}

// Invoice is a customer's invoice on a client's list.
type Invoice struct {
	Customer string    `json:"customer_id"`
	ID       string    `json:"invoice_id"`
	Added    time.Time `json:"added,omitzero"`
}

// ValidCheckoutID reports whether s can be the ID of a customer or an invoice: 1
// to 255 bytes of UTF-8 without control characters.
func ValidCheckoutID(s string) bool {
	const most = 255
	return s != "" && Printable(s, most)
}

// CheckoutDetails returns the authorization_details of a purchase (RFC 9396 §2).
func CheckoutDetails(customer, invoice string) (json.RawMessage, error) {
	return json.Marshal([]map[string]string{{"type": DetailCheckout, "customer_id": customer, "invoice_id": invoice}})
}

// RequestsCheckout reports whether authorization_details have an element of type
// checkout. Malformed details, which no decision grants, have none.
func RequestsCheckout(details json.RawMessage) bool {
	list, err := readDetails(details)
	return err == nil && slices.ContainsFunc(list, func(e detail) bool { return e.typ == DetailCheckout })
}

// IssuedToItself reports whether t is an unrestricted access token that the client
// got for itself (RFC 6749 §4.4): not a user's, not another client's, not a
// checkout token and not limited by details.
func (c *Client) IssuedToItself(t *AccessToken) bool {
	return t.User == c.ID && t.Client == c.ID && t.Session == "" && t.Origin == Origin{} &&
		t.Purchase == nil && len(t.Details) == 0
}

// MayCheckout reports whether t has the scope for making checkout tokens and the
// client may still have it.
func (c *Client) MayCheckout(t *AccessToken) bool {
	return slices.Contains(t.Scopes, ScopeCheckout) && slices.Contains(c.Scopes, ScopeCheckout)
}

// kind describes t in a check.
func (t *AccessToken) kind() string {
	switch {
	case t.Purchase != nil:
		return "a checkout token of " + t.Client
	case t.User == t.Client:
		return "a token of client " + t.Client
	}
	return "a token of user " + t.User + " at client " + t.Client
}

// DecideCheckout decides about the exchange of a client's own access token for a
// checkout token, and returns the purchase that the new token is for. The
// registration of checkout is the permission: a client can get such a token for
// itself at any time, so exchangeOwnTokens, which covers users' tokens too, need
// not be set.
func DecideCheckout(client *Client, parent *AccessToken, requested Requested) (Decision, *Purchase) {
	d := newDecider(client)
	d.Check(Check{
		Name: "subject token", Want: "the client's own access token", Got: parent.kind(),
		Passed: client.IssuedToItself(parent) && !client.Public(), Reason: ReasonAccessTokenInsufficient,
	})
	d.Check(Check{
		Name: "scope", Want: ScopeCheckout, Got: joined(common(parent.Scopes, client.Scopes)),
		Passed: client.MayCheckout(parent), Reason: ReasonAccessTokenInsufficient,
	})
	p := d.purchase(requested.Details)
	d.Check(Check{
		Name: "scope", Want: "none, because the details limit the token", Got: joined(requested.Scopes),
		Passed: len(requested.Scopes) == 0, Reason: ReasonScopeNotAllowed,
	})
	if !d.Refused() {
		d.audience(requested.Audiences, []string{client.Checkout.Audience})
		d.out.NotAfter = parent.Expires
	}
	if d.Refused() {
		return d.decision(), nil
	}
	return d.decision(), p
}

// purchase grants exactly one detail, which must be of type checkout.
func (d *decider) purchase(requested json.RawMessage) *Purchase {
	if d.Refused() {
		return nil
	}
	c := Check{Name: "authorization_details", Want: "one of type checkout", Reason: ReasonAuthorizationDetailsInvalid}
	var p *Purchase
	list, err := readDetails(requested)
	if err == nil && len(list) != 1 {
		err = fmt.Errorf("%d elements; a checkout token is for one", len(list))
	}
	if err == nil {
		c.Got = list[0].text
		p, err = d.client.purchase(list[0])
	}
	if c.Passed = err == nil; err != nil {
		c.Got = err.Error()
	}
	if !d.Check(c) {
		return nil
	}
	d.out.Details = formatDetails(list)
	return p
}

func (c *Client) purchase(e detail) (*Purchase, error) {
	if c.Checkout == nil || !slices.Contains(c.DetailTypes, DetailCheckout) {
		return nil, errors.New("the client has no type \"checkout\"")
	}
	p := &Purchase{Partner: c.Checkout.PartnerID}
	if p.Partner == "" {
		p.Partner = c.ID
	}
	for name, v := range e.members {
		s, _ := v.(string)
		switch {
		case name == "type" && s == DetailCheckout:
		case name == "customer_id":
			p.Customer = s
		case name == "invoice_id":
			p.Invoice = s
		default:
			return nil, fmt.Errorf("unknown member %s", Quote(name))
		}
	}
	if !ValidCheckoutID(p.Customer) || !ValidCheckoutID(p.Invoice) {
		return nil, errors.New("customer_id and invoice_id must be strings of 1 to 255 bytes without control characters")
	}
	return p, nil
}
