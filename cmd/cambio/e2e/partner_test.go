package e2e

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"cambio/exchange"
	"cambio/exchange/mail/mailtest"
)

// partnerID is a client that keeps a key for each of its users.
const partnerID = "partner"

// mailPassword is the password at the SMTP server.
const mailPassword = "the password of the SMTP server"

// partnership is a server, its SMTP server, and a partner's private key.
type partnership struct {
	*server
	smtp       *mailtest.Server
	privateKey string
}

// partnerWorld mails by STARTTLS, as the configuration's user.
func partnerWorld(t *testing.T) *partnership {
	t.Helper()
	smtp := mailtest.New(t, mailtest.Options{STARTTLS: true, Username: "cambio", Password: mailPassword})
	dir := t.TempDir()
	file := func(name, content string) string {
		if err := os.WriteFile(dir+"/"+name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir + "/" + name
	}
	p := &partnership{smtp: smtp, server: start(t,
		"CAMBIO_MAIL_HOST="+smtp.Host, fmt.Sprint("CAMBIO_MAIL_PORT=", smtp.Port), "CAMBIO_MAIL_FROM=Shop <login@shop.example.com>",
		"CAMBIO_MAIL_CA_FILE="+file("ca.pem", string(smtp.Certificate)), "CAMBIO_MAIL_TIMEOUT=5s",
		"CAMBIO_MAIL_USERNAME=cambio", "CAMBIO_MAIL_PASSWORD_FILE="+file("password", mailPassword+"\n"),
	)}
	p.seen.add(mailPassword)
	p.register()
	return p
}

// register creates the partner's key and registers its public half.
func (p *partnership) register() {
	p.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		p.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		p.t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		p.t.Fatal(err)
	}
	p.privateKey = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	p.trust(`clients:
  - id: %s
    name: Acme & Sons
    origins: [%s]
    scopes: [%s]
    defaultScopes: [%[3]s]
    audiences: ["%s"]
    refreshTokens: true
    proofs: [otp, one-time-token]
    authKeys: {signingKeys: %q}
`, partnerID, origin, scope, audience, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
}

// keyRequest is the response to a signed request.
type keyRequest struct {
	RequestID    string `json:"requestId"`
	Next         string
	OneTimeToken string `json:"oneTimeToken"`
	ID           string `json:"-"` // X-Request-Id
}

// open signs and sends a request with Node.
func (p *partnership) open(body map[string]any) keyRequest {
	p.t.Helper()
	var got struct {
		Status int
		ID     string // X-Request-Id
		Answer keyRequest
	}
	node(p.t, "partner.mjs", map[string]any{"url": p.url, "client": partnerID, "privateKey": p.privateKey, "body": body}, &got)
	if got.Status != http.StatusCreated || got.Answer.RequestID == "" {
		p.t.Fatalf("got %+v", got)
	}
	got.Answer.ID = got.ID
	p.seen.addToken(got.Answer.RequestID)
	p.seen.add(got.Answer.OneTimeToken, fmt.Sprint(body["partnerUserId"]))
	return got.Answer
}

// page calls a JSON endpoint as a page of the partner.
func (p *partnership) page(path string, body map[string]string) answer {
	p.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	a, sent, err := p.fetch(origin, path, "application/json", string(text), header{"X-API-Key", partnerID})
	if err != nil || !sent {
		p.t.Fatalf("the page got no response: %v", err)
	}
	return a
}

// send requests a code for an address and returns its emailId.
func (p *partnership) send(requestID, address string) (emailID string) {
	p.t.Helper()
	a := p.page("/auth/otp/email:send", map[string]string{"requestId": requestID, "emailAddress": address})
	var got struct{ EmailID, EmailMask string }
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusOK || got.EmailMask == "" {
		p.t.Fatalf("got %s", a)
	}
	p.seen.addToken(got.EmailID)
	return got.EmailID
}

// userOf returns the user in a JSON endpoint's response.
func userOf(t *testing.T, a answer) (id string, isNew bool) {
	t.Helper()
	var got struct {
		User struct {
			ID    string
			IsNew bool `json:"isNew"`
		}
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusOK || got.User.ID == "" {
		t.Fatalf("got %s", a)
	}
	return got.User.ID, got.User.IsNew
}

// link logs a user in by a code, which links the key.
func (p *partnership) link(key, address string) (user string, isNew bool) {
	p.t.Helper()
	emailID := p.send(p.open(map[string]any{"partnerUserId": key, "passwordless": true}).RequestID, address)
	a := p.page("/auth/otp/email:authenticate", map[string]string{"emailId": emailID, "otp": p.smtp.Last(p.t).Code(p.t)})
	return userOf(p.t, p.tokensOf(a))
}

func redeemForm(r keyRequest, verifier string) url.Values {
	form := url.Values{
		"grant_type": {exchange.GrantTokenExchange}, "client_id": {partnerID},
		"subject_token": {r.OneTimeToken}, "subject_token_type": {exchange.TypeOneTimeToken}, "request_id": {r.RequestID},
	}
	if verifier != "" {
		form.Set("code_verifier", verifier)
	}
	return form
}

// TestAuthKey logs a partner's users in, first by code and later by one-time token,
// with requests signed by Node and a real SMTP server over STARTTLS.
func TestAuthKey(t *testing.T) {
	t.Parallel()
	needNode(t)
	p := partnerWorld(t)
	const key = "6f1c9a52-3f0e-4c9d-9a3b-0d6f1be2a7d1"
	alice, isNew := p.link(key, "Alice@example.com")
	m := p.smtp.Last(t)
	if !isNew || !m.TLS || m.User != "cambio" || m.From != "login@shop.example.com" || m.To[0] != "alice@example.com" ||
		m.Subject != "Your login code for Acme & Sons" || !strings.Contains(m.HTML, "Acme &amp; Sons") {
		t.Errorf("new %v, mailed %+v", isNew, m)
	}

	verifier := rand.Text() + rand.Text()
	hash := sha256.Sum256([]byte(verifier))
	r := p.open(map[string]any{
		"partnerUserId": key, "passwordless": true, "codeChallenge": base64.RawURLEncoding.EncodeToString(hash[:]), "locale": "en",
	})
	if r.Next != "one_time_token" {
		t.Fatalf("next is %s", r.Next)
	}
	p.call("/oauth/token", redeemForm(r, "")).refused(t, 400, exchange.InvalidRequest, exchange.ReasonChallengeInvalid)
	var won atomic.Int64
	each(t.Context(), 64, func(ctx context.Context, _ int) {
		a, err := p.post(ctx, "/oauth/token", redeemForm(r, verifier))
		switch {
		case err != nil:
			t.Error(err)
		case a.status == http.StatusOK && a.User.ID == alice && !a.User.IsNew:
			won.Add(1)
		case a.Code != string(exchange.ReasonChallengeInvalid) && a.Code != string(exchange.ReasonTooManyFailures):
			t.Errorf("got %s", a)
		}
	})
	if won.Load() != 1 {
		t.Errorf("%d of 64 redeemed a one-time token", won.Load())
	}
}

// Requests, spent tokens and limits survive a killed process.
func TestAuthKeySurvivesKill(t *testing.T) {
	t.Parallel()
	needNode(t)
	p := partnerWorld(t)
	const key = "0c6a3b1e-6d57-4f2a-8f0f-2f7f5f0e9a11"
	alice, _ := p.link(key, "alice@example.com")
	ask := map[string]any{"partnerUserId": key, "passwordless": true}
	spent, unspent := p.open(ask), p.open(ask)
	p.call("/oauth/token", redeemForm(spent, "")).granted(t)
	p.kill(t)
	p.restart()
	p.call("/oauth/token", redeemForm(spent, "")).refused(t, 400, exchange.InvalidRequest, exchange.ReasonChallengeInvalid)
	if a := p.call("/oauth/token", redeemForm(unspent, "")).granted(t); a.User.ID != alice {
		t.Errorf("user %s became %s", alice, a.User.ID)
	}
	p.page("/auth/otp/email:send", map[string]string{"requestId": p.open(ask).RequestID, "emailAddress": "alice@example.com"}).
		refused(t, 429, exchange.SlowDown, exchange.ReasonMailTooSoon)
}

// A key moves to another user by codes to both addresses, or after the operator
// unlinked it.
func TestAuthKeyRelinks(t *testing.T) {
	t.Parallel()
	needNode(t)
	p := partnerWorld(t)
	const key = "9a4d2f60-1f53-4f1d-8a86-3a2f6d4f7c22"
	alice, _ := p.link(key, "alice@example.com")
	ask := map[string]any{"partnerUserId": key, "passwordless": true}
	toBob := p.send(p.open(ask).RequestID, "bob@example.com")
	bobCode := p.smtp.Last(t).Code(t)
	p.page("/auth/otp/email:authenticate", map[string]string{"emailId": toBob, "otp": bobCode}).
		refused(t, 409, exchange.InvalidRequest, exchange.ReasonLinkedElsewhere)
	if a := p.call("/oauth/token", redeemForm(p.open(ask), "")).granted(t); a.User.ID != alice {
		t.Fatalf("user %s became %s", alice, a.User.ID)
	}

	// The operator finds the key by the partner's request_id.
	r := p.open(ask)
	subject := ""
	await(t, "the audit event of a request", func() bool {
		for line := range strings.Lines(p.read("audit.log")) {
			var e struct {
				Issuer, Subject string
				ID              string `json:"request_id"`
			}
			if json.Unmarshal([]byte(line), &e) == nil && e.ID == r.ID && e.Issuer == "key:"+partnerID {
				subject = e.Subject
			}
		}
		return subject != ""
	})
	if shown := p.cambio("", "user", "show", alice); !strings.Contains(shown, subject) {
		t.Errorf("%s is none of the user's links:\n%s", subject, shown)
	}
	p.cambio("", "unlink", "key:"+partnerID, subject)
	if r := p.open(ask); r.Next != "otp" || r.OneTimeToken != "" {
		t.Errorf("an unlinked key returns %+v", r)
	}
	a := p.page("/auth/otp/email:authenticate", map[string]string{"emailId": toBob, "otp": bobCode})
	if bob, isNew := userOf(t, p.tokensOf(a)); bob == alice || !isNew {
		t.Errorf("bob is %s, new %v", bob, isNew)
	}
}

// Without mail no user is linked, and the log names the reason.
func TestAuthKeyWithoutMail(t *testing.T) {
	t.Parallel()
	needNode(t)
	for _, row := range []struct {
		name, says string
		start      func(t *testing.T) *partnership
	}{
		{"not configured", "mail.host", func(t *testing.T) *partnership {
			p := &partnership{server: start(t)}
			p.register()
			return p
		}},
		{"down", "connection refused", func(t *testing.T) *partnership {
			p := partnerWorld(t)
			p.smtp.Close()
			return p
		}},
		{"refusing", "mailbox full", func(t *testing.T) *partnership {
			p := partnerWorld(t)
			p.smtp.Refuse(mailtest.Data, 552, "mailbox full")
			return p
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := row.start(t)
			r := p.open(map[string]any{"partnerUserId": "b7c1b6f0-52c1-4f1f-9d3e-5b3c2d1e0f33"})
			p.page("/auth/otp/email:send", map[string]string{"requestId": r.RequestID, "emailAddress": "alice@example.com"}).
				refused(t, 503, exchange.TemporarilyUnavailable, exchange.ReasonMailUnavailable)
			// The log comes through a pipe and may arrive after the response.
			await(t, "the operator to read why", func() bool { return strings.Contains(p.out.String(), row.says) })
			if users := p.cambio("", "user", "list"); strings.Contains(users, "alice") {
				t.Errorf("a user was created:\n%s", users)
			}
		})
	}
}
