package exchange

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// A checkout token is for one invoice of one customer. A backend gives it to a
// page, which needs no other credential.
const (
	// DetailCheckout is the built-in type of authorization_details. Its members
	// are customer_id and invoice_id, and no other.
	DetailCheckout = "checkout"
	// ScopeCheckout is what a client's own access token must have to be
	// exchanged for a checkout token.
	ScopeCheckout = "checkout:create"
	// MaxCheckout is how long a checkout token lives at most.
	MaxCheckout = 15 * time.Minute
)

// Purchase is what a checkout token is for.
type Purchase struct {
	Partner  string // partner_id
	Customer string // customer_id
	Invoice  string // invoice_id
}

// Invoice is an invoice of a customer's on a client's list.
type Invoice struct {
	Customer string    `json:"customer_id"`
	ID       string    `json:"invoice_id"`
	Added    time.Time `json:"added,omitzero"`
}

// ValidCheckoutID says whether a text can be a customer's or an invoice's ID: 1 to
// 255 bytes of UTF-8 without control characters.
func ValidCheckoutID(s string) bool {
	const most = 255
	return s != "" && Printable(s, most)
}

// CheckoutDetails are the authorization_details of a purchase (RFC 9396 §2).
func CheckoutDetails(customer, invoice string) (json.RawMessage, error) {
	return json.Marshal([]map[string]string{{"type": DetailCheckout, "customer_id": customer, "invoice_id": invoice}})
}

// RequestsCheckout says whether authorization_details have one of type checkout.
func RequestsCheckout(details json.RawMessage) bool {
	list, err := readDetails(details)
	if err != nil {
		return false // which no decision grants
	}
	for _, e := range list {
		if e.typ == DetailCheckout {
			return true
		}
	}
	return false
}

// IssuedToItself says whether t is one that the client got for itself, and no less
// than that (RFC 6749 §4.4): not one of a user's, not one of another client's,
// not a checkout token and not one that is limited by details.
func (c *Client) IssuedToItself(t *AccessToken) bool {
	return t.User == c.ID && t.Client == c.ID && t.Session == "" && t.Origin == Origin{} &&
		t.Purchase == nil && len(t.Details) == 0
}

// MayCheckout says whether t has the scope by which checkout tokens are made, and
// the client may have it still.
func (c *Client) MayCheckout(t *AccessToken) bool {
	return contains(t.Scopes, ScopeCheckout) && contains(c.Scopes, ScopeCheckout)
}

// kind says what sort of token t is, for whoever reads why it was refused.
func (t *AccessToken) kind() string {
	switch {
	case t.Purchase != nil:
		return "a checkout token of " + t.Client
	case t.User == t.Client:
		return "one of client " + t.Client
	}
	return "one of user " + t.User + " at client " + t.Client
}

// DecideCheckout is the decision about a client's own access token that is to
// become a checkout token, and what that is then for. It gives nothing that the
// client could not give itself anew each minute: the registration of checkout
// is the permission, so that exchangeOwnTokens, which is about users' tokens
// too, need not be set.
func DecideCheckout(client *Client, parent *AccessToken, ask Requested) (Decision, *Purchase) {
	d := newDecider(client)
	own := client.IssuedToItself(parent) && !client.Public()
	d.Check(Check{
		Name: "subject token", Want: "the client's own access token", Got: parent.kind(),
		Passed: own, Reason: ReasonAccessTokenInsufficient,
	})
	d.Check(Check{
		Name: "scope", Want: ScopeCheckout, Got: list(common(parent.Scopes, client.Scopes)),
		Passed: client.MayCheckout(parent), Reason: ReasonAccessTokenInsufficient,
	})
	p := d.purchase(ask.Details)
	d.Check(Check{
		Name: "scope", Want: "none, since the details say what the token is for", Got: list(ask.Scopes),
		Passed: len(ask.Scopes) == 0, Reason: ReasonScopeNotAllowed,
	})
	if d.Refused() {
		return d.decision(), nil
	}
	d.audience(ask.Audiences, []string{client.Checkout.Audience})
	d.out.NotAfter = parent.Expires
	if d.Refused() {
		return d.decision(), nil
	}
	return d.decision(), p
}

// purchase grants exactly one detail of type checkout.
func (d *decider) purchase(asked json.RawMessage) *Purchase {
	if d.Refused() {
		return nil
	}
	var p *Purchase
	e, err := onlyDetail(asked)
	if err == nil {
		p, err = d.client.purchase(e)
	}
	c := Check{
		Name: "authorization_details", Want: "one of type checkout", Got: e.text,
		Passed: err == nil, Reason: ReasonAuthorizationDetailsInvalid,
	}
	if err != nil {
		c.Got = err.Error()
	}
	if !d.Check(c) {
		return nil
	}
	d.out.Details = detailsText([]detail{e})
	return p
}

func onlyDetail(asked json.RawMessage) (detail, error) {
	list, err := readDetails(asked)
	if err == nil && len(list) != 1 {
		err = fmt.Errorf("%d elements; a checkout token is for one", len(list))
	}
	if err != nil {
		return detail{}, err
	}
	return list[0], nil
}

func (c *Client) purchase(e detail) (*Purchase, error) {
	if c.Checkout == nil || !contains(c.DetailTypes, DetailCheckout) {
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
			continue
		case name == "customer_id":
			p.Customer = s
		case name == "invoice_id":
			p.Invoice = s
		default:
			return nil, fmt.Errorf("member %s is not known here", Quote(name))
		}
	}
	for _, id := range []string{p.Customer, p.Invoice} {
		if !ValidCheckoutID(id) {
			return nil, errors.New("customer_id and invoice_id must be strings of 1 to 255 bytes without control characters")
		}
	}
	return p, nil
}
