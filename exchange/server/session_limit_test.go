package server_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cambio/exchange"
)

// One valid token that is posted again and again makes no more sessions than its
// client's registration allows, and after a thousand no more than one a second.
// Other users, and other clients of the user, are not refused.
func TestSessionsOfUserAreBounded(t *testing.T) {
	p := newWorld(t, patient)
	m := p.manifest()
	m.Clients[0].MaxSessionsPerUser = 2
	p.apply(m)
	body := fmt.Sprintf(`{"token":%q}`, p.idToken())
	exchangeAs := func(body string, headers []string) answer { return p.post("/auth/external/exchange", body, headers...) }
	first := exchangeAs(body, webPage)
	second, third := exchangeAs(body, webPage), exchangeAs(body, webPage)
	refresh := func(a answer) answer {
		return p.post("/auth/refresh", fmt.Sprintf(`{"refreshToken":%q}`, a.str("refreshToken")), webPage...)
	}
	p.want(refresh(first), 400, exchange.ReasonSessionEnded)
	p.want(refresh(second), 200, "")
	p.want(refresh(third), 200, "")

	granted := 3
	var refused answer
	for range 1500 {
		a := exchangeAs(body, webPage)
		if a.status != 200 {
			refused = a
			break
		}
		granted++
	}
	if p.want(refused, 429, exchange.ReasonTooManySessions); granted != 1000 || refused.header.Get("Retry-After") != "1" {
		t.Errorf("%d sessions, then %v", granted, refused.header)
	}
	p.want(exchangeAs(body, p.asBasic()), 200, "")
	p.want(exchangeAs(fmt.Sprintf(`{"token":%q}`, p.issuer.Sign(p.issuer.Claims("bob", "web"))), webPage), 200, "")
	p.pass(time.Second)
	p.want(exchangeAs(body, webPage), 200, "")
	p.want(exchangeAs(body, webPage), 429, exchange.ReasonTooManySessions)
	told := 0
	for _, e := range p.events() {
		if strings.Contains(fmt.Sprint(e["audited"]), "maxSessionsPerUser") && e["outcome"] == "granted" {
			told++
		}
	}
	if told != granted+1-2 {
		t.Errorf("%d events tell of a session that ended", told)
	}
}
