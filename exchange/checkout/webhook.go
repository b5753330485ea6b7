package checkout

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"sync"
	"time"

	"cambio/exchange"
	"cambio/jwks/egress"
)

// Bounds of a question to a webhook.
const (
	hookTimeout = 2 * time.Second // in all
	mostAnswer  = 4 << 10         // bytes
	mostAsking  = 32              // at once, for each client
)

// hooks asks webhooks. A client whose webhook is slow holds up only itself.
type hooks struct {
	public, private *egress.Client

	mu     sync.Mutex
	asking map[string]int // client → questions under way
}

func webhookClient(private bool) *egress.Client {
	return egress.New(egress.Options{Private: private, Timeout: hookTimeout, MaxBody: mostAnswer})
}

// question is the body of what a webhook is asked.
type question struct {
	Client   string    `json:"client_id"`
	Partner  string    `json:"partner_id"`
	Customer string    `json:"customer_id"`
	Invoice  string    `json:"invoice_id"`
	Request  string    `json:"request_id"`
	Time     time.Time `json:"time"`
}

func (h *hooks) ask(ctx context.Context, party *exchange.CompiledClient, p exchange.Purchase, requestID string, now time.Time) error {
	client := party.Client
	if !h.enter(client.ID) {
		return unavailable(fmt.Errorf("%d questions to the webhook of %s are under way", mostAsking, client.ID))
	}
	defer h.leave(client.ID)
	accepted, err := h.call(ctx, party, question{
		Client: client.ID, Partner: p.Partner, Customer: p.Customer, Invoice: p.Invoice, Request: requestID, Time: now.UTC(),
	}, now)
	switch {
	case err != nil:
		return unavailable(fmt.Errorf("asking the webhook of %s: %w", client.ID, err))
	case !accepted:
		return exchange.Refuse(exchange.ReasonInvoiceNotAccepted, errors.New("the webhook says no"))
	}
	return nil
}

func (h *hooks) call(ctx context.Context, party *exchange.CompiledClient, q question, now time.Time) (bool, error) {
	hook := party.Client.Checkout.Webhook
	if hook == nil || len(party.WebhookSecret) == 0 {
		return false, errors.New("it has no URL or no secret")
	}
	body, err := json.Marshal(q)
	if err != nil {
		return false, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, hook.URL, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Cambio-Signature", sign(party.WebhookSecret, body, now))
	by := h.public
	if hook.AllowPrivateAddresses {
		by = h.private
	}
	resp, err := by.Do(req)
	if err != nil {
		return false, err
	}
	return read(resp)
}

// sign is the value of Cambio-Signature. The time is signed too, so that a
// question that was overheard cannot be asked again later.
func sign(secret, body []byte, now time.Time) string {
	at := strconv.FormatInt(now.Unix(), 10)
	h := hmac.New(sha256.New, secret)
	io.WriteString(h, at+".") // a hash never fails
	h.Write(body)
	return fmt.Sprintf("t=%s,v1=%x", at, h.Sum(nil))
}

// read wants a clear yes or no: a page that a proxy or a parked domain answers
// with 200 says neither.
func read(resp *egress.Response) (bool, error) {
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.Status != http.StatusOK:
		return false, fmt.Errorf("status %d", resp.Status)
	case err != nil || media != "application/json":
		return false, fmt.Errorf("the answer is %s, want application/json", exchange.Quote(resp.Header.Get("Content-Type")))
	}
	return accepted(resp.Body)
}

// accepted reads an answer: a JSON object with one member accepted, true or
// false. Other members are the webhook's own.
func accepted(body []byte) (bool, error) {
	if !json.Valid(body) {
		return false, errors.New("the answer is not JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return false, errors.New("the answer is not a JSON object")
	}
	var said []bool
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return false, err
		}
		var v any
		if err := dec.Decode(&v); err != nil {
			return false, err
		}
		if name != "accepted" {
			continue
		}
		yes, ok := v.(bool)
		if !ok {
			return false, errors.New("accepted is neither true nor false")
		}
		said = append(said, yes)
	}
	if len(said) != 1 {
		return false, fmt.Errorf("the answer says accepted %d times", len(said))
	}
	return said[0], nil
}

func (h *hooks) enter(client string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.asking[client] >= mostAsking {
		return false
	}
	h.asking[client]++
	return true
}

func (h *hooks) leave(client string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.asking[client]--; h.asking[client] == 0 {
		delete(h.asking, client)
	}
}
