package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/assembly"
	"cambio/exchange/mail"
	"cambio/exchange/mail/mailtest"
	"cambio/exchange/server"
)

// outsideParty is a party that does not respond until it is released.
type outsideParty struct {
	*world
	bound   int           // of the requests that wait for it
	request func() answer // one that waits for it
	release func()
	busy    exchange.Reason // of the next request
}

// few leaves two places among the requests in flight.
func few(cfg *server.Config) { cfg.MaxInFlight, cfg.MaxQueued = 2, 100 }

// hanging starts an HTTP server that responds once it is released.
func hanging(t *testing.T, body string) (url string, release func()) {
	responds := make(chan struct{})
	release = sync.OnceFunc(func() { close(responds) })
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-responds:
		case <-r.Context().Done():
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, body)
	}))
	t.Cleanup(func() { release(); s.Close() })
	return s.URL, release
}

func mailServer(t *testing.T) outsideParty {
	smtp := mailtest.New(t, mailtest.Options{})
	smtp.Hang(true)
	const sending, waiting = 2, 10
	sender := must(mail.New(mail.Config{
		Host: smtp.Host, Port: smtp.Port, TLS: mail.NoTLS, From: "login@id.example", MaxConcurrent: sending, MaxWaiting: waiting,
	}))
	p := &partners{newWorldWith(t, assembly.Config{Mail: sender}, patient, few), smtp}
	p.register()
	var users atomic.Int64
	return outsideParty{p.world, sending + waiting, func() answer {
		return p.send(p.opened("k", false, "").str("requestId"), fmt.Sprintf("user%d@example.com", users.Add(1)))
	}, func() { smtp.Hang(false) }, exchange.ReasonMailUnavailable}
}

func webhook(t *testing.T) outsideParty {
	url, release := hanging(t, `{"accepted":true}`)
	p, secret := withShop(t, patient, few)
	m := p.manifest()
	i := slices.IndexFunc(m.Clients, func(c exchange.Client) bool { return c.ID == "machine" })
	c := &m.Clients[i]
	c.Grants = []string{exchange.GrantClientCredentials, exchange.GrantTokenExchange}
	c.Scopes, c.DefaultScopes, c.Audiences, c.DetailTypes = []string{"checkout:create"}, nil, []string{publicURL}, []string{"checkout"}
	c.Checkout = &exchange.Checkout{Audience: pay, Invoices: exchange.InvoicesWebhook, Webhook: &exchange.Webhook{
		URL: url, Secret: exchange.SharedSecret{ID: "w", Value: "a webhook's secret of 32 bytes or more"}, AllowPrivateAddresses: true,
	}}
	p.apply(m)
	own := p.own(secret, "scope", "checkout:create")
	return outsideParty{p, 32, func() answer { return p.init(own, purchase) }, release, exchange.ReasonInvoicesUnavailable}
}

func blockchain(t *testing.T) outsideParty {
	url, release := hanging(t, `{"result":"0x1626ba7e00000000000000000000000000000000000000000000000000000000"}`)
	p := newWorld(t, patient, few)
	m := p.manifest()
	client := shopClient()
	client.Wallets.RPC = map[string]string{"eip155:1": url}
	m.Clients = append(m.Clients, client)
	p.apply(m)
	secret, key := p.newSecret("shop"), evmKeyOf(1)
	return outsideParty{p, 32, func() answer {
		opened := p.post(sessionPath, fmt.Sprintf(`{"signingAddress":%q,"signingType":"EVM"}`, key.address()), "Authorization", basicAuth("shop", secret))
		session := []string{"X-Client-Session-Id", opened.str("id")}
		started := p.post(startPath, fmt.Sprintf(`{"walletAddress":%q,"walletType":"EVM"}`, key.address()), session...)
		return p.post(authenticatePath, fmt.Sprintf(`{"walletAddress":%q,"walletType":"EVM","challengeId":%q,"signature":"0xab"}`,
			key.address(), started.str("challengeId")), session...)
	}, release, exchange.ReasonChainUnavailable}
}

// While as many requests as may wait for a party that does not respond, the next for
// it is refused at once, and everyone else is served.
func TestWaitingForAnOutsidePartyIsBounded(t *testing.T) {
	for name, start := range map[string]func(*testing.T) outsideParty{"mail server": mailServer, "webhook": webhook, "blockchain endpoint": blockchain} {
		t.Run(name, func(t *testing.T) {
			p := start(t)
			answers := make(chan answer, p.bound)
			for range p.bound {
				go func() { answers <- p.request() }()
			}
			for until := time.Now().Add(5 * time.Second); p.gauge("cambio_requests_outside") != float64(p.bound); time.Sleep(time.Millisecond) {
				if time.Now().After(until) {
					t.Fatalf("%v requests wait outside, %v hold a place", p.gauge("cambio_requests_outside"), p.gauge("cambio_requests_in_flight"))
				}
			}
			began := time.Now()
			a := p.request()
			p.want(a, 503, p.busy)
			if took := time.Since(began); took > time.Second || a.header.Get("Retry-After") == "" {
				t.Errorf("refused after %s, Retry-After %q", took, a.header.Get("Retry-After"))
			}
			if strings.Contains(p.logged.String(), a.str("request_id")) {
				t.Errorf("a caller fills the log: %s", p.logged)
			}
			for range 5 {
				p.want(p.post("/auth/external/exchange", `{"token":"`+p.vendorToken()+`","issuerId":"vendor"}`, "X-API-Key", "web", "Origin", page), 200, "")
			}
			p.release()
			for range p.bound {
				p.want(<-answers, 200, "")
			}
			for _, name := range []string{"cambio_requests_outside", "cambio_requests_in_flight", "cambio_requests_queued"} {
				if n := p.gauge(name); n != 0 {
					t.Errorf("%s is %v at the end", name, n)
				}
			}
		})
	}
}
