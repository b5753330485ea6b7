package server_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/mail/mailtest"
)

// One code is mailed however often its request is repeated, and it logs a user in
// once.
func TestMailRequestsRepeated(t *testing.T) {
	p := newPartners(t)
	request := p.opened("k", false, "").str("requestId")
	body := fmt.Sprintf(`{"requestId":%q,"emailAddress":"alice@example.com"}`, request)
	send := func() answer { return p.keyed("1", mailPath, body, "X-API-Key", "partner", "Origin", page) }
	sent := send()
	p.want(sent, 200, "")
	p.repeats(sent, send())
	if n := len(p.smtp.Messages()); n != 1 {
		t.Errorf("%d mails", n)
	}
	code := p.smtp.Last(t).Code(t)
	log := func(key, code string) answer {
		return p.keyed(key, otpPath, fmt.Sprintf(`{"emailId":%q,"otp":%q}`, sent.str("emailId"), code), "X-API-Key", "partner", "Origin", page)
	}
	p.want(log("2", wrongCode(code)), 400, exchange.ReasonCodeWrong)
	in := log("3", code)
	p.want(in, 200, "")
	p.repeats(in, log("3", code))
	p.want(log("4", code), 400, exchange.ReasonChallengeInvalid)
}

func wrongCode(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}

// Of concurrent correct uses of one code, no more than its tries, one counts and
// creates one user.
func TestCodeHasOneWinner(t *testing.T) {
	p := newPartners(t)
	emailID, code := p.mailed("key-1", "alice@example.com")
	var won atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if a := p.answer(emailID, code, ""); a.status == 200 {
				won.Add(1)
			} else {
				p.want(a, 400, exchange.ReasonChallengeInvalid)
			}
		})
	}
	all.Wait()
	users, _, err := p.users.List(t.Context(), "", 10)
	if won.Load() != 1 || err != nil || len(users) != 1 {
		t.Errorf("%d logged in as %d users, %v", won.Load(), len(users), err)
	}
}

// Of concurrent users that each prove an address for one key, one gets it, and the
// others leave nothing behind.
func TestKeyLinkHasOneWinner(t *testing.T) {
	p := newPartners(t)
	type proof struct{ id, code string }
	var proofs []proof
	for i := range 8 {
		id, code := p.mailed("key-1", fmt.Sprintf("user%d@example.com", i))
		proofs = append(proofs, proof{id, code})
	}
	var won atomic.Int64
	var all sync.WaitGroup
	for _, one := range proofs {
		all.Go(func() {
			if a := p.answer(one.id, one.code, ""); a.status == 200 {
				won.Add(1)
			} else {
				p.want(a, 409, exchange.ReasonLinkedElsewhere)
			}
		})
	}
	all.Wait()
	users, _, err := p.users.List(t.Context(), "", 10)
	if won.Load() != 1 || err != nil || len(users) != 1 {
		t.Errorf("%d got the key, %d users, %v", won.Load(), len(users), err)
	}
}

// A page does not learn whether an address is known.
func TestAddressesAreIndistinguishable(t *testing.T) {
	p := newPartners(t, func(c *exchange.Client) { no := false; c.AutoCreate = &no })
	p.register()
	p.login("key-1", "known@example.com")
	p.register(func(c *exchange.Client) { no := false; c.AutoCreate = &no })
	shape := func(a answer) string {
		var members []string
		for name, v := range a.json {
			s, _ := v.(string)
			if name == "request_id" || name == "emailMask" {
				s = ""
			}
			if name != "code" && name != "error" {
				s = fmt.Sprint(len(s))
			}
			members = append(members, name+"="+s)
		}
		slices.Sort(members)
		return fmt.Sprint(a.status, members, a.header.Get("Retry-After"))
	}
	var known []string
	for i, address := range []string{"known@example.com", "other@example.com"} {
		o := p.opened("key-2", false, "")
		sent := p.send(o.str("requestId"), address)
		code := p.smtp.Last(t).Code(t)
		wrong := "000000"
		if code == wrong {
			wrong = "000001"
		}
		for at, a := range []answer{sent, p.send(o.str("requestId"), address), p.answer(sent.str("emailId"), wrong, "")} {
			if got := shape(a); i == 0 {
				known = append(known, got)
			} else if got != known[at] {
				t.Errorf("answer %d is %s, and %s for a known address", at, got, known[at])
			}
		}
	}
}

// Requesting all codes for a mailbox and answering them wrongly does not keep its
// user out, nor reveals whether it has one.
func TestOtherCallersDoNotLockMailboxes(t *testing.T) {
	p := newPartners(t)
	alice := p.login("key-1", "alice@example.com")
	p.pass(time.Hour)
	for range 5 {
		id, code := p.mailed("stranger", "alice@example.com")
		for range 5 {
			p.want(p.answer(id, wrongCode(code), ""), 400, exchange.ReasonCodeWrong)
		}
		p.want(p.answer(id, code, ""), 400, exchange.ReasonChallengeInvalid)
		p.pass(30 * time.Second)
	}
	sixth := p.send(p.opened("stranger", false, "").str("requestId"), "alice@example.com")
	p.want(sixth, 429, exchange.ReasonMailTooSoon)
	id, code := p.mailed("key-1", "alice@example.com")
	in := p.answer(id, code, "")
	if p.want(in, 200, ""); userOf(in)["id"] != alice["id"] {
		t.Errorf("logged in as %v, not %v", userOf(in), alice)
	}
	p.pass(30 * time.Second)
	p.want(p.send(p.opened("key-1", false, "").str("requestId"), "alice@example.com"), 429, exchange.ReasonMailTooSoon)
	p.want(p.send(p.opened("stranger", false, "").str("requestId"), "alice@example.com"), 429, exchange.ReasonMailTooSoon)
}

func TestMailRequests(t *testing.T) {
	p := newPartners(t)
	id := p.opened("k", false, "").str("requestId")
	named := p.opened("k", false, `,"email":"Bob@example.com"`).str("requestId")
	body := func(id, address string) string { return fmt.Sprintf(`{"requestId":%q,"emailAddress":%q}`, id, address) }
	for _, row := range []struct {
		name, body, client string
		status             int
		code               exchange.Reason
	}{
		{"no address", fmt.Sprintf(`{"requestId":%q}`, id), "partner", 400, exchange.ReasonParameterMissing},
		{"what is no address", body(id, "alice@example.com\r\nBcc: eve@example.net"), "partner", 400, exchange.ReasonParameterInvalid},
		{"another member", fmt.Sprintf(`{"requestId":%q,"emailAddress":"a@example.com","otp":"1"}`, id), "partner", 400, exchange.ReasonParameterInvalid},
		{"another client", body(id, "alice@example.com"), "rival", 400, exchange.ReasonChallengeInvalid},
		{"an unknown client", body(id, "alice@example.com"), "unknown", 401, exchange.ReasonClientUnknown},
		{"no request", body("", "alice@example.com"), "partner", 400, exchange.ReasonParameterMissing},
		{"an unknown request", body(id[:len(id)-1], "alice@example.com"), "partner", 400, exchange.ReasonChallengeInvalid},
		{"good", body(id, "alice@example.com"), "partner", 200, ""},
		{"too soon", body(id, "alice@example.com"), "partner", 429, exchange.ReasonMailTooSoon},
		{"the client's own word", fmt.Sprintf(`{"requestId":%q}`, named), "partner", 200, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := p.in(t)
			a := p.post(mailPath, row.body, "X-API-Key", row.client)
			p.want(a, row.status, row.code)
			if row.status == 429 && a.header.Get("Retry-After") != "30" {
				t.Errorf("Retry-After is %s", a.header.Get("Retry-After"))
			}
		})
	}
	all := p.smtp.Messages()
	if len(all) != 2 || all[1].To[0] != "bob@example.com" {
		t.Errorf("%d mails went out", len(all))
	}
	p.pass(15 * time.Minute)
	p.want(p.send(id, "alice@example.com"), 400, exchange.ReasonChallengeInvalid)
}

// A server that cannot mail says so, and links no key.
func TestMailUnavailable(t *testing.T) {
	p := newPartners(t)
	o := p.opened("key-1", false, "")
	p.smtp.Refuse(mailtest.Rcpt, 451, "try later")
	a := p.send(o.str("requestId"), "alice@example.com")
	p.want(a, 503, exchange.ReasonMailUnavailable)
	if a.str("emailId") != "" || a.header.Get("Retry-After") != "30" || a.header.Get("Access-Control-Allow-Origin") != page {
		t.Errorf("answered %s %v", a.text, a.header)
	}
	if !strings.Contains(p.logged.String(), "try later") || strings.Contains(a.text, "try later") {
		t.Error("the reason is told to the wrong one")
	}
	for range 5 { // which are no five mails
		p.pass(30 * time.Second)
		p.want(p.send(p.opened("key-1", false, "").str("requestId"), "alice@example.com"), 503, exchange.ReasonMailUnavailable)
	}
	p.smtp.Refuse(mailtest.Rcpt, 0, "")
	p.pass(30 * time.Second)
	sent := p.send(o.str("requestId"), "alice@example.com")
	p.want(sent, 200, "")
	p.want(p.answer(sent.str("emailId"), p.smtp.Last(t).Code(t), ""), 200, "")

	without := &partners{newWorld(t, patient), nil}
	without.register()
	a = without.send(without.opened("key-1", false, "").str("requestId"), "alice@example.com")
	without.want(a, 503, exchange.ReasonMailUnavailable)
	if !strings.Contains(without.logged.String(), "mail.host") {
		t.Errorf("the operator reads %s", without.logged)
	}
	if users, _, err := without.users.List(t.Context(), "", 1); err != nil || len(users) > 0 {
		t.Errorf("%d users, %v", len(users), err)
	}
}

// A key of one user becomes another's by codes to both addresses, or by the
// operator, and by nothing less.
func TestRelink(t *testing.T) {
	p := newPartners(t)
	alice := p.login("key-1", "alice@example.com")
	p.login("key-9", "eve@example.com")
	refused := func(a answer) {
		t.Helper()
		p.want(a, 409, exchange.ReasonLinkedElsewhere)
		if !strings.Contains(a.str("error_description"), "previousEmailId") || a.str("accessToken") != "" {
			t.Errorf("it says %s", a.text)
		}
	}
	previous := func(id, code string) string { return fmt.Sprintf(`,"previousEmailId":%q,"previousOtp":%q`, id, code) }
	toBob, bobCode := p.mailed("key-1", "bob@example.com")
	refused(p.answer(toBob, bobCode, ""))
	toEve, eveCode := p.mailed("key-1", "eve@example.com") // a user, but not that of the key
	refused(p.answer(toBob, bobCode, previous(toEve, eveCode)))
	p.pass(31 * time.Second)
	other, otherCode := p.mailed("key-9", "alice@example.com") // the right one, for another key
	p.want(p.answer(toBob, bobCode, previous(other, otherCode)), 400, exchange.ReasonChallengeInvalid)
	p.pass(31 * time.Second)
	if o := p.opened("key-1", true, ""); o.str("next") != "one_time_token" {
		t.Fatalf("the key lost its user: %s", o.text)
	} else if a := p.redeem(o.str("requestId"), o.str("oneTimeToken")); !strings.Contains(a.text, alice["id"].(string)) {
		t.Fatalf("the key is another's: %s", a.text)
	}
	if users, _, err := p.users.List(t.Context(), "", 10); err != nil || len(users) != 2 {
		t.Errorf("a refused login made a user: %d, %v", len(users), err)
	}

	toAlice, aliceCode := p.mailed("key-1", "alice@example.com")
	a := p.answer(toBob, bobCode, previous(toAlice, aliceCode))
	p.want(a, 200, "")
	bob, _ := a.json["user"].(map[string]any)
	if bob["id"] == alice["id"] || bob["isNew"] != true {
		t.Errorf("answer is %s", a.text)
	}
	p.want(p.answer(toAlice, aliceCode, ""), 400, exchange.ReasonChallengeInvalid)
	o := p.opened("key-1", true, "")
	if a := p.redeem(o.str("requestId"), o.str("oneTimeToken")); !strings.Contains(a.text, bob["id"].(string)) {
		t.Errorf("the key is not bob's: %s", a.text)
	}

	if err := p.users.Unlink(t.Context(), "key:partner", p.requests.Subject("partner", "key-1"), true); err != nil {
		t.Fatal(err)
	}
	if o := p.opened("key-1", true, ""); o.str("next") != "otp" {
		t.Errorf("an unlinked key returns %s", o.text)
	}
	if carol := p.login("key-1", "carol@example.com"); carol["isNew"] != true {
		t.Errorf("carol is %v", carol)
	}
}

// The token endpoint accepts the same proofs.
func TestOTPAtTheTokenEndpoint(t *testing.T) {
	p := newPartners(t)
	exchangeOTP := func(json string, more ...string) answer {
		return p.form("/oauth/token", append([]string{
			"grant_type", exchange.GrantTokenExchange, "client_id", "partner", "subject_token_type", exchange.TypeOTP,
			"subject_token", base64.RawURLEncoding.EncodeToString([]byte(json)),
		}, more...))
	}
	id, code := p.mailed("k", "alice@example.com")
	for _, row := range []struct {
		name, json string
		code       exchange.Reason
	}{
		{"no code", fmt.Sprintf(`{"emailId":%q}`, id), exchange.ReasonParameterMissing},
		{"five digits", fmt.Sprintf(`{"emailId":%q,"otp":"12345"}`, id), exchange.ReasonParameterInvalid},
		{"other digits", fmt.Sprintf(`{"emailId":%q,"otp":"１２３４５６"}`, id), exchange.ReasonParameterInvalid},
		{"a number", fmt.Sprintf(`{"emailId":%q,"otp":123456}`, id), exchange.ReasonParameterInvalid},
		{"another member", fmt.Sprintf(`{"emailId":%q,"otp":%q,"user":"1"}`, id, code), exchange.ReasonParameterInvalid},
		{"half a previous code", fmt.Sprintf(`{"emailId":%q,"otp":%q,"previousOtp":"123456"}`, id, code), exchange.ReasonParameterMissing},
		{"the other half", fmt.Sprintf(`{"emailId":%q,"otp":%q,"previousEmailId":"1"}`, id, code), exchange.ReasonParameterInvalid},
		{"an unknown one", `{"emailId":"x","otp":"123456"}`, exchange.ReasonChallengeInvalid},
	} {
		if a := exchangeOTP(row.json); a.status != 400 || a.str("code") != string(row.code) {
			t.Errorf("%s: %s", row.name, a.text)
		}
	}
	good := fmt.Sprintf(`{"emailId":%q,"otp":%q}`, id, code)
	p.want(exchangeOTP(good, "nonce", "n"), 400, exchange.ReasonNonceMismatch)
	p.want(exchangeOTP(good, "scope", "write"), 400, exchange.ReasonScopeNotAllowed)
	a := exchangeOTP(good)
	p.want(a, 200, "")
	p.want(exchangeOTP(good), 400, exchange.ReasonChallengeInvalid)
	b := p.form("/oauth/token", []string{"grant_type", "refresh_token", "client_id", "partner", "refresh_token", a.str("refresh_token")})
	p.want(b, 200, "")
	if err := p.users.Unlink(t.Context(), "mail:partner", "alice@example.com", true); err != nil {
		t.Fatal(err)
	}
	c := p.form("/oauth/token", []string{"grant_type", "refresh_token", "client_id", "partner", "refresh_token", b.str("refresh_token")})
	p.want(c, 400, exchange.ReasonSessionEnded)
}
