package checkout_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/checkout"
	"cambio/storage"
	"cambio/storage/bolt"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func open(t *testing.T) (*checkout.Invoices, storage.Engine) {
	t.Helper()
	e, err := bolt.Open(filepath.Join(t.TempDir(), "db"), bolt.Options{NoSync: true})
	must(t, err)
	t.Cleanup(func() { e.Close() })
	return checkout.New(e, make([]byte, 32)), e
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func compiled(id string, source exchange.InvoiceSource) *exchange.CompiledClient {
	return &exchange.CompiledClient{Client: &exchange.Client{ID: id, Checkout: &exchange.Checkout{Invoices: source}}}
}

func invoice(customer, id string) exchange.Invoice {
	return exchange.Invoice{Customer: customer, ID: id}
}

func purchase(customer, invoice string) exchange.Purchase {
	return exchange.Purchase{Partner: "p-1", Customer: customer, Invoice: invoice}
}

// is checks the reason of a refusal; empty means no refusal.
func is(t *testing.T, err error, want exchange.Reason) {
	t.Helper()
	var got exchange.Reason
	if e, ok := errors.AsType[*exchange.Error](err); ok {
		got = e.Reason
	} else if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestInvoicesOfCustomer(t *testing.T) {
	i, _ := open(t)
	shop := compiled("shop", exchange.InvoicesRegistered)
	must(t, i.Add(t.Context(), "shop", []exchange.Invoice{invoice("c-1", "i-1"), invoice("c-1", "i-2"), invoice("c/2", "i-1"), invoice("c-1", "i-1")}, noon))
	for _, row := range []struct {
		name              string
		client            *exchange.CompiledClient
		customer, invoice string
		want              exchange.Reason
	}{
		{"on the list", shop, "c-1", "i-1", ""},
		{"with a slash", shop, "c/2", "i-1", ""},
		{"another customer's", shop, "c/2", "i-2", exchange.ReasonInvoiceNotAccepted},
		{"of an unknown customer", shop, "c-3", "i-1", exchange.ReasonInvoiceNotAccepted},
		{"in another case", shop, "C-1", "i-1", exchange.ReasonInvoiceNotAccepted},
		{"customer and invoice swapped", shop, "i-1", "c-1", exchange.ReasonInvoiceNotAccepted},
		{"another client's", compiled("other", exchange.InvoicesRegistered), "c-1", "i-1", exchange.ReasonInvoiceNotAccepted},
		{"of a client without a source", compiled("other", exchange.InvoicesNone), "c-9", "i-9", ""},
		{"of a client with the default source", compiled("other", ""), "c-9", "i-9", ""},
		{"of a client with an unknown source", compiled("shop", "oracle"), "c-1", "i-1", exchange.ReasonInvoicesUnavailable},
		{"of a webhook that is not registered", compiled("shop", exchange.InvoicesWebhook), "c-1", "i-1", exchange.ReasonInvoicesUnavailable},
	} {
		t.Run(row.name, func(t *testing.T) {
			is(t, i.Accept(t.Context(), row.client, purchase(row.customer, row.invoice), "r", noon), row.want)
		})
	}
	n, err := i.Remove(t.Context(), "shop", []exchange.Invoice{invoice("c-1", "i-1"), invoice("c-1", "i-9"), invoice("c-1", "i-1")})
	if must(t, err); n != 1 {
		t.Errorf("removed %d", n)
	}
	is(t, i.Accept(t.Context(), shop, purchase("c-1", "i-1"), "r", noon), exchange.ReasonInvoiceNotAccepted)
	is(t, i.Accept(t.Context(), shop, purchase("c-1", "i-2"), "r", noon), "")
}

func TestListPages(t *testing.T) {
	i, e := open(t)
	var all []exchange.Invoice
	for n := range 300 {
		all = append(all, invoice(fmt.Sprint("c-", n%3), fmt.Sprint("i-", n)))
	}
	must(t, i.Add(t.Context(), "shop", all, noon))
	must(t, i.Add(t.Context(), "shop-2", all[:2], noon)) // its ID begins like the other
	walk := func(customer string) map[string]bool {
		seen, from := map[string]bool{}, ""
		for {
			list, next, err := i.List(t.Context(), "shop", customer, from, 7)
			must(t, err)
			for _, v := range list {
				if seen[v.ID] || customer != "" && v.Customer != customer || !v.Added.Equal(noon) {
					t.Errorf("listed %+v", v)
				}
				seen[v.ID] = true
			}
			if from = next; from == "" {
				return seen
			}
		}
	}
	if got := len(walk("")); got != 300 {
		t.Errorf("listed %d of 300", got)
	}
	if got := len(walk("c-1")); got != 100 {
		t.Errorf("listed %d of a customer's 100", got)
	}
	must(t, i.Forget(t.Context(), "shop"))
	left := 0
	for _, err := range e.Scan(t.Context(), "invoices", "", "", 0) {
		must(t, err)
		left++
	}
	if left != 2 {
		t.Errorf("%d are left, want those of the other client", left)
	}
}

// hook is a client's webhook; it records requests.
type hook struct {
	*httptest.Server
	mu      sync.Mutex
	got     []string
	respond http.HandlerFunc
}

func newHook(t *testing.T, respond http.HandlerFunc) (*hook, *exchange.CompiledClient) {
	h := &hook{respond: respond}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		h.got = append(h.got, r.Method+" "+r.Header.Get("Cambio-Signature")+" "+string(body))
		h.mu.Unlock()
		h.respond(w, r)
	}))
	t.Cleanup(h.Close)
	p := compiled("shop", exchange.InvoicesWebhook)
	p.WebhookSecret = []byte(strings.Repeat("k", 32))
	p.Client.Checkout.Webhook = &exchange.Webhook{URL: h.URL + "/invoices?key=inurl", AllowPrivateAddresses: true}
	return h, p
}

// requests returns the requests so far.
func (h *hook) requests() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.got)
}

func responds(status int, media, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func TestWebhookResponses(t *testing.T) {
	const js = "application/json"
	elsewhere := httptest.NewServer(responds(200, js, `{"accepted":true}`))
	t.Cleanup(elsewhere.Close)
	for _, row := range []struct {
		name    string
		respond http.HandlerFunc
		want    exchange.Reason
	}{
		{"yes", responds(200, js, `{"accepted":true}`), ""},
		{"yes, and more", responds(200, js+"; charset=utf-8", ` {"note":{"accepted":false},"accepted":true} `), ""},
		{"no", responds(200, js, `{"accepted":false}`), exchange.ReasonInvoiceNotAccepted},
		{"both", responds(200, js, `{"accepted":false,"accepted":true}`), exchange.ReasonInvoicesUnavailable},
		{"in another case", responds(200, js, `{"Accepted":true}`), exchange.ReasonInvoicesUnavailable},
		{"a string", responds(200, js, `{"accepted":"true"}`), exchange.ReasonInvoicesUnavailable},
		{"null", responds(200, js, `{"accepted":null}`), exchange.ReasonInvoicesUnavailable},
		{"nothing", responds(200, js, ``), exchange.ReasonInvoicesUnavailable},
		{"an empty object", responds(200, js, `{}`), exchange.ReasonInvoicesUnavailable},
		{"true alone", responds(200, js, `true`), exchange.ReasonInvoicesUnavailable},
		{"a list", responds(200, js, `[{"accepted":true}]`), exchange.ReasonInvoicesUnavailable},
		{"something after it", responds(200, js, `{"accepted":true}{}`), exchange.ReasonInvoicesUnavailable},
		{"a page", responds(200, "text/html", `{"accepted":true}`), exchange.ReasonInvoicesUnavailable},
		{"created", responds(201, js, `{"accepted":true}`), exchange.ReasonInvoicesUnavailable},
		{"not found", responds(404, js, `{"accepted":true}`), exchange.ReasonInvoicesUnavailable},
		{"an error", responds(500, js, `{"accepted":true}`), exchange.ReasonInvoicesUnavailable},
		{"too much", responds(200, js, `{"accepted":true`+strings.Repeat(" ", 5000)+`}`), exchange.ReasonInvoicesUnavailable},
		{"elsewhere", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, exchange.ReasonInvoicesUnavailable},
		{"cut off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, exchange.ReasonInvoicesUnavailable},
	} {
		t.Run(row.name, func(t *testing.T) {
			i, _ := open(t)
			h, p := newHook(t, row.respond)
			err := i.Accept(t.Context(), p, purchase("c-1", "i-1"), "r-1", noon)
			is(t, err, row.want)
			if err != nil && strings.Contains(err.Error(), "inurl") {
				t.Errorf("the error repeats the URL: %v", err)
			}
			if n := len(h.requests()); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestWebhookRequestIsSigned(t *testing.T) {
	i, _ := open(t)
	h, p := newHook(t, responds(200, "application/json", `{"accepted":true}`))
	must(t, i.Accept(t.Context(), p, purchase("c-1", `i"1`), "r-1", noon))
	method, rest, _ := strings.Cut(h.requests()[0], " ")
	signature, body, _ := strings.Cut(rest, " ")
	mac := hmac.New(sha256.New, p.WebhookSecret)
	fmt.Fprintf(mac, "%d.%s", noon.Unix(), body)
	if want := fmt.Sprintf("t=%d,v1=%x", noon.Unix(), mac.Sum(nil)); method != "POST" || signature != want {
		t.Errorf("%s with %s, want %s", method, signature, want)
	}
	var got map[string]string
	must(t, json.Unmarshal([]byte(body), &got))
	want := map[string]string{
		"client_id": "shop", "partner_id": "p-1", "customer_id": "c-1", "invoice_id": `i"1`, "request_id": "r-1", "time": "2026-03-01T12:00:00Z",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("sent %v, want %v", got, want)
	}
}

func TestWebhookOutOfReach(t *testing.T) {
	for name, change := range map[string]func(*hook, *exchange.CompiledClient){
		"down":                     func(h *hook, _ *exchange.CompiledClient) { h.Close() },
		"on loopback, not allowed": func(_ *hook, p *exchange.CompiledClient) { p.Client.Checkout.Webhook.AllowPrivateAddresses = false },
		"on a name that is loopback": func(h *hook, p *exchange.CompiledClient) {
			p.Client.Checkout.Webhook.URL = strings.Replace(h.URL, "127.0.0.1", "localhost", 1)
			p.Client.Checkout.Webhook.AllowPrivateAddresses = false
		},
		"where clouds keep metadata": func(_ *hook, p *exchange.CompiledClient) { p.Client.Checkout.Webhook.URL = "http://169.254.169.254/" },
		"no secret":                  func(_ *hook, p *exchange.CompiledClient) { p.WebhookSecret = nil },
		"no URL":                     func(_ *hook, p *exchange.CompiledClient) { p.Client.Checkout.Webhook.URL = "" },
	} {
		t.Run(name, func(t *testing.T) {
			i, _ := open(t)
			h, p := newHook(t, responds(200, "application/json", `{"accepted":true}`))
			change(h, p)
			is(t, i.Accept(t.Context(), p, purchase("c-1", "i-1"), "r-1", noon), exchange.ReasonInvoicesUnavailable)
			if got := h.requests(); len(got) != 0 {
				t.Errorf("it got %q", got)
			}
		})
	}
}

func TestSlowWebhookDelaysOnlyItsClient(t *testing.T) {
	i, _ := open(t)
	var began sync.WaitGroup
	began.Add(32)
	release := make(chan struct{})
	_, slow := newHook(t, func(w http.ResponseWriter, _ *http.Request) {
		began.Done()
		<-release
		responds(200, "application/json", `{"accepted":true}`)(w, nil)
	})
	_, fast := newHook(t, responds(200, "application/json", `{"accepted":true}`))
	fast.Client.ID = "fast"
	var waiting sync.WaitGroup
	for range 32 {
		waiting.Go(func() { _ = i.Accept(t.Context(), slow, purchase("c-1", "i-1"), "r", noon) })
	}
	began.Wait()
	is(t, i.Accept(t.Context(), slow, purchase("c-1", "i-1"), "r", noon), exchange.ReasonInvoicesUnavailable)
	is(t, i.Accept(t.Context(), fast, purchase("c-1", "i-1"), "r", noon), "")
	close(release)
	waiting.Wait()
	slow.Client.Checkout.Webhook = fast.Client.Checkout.Webhook
	is(t, i.Accept(t.Context(), slow, purchase("c-1", "i-1"), "r", noon), "")
}

func TestWebhookTimesOut(t *testing.T) {
	i, _ := open(t)
	_, p := newHook(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	is(t, i.Accept(t.Context(), p, purchase("c-1", "i-1"), "r", noon), exchange.ReasonInvoicesUnavailable)
}
