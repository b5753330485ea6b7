package keylogin

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cambio/exchange"
)

const (
	alice = "alice@example.com"
	bob   = "bob@example.com"
)

// verify presents a code.
func (d *fixture) verify(c Code, code string, at time.Time) (Verified, error) {
	return d.VerifyCode(ctx, d.partner, CodeProof{ID: c.ID, Code: code}, at)
}

func TestVerifyCodeChecksTheCode(t *testing.T) {
	d := newFixture(t)
	c := d.mailed(d.opened(d.request("k")), alice, now)
	if len(c.Code) != 6 || !c.Expires.Equal(now.Add(10*time.Minute)) || !c.ResendAfter.Equal(now.Add(30*time.Second)) {
		t.Errorf("mailed %+v", c)
	}
	_, err := d.verify(c, wrong(c.Code), now)
	d.refused(err, exchange.ReasonCodeWrong)
	_, err = d.VerifyCode(ctx, d.second, CodeProof{ID: c.ID, Code: c.Code}, now)
	d.refused(err, exchange.ReasonChallengeInvalid)
	_, err = d.verify(c, c.Code, now.Add(10*time.Minute))
	d.refused(err, exchange.ReasonChallengeInvalid)
	p, err := d.verify(c, c.Code, now.Add(10*time.Minute-1))
	if err != nil || p.Address != alice || p.Key != d.Subject("partner", "k") || p.RelinkFrom != "" {
		t.Fatalf("proves %+v, %v", p, err)
	}
	d.refused(d.spend(p, now.Add(10*time.Minute)), exchange.ReasonChallengeInvalid)
	if err := d.spend(p, now); err != nil {
		t.Fatal(err)
	}
	d.refused(d.spend(p, now), exchange.ReasonChallengeInvalid)
	_, err = d.verify(c, c.Code, now)
	d.refused(err, exchange.ReasonChallengeInvalid)
}

func TestMalformedIDsAreNotAttempts(t *testing.T) {
	d := newFixture(t)
	o := d.opened(d.request("k"))
	c := d.mailed(o, alice, now)
	for _, id := range []string{"", ".", "..", o.ID, c.ID + ".", c.ID + "x", c.ID[:len(c.ID)-1], c.ID[:36] + ".2" + c.ID[38:], c.ID[:36] + ".01" + c.ID[38:], c.ID[:36]} {
		_, err := d.VerifyCode(ctx, d.partner, CodeProof{ID: id, Code: c.Code}, now)
		d.refused(err, exchange.ReasonChallengeInvalid)
	}
	for _, id := range []string{"", ".", c.ID, o.ID + "x", o.ID[:36], o.ID[:37]} {
		_, err := d.NewCode(ctx, d.partner, id, bob, now)
		d.refused(err, exchange.ReasonChallengeInvalid)
	}
	if _, err := d.verify(c, c.Code, now); err != nil {
		t.Errorf("a malformed ID was counted as an attempt: %v", err)
	}
}

func TestCodeHasFiveAttempts(t *testing.T) {
	d := newFixture(t)
	c := d.mailed(d.opened(d.request("k")), alice, now)
	for range 5 {
		_, err := d.verify(c, wrong(c.Code), now)
		d.refused(err, exchange.ReasonCodeWrong)
	}
	_, err := d.verify(c, c.Code, now)
	d.refused(err, exchange.ReasonChallengeInvalid)
}

// No more concurrent attempts are compared than a code allows.
func TestConcurrentAttemptsAreBounded(t *testing.T) {
	d := newFixture(t)
	c := d.mailed(d.opened(d.request("k")), alice, now)
	var compared atomic.Int64
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			_, err := d.verify(c, wrong(c.Code), now)
			if exchange.AsError(err).Reason == exchange.ReasonCodeWrong {
				compared.Add(1)
				return
			}
			d.refused(err, exchange.ReasonChallengeInvalid)
		})
	}
	all.Wait()
	if compared.Load() != 5 {
		t.Errorf("%d attempts were compared, want 5", compared.Load())
	}
}

func TestCodeHasOneWinner(t *testing.T) {
	d := newFixture(t)
	c := d.mailed(d.opened(d.request("k")), alice, now)
	p, err := d.verify(c, c.Code, now)
	if err != nil {
		t.Fatal(err)
	}
	var won atomic.Int64
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			if d.spend(p, now) == nil {
				won.Add(1)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d uses succeeded, want 1", won.Load())
	}
}

func TestNewCodeReplacesTheOld(t *testing.T) {
	d := newFixture(t)
	o := d.opened(d.request("k"))
	first := d.mailed(o, alice, now)
	proven, err := d.verify(first, first.Code, now)
	if err != nil {
		t.Fatal(err)
	}
	later := now.Add(30 * time.Second)
	second := d.mailed(o, alice, later)
	_, err = d.verify(first, first.Code, later)
	d.refused(err, exchange.ReasonChallengeInvalid)
	d.refused(d.spend(proven, later), exchange.ReasonChallengeInvalid)
	if _, err := d.verify(second, second.Code, later); err != nil {
		t.Error(err)
	}
}

// Another code, login, client, spelling of the address or a restart does not reset
// the limit of a mailbox.
func TestLimitIsTheMailboxs(t *testing.T) {
	d := newFixture(t)
	at := now.Truncate(time.Hour).Add(59 * time.Minute) // across a full hour
	send := func(client *exchange.Client, address string) error {
		req := d.request("k")
		req.Client = client
		o, err := d.Open(ctx, req, at)
		if err != nil {
			t.Fatal(err)
		}
		canonical, ok := Address(address)
		if !ok {
			t.Fatal(address)
		}
		_, err = d.reopened().NewCode(ctx, client, o.ID, canonical, at)
		return err
	}
	clients := []*exchange.Client{d.partner, d.second}
	for i, address := range []string{alice, "Alice@example.com", "alice+shop@example.com", alice, alice} {
		if err := send(clients[i%2], address); err != nil {
			t.Fatalf("code %d: %v", i+1, err)
		}
		at = at.Add(29 * time.Second)
		err := send(d.partner, alice)
		d.refused(err, exchange.ReasonMailTooSoon)
		if wait := exchange.AsError(err).RetryAfter; wait != time.Second && i < 4 {
			t.Errorf("wait %s", wait)
		}
		if err := send(d.partner, bob); err != nil && i == 0 {
			t.Errorf("another mailbox: %v", err)
		}
		at = at.Add(time.Second)
	}
	d.refused(send(d.second, alice), exchange.ReasonMailTooSoon) // the sixth
	at = at.Add(time.Hour - 151*time.Second)
	d.refused(send(d.partner, alice), exchange.ReasonMailTooSoon)
	at = at.Add(2 * time.Second)
	if err := send(d.partner, alice); err != nil {
		t.Errorf("an hour after the first: %v", err)
	}
}

func TestConcurrentCodesAreLimited(t *testing.T) {
	d := newFixture(t)
	hour := now.Truncate(time.Hour).Add(time.Hour)
	var logins []Login
	for range 32 {
		o, err := d.Open(ctx, d.request("k"), hour.Add(-time.Second))
		if err != nil {
			t.Fatal(err)
		}
		logins = append(logins, o)
	}
	var won atomic.Int64
	var all sync.WaitGroup
	for i, o := range logins {
		all.Go(func() {
			at := hour.Add(time.Duration(i-16) * time.Millisecond)
			if _, err := d.NewCode(ctx, d.partner, o.ID, alice, at); err == nil {
				won.Add(1)
			} else {
				d.refused(err, exchange.ReasonMailTooSoon)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d codes were made, want 1", won.Load())
	}
}

// Wrong codes use up the attempts of their own login: the mailbox's user is sent a
// code in another login, and verifies it, as if there had been none.
func TestAttemptsCountForTheirLogin(t *testing.T) {
	d := newFixture(t)
	at := now
	for range 2 {
		c := d.mailed(d.opened(d.request("stranger")), alice, at)
		for range 5 {
			_, err := d.verify(c, wrong(c.Code), at)
			d.refused(err, exchange.ReasonCodeWrong)
		}
		_, err := d.verify(c, c.Code, at)
		d.refused(err, exchange.ReasonChallengeInvalid)
		at = at.Add(30 * time.Second)
	}
	c := d.mailed(d.opened(d.request("k")), alice, at)
	for range 4 {
		_, err := d.verify(c, wrong(c.Code), at)
		d.refused(err, exchange.ReasonCodeWrong)
	}
	if p, err := d.verify(c, c.Code, at); err != nil || p.Address != alice {
		t.Errorf("the owner verifies %+v, %v", p, err)
	}
}

// Beyond the codes of an hour there is one more for a login whose auth key is linked
// to the mailbox's user, and one for a client that has the mailbox linked and sent
// none of the others.
func TestMailboxesHaveReserves(t *testing.T) {
	for _, row := range []struct {
		name  string
		links map[[2]string]string // namespace and ID → user; the ID of an auth key is its key
		by    string               // the client that sent five codes
		key   string               // of the further logins, which partner opens
		more  int                  // codes that it gets
	}{
		{"no user", nil, "partner", "k", 0},
		{"the mailbox's user, by its key", map[[2]string]string{{"mail:partner", alice}: "u1", {"key:partner", "k"}: "u1"}, "partner", "k", 1},
		{"the same, after another client", map[[2]string]string{{"mail:partner", alice}: "u1", {"key:partner", "k"}: "u1"}, "second", "k", 1},
		{"by the key of another user", map[[2]string]string{{"mail:partner", alice}: "u1", {"key:partner", "k"}: "u2"}, "partner", "k", 0},
		{"by a new key", map[[2]string]string{{"mail:partner", alice}: "u1"}, "partner", "k", 0},
		{"by a new key, after another client", map[[2]string]string{{"mail:partner", alice}: "u1"}, "second", "k", 1},
		{"of another mailbox", map[[2]string]string{{"mail:partner", bob}: "u1", {"key:partner", "k"}: "u1"}, "partner", "k", 0},
		{"linked at another client", map[[2]string]string{{"mail:second", alice}: "u1", {"key:second", "k"}: "u1"}, "second", "k", 0},
		{"a key without its mailbox", map[[2]string]string{{"key:partner", "k"}: "u1"}, "partner", "k", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := newFixture(t)
			for id, user := range row.links {
				if client, isKey := strings.CutPrefix(id[0], "key:"); isKey {
					id[1] = d.Subject(client, id[1])
				}
				d.users.users[id] = user
			}
			at := now
			send := func(client *exchange.Client, key string) error {
				req := d.request(key)
				req.Client = client
				o, err := d.Open(ctx, req, at)
				if err != nil {
					t.Fatal(err)
				}
				_, err = d.reopened().NewCode(ctx, client, o.ID, alice, at)
				at = at.Add(30 * time.Second)
				return err
			}
			flooding := map[string]*exchange.Client{"partner": d.partner, "second": d.second}[row.by]
			for range 5 {
				if err := send(flooding, "stranger"); err != nil {
					t.Fatal(err)
				}
			}
			d.refused(send(flooding, "stranger"), exchange.ReasonMailTooSoon)
			for i := range 3 {
				err := send(d.partner, row.key)
				if i < row.more && err != nil {
					t.Errorf("code %d of the reserve: %v", i+1, err)
				} else if i >= row.more {
					d.refused(err, exchange.ReasonMailTooSoon)
				}
			}
			d.refused(send(flooding, "stranger"), exchange.ReasonMailTooSoon)
			at = at.Add(time.Hour)
			if err := send(flooding, "stranger"); err != nil {
				t.Errorf("an hour later: %v", err)
			}
		})
	}
}

// A reserve is not used within the time between two codes, and not by a code that
// could not be sent.
func TestReserveIsUsedByACode(t *testing.T) {
	d := newFixture(t)
	d.users.users[[2]string{"mail:partner", alice}] = "u1"
	d.users.users[[2]string{"key:partner", d.Subject("partner", "k")}] = "u1"
	at := now
	for range 5 {
		d.mailed(d.opened(d.request("stranger")), alice, at)
		at = at.Add(30 * time.Second)
	}
	_, err := d.NewCode(ctx, d.partner, d.opened(d.request("k")).ID, alice, at.Add(-time.Second))
	d.refused(err, exchange.ReasonMailTooSoon)
	if wait := exchange.AsError(err).RetryAfter; wait != time.Second {
		t.Errorf("wait %s", wait)
	}
	for range 2 {
		if err := d.CancelCode(ctx, d.mailed(d.opened(d.request("k")), alice, at), at); err != nil {
			t.Fatal(err)
		}
		at = at.Add(30 * time.Second)
	}
	d.mailed(d.opened(d.request("k")), alice, at)
	_, err = d.NewCode(ctx, d.partner, d.opened(d.request("k")).ID, alice, at.Add(30*time.Second))
	d.refused(err, exchange.ReasonMailTooSoon)
}

func TestLoginHasFiveCodes(t *testing.T) {
	d := newFixture(t)
	o := d.opened(d.request("k"))
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		d.mailed(o, name+"@example.com", now)
	}
	_, err := d.NewCode(ctx, d.partner, o.ID, "f@example.com", now)
	d.refused(err, exchange.ReasonMailTooSoon)
}

// A canceled code is invalid, and does not count against the hour.
func TestCanceledCodesDoNotCount(t *testing.T) {
	d := newFixture(t)
	at := now
	for range 7 {
		c := d.mailed(d.opened(d.request("k")), alice, at)
		if err := d.CancelCode(ctx, c, at); err != nil {
			t.Fatal(err)
		}
		_, err := d.verify(c, c.Code, at)
		d.refused(err, exchange.ReasonChallengeInvalid)
		_, err = d.NewCode(ctx, d.partner, d.opened(d.request("k")).ID, alice, at.Add(29*time.Second))
		d.refused(err, exchange.ReasonMailTooSoon)
		at = at.Add(30 * time.Second)
	}
}

func TestNewCodeChecksTheLogin(t *testing.T) {
	d := newFixture(t)
	req := d.request("k")
	req.Email = bob
	o := d.opened(req)
	if c := d.mailed(o, "", now); c.Address != bob {
		t.Errorf("mailed to %s", c.Address)
	}
	_, err := d.NewCode(ctx, d.partner, o.ID, alice, now.Add(15*time.Minute))
	d.refused(err, exchange.ReasonChallengeInvalid)
	_, err = d.NewCode(ctx, d.partner, d.opened(d.request("k")).ID, "", now)
	d.refused(err, exchange.ReasonParameterMissing)
}

// A previous code, of another login for the same key, tells which user the key may
// be moved from.
func TestPreviousCodePermitsRelinking(t *testing.T) {
	d := newFixture(t)
	d.users.users[[2]string{"mail:partner", alice}] = "u1"
	old := d.mailed(d.opened(d.request("k")), alice, now)
	foreign := d.mailed(d.opened(d.request("k2")), "carol@example.com", now)
	unknown := d.mailed(d.opened(d.request("k")), "dave@example.com", now)
	for i, row := range []struct {
		name   string
		prev   func(next Code) Code
		wrong  bool
		reason exchange.Reason
		from   string
	}{
		{"wrong", func(Code) Code { return old }, true, exchange.ReasonCodeWrong, ""},
		{"of another key", func(Code) Code { return foreign }, false, exchange.ReasonChallengeInvalid, ""},
		{"of the same login", func(next Code) Code { return next }, false, exchange.ReasonChallengeInvalid, ""},
		{"of an address without a user", func(Code) Code { return unknown }, false, "", ""},
		{"good", func(Code) Code { return old }, false, "", "u1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			next := d.mailed(d.opened(d.request("k")), string(rune('a'+i))+"@example.com", now)
			prev := row.prev(next)
			r := CodeProof{ID: next.ID, Code: next.Code, PreviousID: prev.ID, PreviousCode: prev.Code}
			if row.wrong {
				r.PreviousCode = wrong(prev.Code)
			}
			p, err := d.VerifyCode(ctx, d.partner, r, now)
			if row.reason != "" {
				d.refused(err, row.reason)
				if p != (Verified{}) {
					t.Errorf("an error came with %+v", p)
				}
				return
			}
			if err != nil || p.RelinkFrom != row.from || p.Address != string(rune('a'+i))+"@example.com" {
				t.Errorf("proves %+v, %v", p, err)
			}
			if err := d.spend(p, now); err != nil {
				t.Fatal(err)
			}
			_, err = d.verify(prev, prev.Code, now)
			d.refused(err, exchange.ReasonChallengeInvalid)
		})
	}
}
