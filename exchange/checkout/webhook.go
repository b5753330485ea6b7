package checkout

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"time"

	"cambio/exchange"
	"cambio/jwks/egress"
	"cambio/jwks/strictjson"
)

// Limits of requests to webhooks.
const (
	webhookTimeout = 2 * time.Second
	maxResponse    = 4 << 10 // bytes
	maxConcurrent  = 32      // requests to the webhook of one client
)

// webhooks sends requests to webhooks. A slow webhook delays only its own client.
type webhooks struct {
	public, private *egress.Client
	waiters         *egress.Waiters // for each client
}

func newWebhooks() *webhooks {
	client := func(private bool) *egress.Client {
		return egress.New(egress.Options{Private: private, Timeout: webhookTimeout, MaxBody: maxResponse})
	}
	return &webhooks{public: client(false), private: client(true), waiters: egress.NewWaiters(maxConcurrent)}
}

// request is the body of a request to a webhook.
type request struct {
	Client   string    `json:"client_id"`
	Partner  string    `json:"partner_id"`
	Customer string    `json:"customer_id"`
	Invoice  string    `json:"invoice_id"`
	Request  string    `json:"request_id"`
	Time     time.Time `json:"time"`
}

// accept verifies an invoice by the client's webhook.
func (h *webhooks) accept(ctx context.Context, client *exchange.CompiledClient, p exchange.Purchase, requestID string, now time.Time) error {
	id := client.Client.ID
	end, ok := h.waiters.Begin(ctx, id)
	if !ok {
		return unavailable(fmt.Errorf("%d requests to the webhook of %s are under way", maxConcurrent, id))
	}
	defer end()
	yes, err := h.send(ctx, client, request{
		Client: id, Partner: p.Partner, Customer: p.Customer, Invoice: p.Invoice, Request: requestID, Time: now.UTC(),
	})
	switch {
	case err != nil:
		return unavailable(fmt.Errorf("asking the webhook of %s: %w", id, err))
	case !yes:
		return exchange.Refuse(exchange.ReasonInvoiceNotAccepted, errors.New("the webhook does not accept it"))
	}
	return nil
}

func (h *webhooks) send(ctx context.Context, client *exchange.CompiledClient, r request) (bool, error) {
	hook := client.Client.Checkout.Webhook
	if hook == nil || len(client.WebhookSecret) == 0 {
		return false, errors.New("it has no URL or no secret")
	}
	body, err := json.Marshal(r)
	if err != nil {
		return false, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, hook.URL, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Cambio-Signature", sign(client.WebhookSecret, body, r.Time))
	out := h.public
	if hook.AllowPrivateAddresses {
		out = h.private
	}
	resp, err := out.Do(req)
	if err != nil {
		return false, err
	}
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.Status != http.StatusOK:
		return false, fmt.Errorf("status %d", resp.Status)
	case err != nil || media != "application/json":
		return false, fmt.Errorf("the response is %s, want application/json", exchange.Quote(resp.Header.Get("Content-Type")))
	}
	return accepted(resp.Body)
}

// sign returns the value of Cambio-Signature. It covers the time, so that an
// intercepted request cannot be sent again later.
func sign(secret, body []byte, now time.Time) string {
	at := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(at + "."))
	mac.Write(body)
	return fmt.Sprintf("t=%s,v1=%x", at, mac.Sum(nil))
}

// accepted reads a response: a JSON object with one member accepted, true or
// false. Other members are ignored. A page that a proxy or a parked domain serves
// with status 200 is no response.
func accepted(body []byte) (bool, error) {
	r := strictjson.New(string(body), strictjson.Options{AllowNUL: true})
	var yes, found bool
	for name := range r.Object() {
		if name == "accepted" {
			yes, found = r.Bool(), true
		}
	}
	if err := r.End(); err != nil {
		return false, fmt.Errorf("reading the response: %w", err)
	}
	if !found {
		return false, errors.New("the response has no member accepted")
	}
	return yes, nil
}
