package keylogin

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/replay"
	"cambio/storage"
)

// known is who has a user: namespace and ID → user.
type known struct {
	mu    sync.Mutex
	users map[[2]string]string
}

func (k *known) Resolve(_ context.Context, s *exchange.Subject, _ bool, _ time.Time) (exchange.User, bool, []storage.Write, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if id := k.users[[2]string{s.Issuer, s.ID}]; id != "" {
		return exchange.User{ID: id}, false, nil, nil
	}
	return exchange.User{}, false, nil, exchange.Refuse(exchange.ReasonUserNotRegistered, nil)
}

var partnerKey = sync.OnceValue(func() *rsa.PublicKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return &key.PublicKey
})

func publicPEM(key *rsa.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// office is Requests on a store of its own, and the clients that ask there.
type office struct {
	testing.TB
	*Store
	users           *known
	engine          storage.Engine
	partner, second *exchange.Client
	signatures      atomic.Int64
}

func newOffice(t testing.TB) *office {
	t.Helper()
	e := openStore(t)
	d := &office{TB: t, engine: e, users: &known{users: map[[2]string]string{}}}
	d.Store = d.again()
	client := func(id string) *exchange.Client {
		return &exchange.Client{ID: id, Proofs: []string{"otp", "one-time-token"}, AuthKeys: &exchange.AuthKeys{SigningKeys: publicPEM(partnerKey())}}
	}
	d.partner, d.second = client("partner"), client("second")
	return d
}

// again is what a restart makes of the store.
func (d *office) again() *Store {
	return New(d.engine, Config{RecordKey: key, Secret: key, Replays: replay.New(d.engine, key), Users: d.users})
}

func (d *office) ask(authKey string) Request {
	return Request{Client: d.partner, Key: authKey, Signer: exchange.KeyID(partnerKey()), Signature: fmt.Append(nil, d.signatures.Add(1))}
}

func (d *office) opened(a Request) Login {
	d.Helper()
	o, err := d.Open(ctx, a, now)
	if err != nil {
		d.Fatal(err)
	}
	return o
}

func (d *office) mailed(o Login, address string, at time.Time) Code {
	d.Helper()
	c, err := d.NewCode(ctx, d.partner, o.ID, address, at)
	if err != nil {
		d.Fatal(err)
	}
	return c
}

// spend proves nothing: it commits what a proof spends.
func (d *office) spend(p Verified, at time.Time) error {
	w, err := replay.Spenders{Kind: d.Store}.Spend(ctx, p.Challenge, at)
	if err == nil {
		err = d.engine.Commit(ctx, w...)
	}
	return err
}

func (d *office) refused(err error, want exchange.Reason) {
	d.Helper()
	if err == nil || exchange.AsError(err).Reason != want {
		d.Errorf("got %v, want %s", err, want)
	}
}

// other is a code that is not c.
func other(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}

func TestOpenRequest(t *testing.T) {
	d := newOffice(t)
	linked := d.Subject("partner", "linked")
	d.users.users[[2]string{"key:partner", linked}] = "u1"
	withoutTokens := *d.partner
	withoutTokens.Proofs = []string{"otp"}
	for _, row := range []struct {
		name   string
		change func(*Request)
		token  bool
	}{
		{"linked and passwordless", func(*Request) {}, true},
		{"not passwordless", func(a *Request) { a.Passwordless = false }, false},
		{"not linked", func(a *Request) { a.Key = "new" }, false},
		{"of another client", func(a *Request) { a.Client = d.second }, false},
		{"a client that brings no one-time tokens", func(a *Request) { a.Client = &withoutTokens }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := d.ask("linked")
			a.Passwordless = true
			row.change(&a)
			o := d.opened(a)
			if (o.Token != "") != row.token || o.ID == "" || !o.Expires.Equal(now.Add(15*time.Minute)) {
				t.Errorf("opened %+v", o)
			}
		})
	}
	if d.Subject("partner", "k") == d.Subject("second", "k") || strings.Contains(d.Subject("partner", "k"), "k.") {
		t.Error("two clients share the subject of a key")
	}
}

func TestSignaturesAreForOneUse(t *testing.T) {
	d := newOffice(t)
	a := d.ask("k")
	d.opened(a)
	second := a
	second.Client = d.second
	if _, err := d.Open(ctx, second, now); exchange.AsError(err).Reason != exchange.ReasonRequestReplayed {
		t.Errorf("at another client with the same key: %v", err)
	}
	second.Signer = "another key"
	if _, err := d.Open(ctx, second, now); err != nil {
		t.Errorf("by another key: %v", err)
	}
	for _, row := range []struct {
		name  string
		after time.Duration
		fresh bool
	}{
		{"at once", 0, false}, {"an hour later", time.Hour, false}, {"just before a day is over", 24*time.Hour - time.Millisecond, false},
		{"two days later", 48 * time.Hour, true},
	} {
		if row.fresh {
			if _, err := d.cfg.Replays.Sweep(ctx, now.Add(row.after+replay.Retention), 256); err != nil {
				t.Fatal(err)
			}
		}
		_, err := d.again().Open(ctx, a, now.Add(row.after))
		if (err == nil) != row.fresh || err != nil && exchange.AsError(err).Reason != exchange.ReasonRequestReplayed {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

func TestOneOfManyOpens(t *testing.T) {
	d := newOffice(t)
	a := d.ask("k")
	var won atomic.Int64
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() { // also around the turn of a period
			at := now.Truncate(24 * time.Hour).Add(time.Duration(i-32) * time.Millisecond)
			if _, err := d.Open(ctx, a, at); err == nil {
				won.Add(1)
			} else if exchange.AsError(err).Reason != exchange.ReasonRequestReplayed {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d were opened", won.Load())
	}
}

// token opens a request whose key is linked.
func (d *office) token(change ...func(*Request)) Login {
	d.Helper()
	d.users.users[[2]string{"key:partner", d.Subject("partner", "linked")}] = "u1"
	a := d.ask("linked")
	a.Passwordless = true
	for _, c := range change {
		c(&a)
	}
	return d.opened(a)
}

func TestProveToken(t *testing.T) {
	d := newOffice(t)
	const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	bound := func(a *Request) { a.CodeChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" }
	plain, pkce, another := d.token(), d.token(bound), d.token()
	removed := *d.partner
	removed.AuthKeys = &exchange.AuthKeys{SigningKeys: "none"}
	for _, row := range []struct {
		name                string
		client              *exchange.Client
		id, token, verifier string
		after               time.Duration
		good                bool
	}{
		{"good", d.partner, plain.ID, plain.Token, "", 0, true},
		{"good with PKCE", d.partner, pkce.ID, pkce.Token, verifier, 0, true},
		{"good at the last moment", d.partner, plain.ID, plain.Token, "", 15*time.Minute - 1, true},
		{"too late", d.partner, plain.ID, plain.Token, "", 15 * time.Minute, false},
		{"without the verifier", d.partner, pkce.ID, pkce.Token, "", 0, false},
		{"with the challenge", d.partner, pkce.ID, pkce.Token, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", 0, false},
		{"with a verifier that nobody asked for", d.partner, plain.ID, plain.Token, verifier, 0, false},
		{"another client", d.second, plain.ID, plain.Token, "", 0, false},
		{"another request's token", d.partner, plain.ID, another.Token, "", 0, false},
		{"another request's ID", d.partner, another.ID, plain.Token, "", 0, false},
		{"half an ID", d.partner, plain.ID[:storage.IDSize], plain.Token, "", 0, false},
		{"half an ID and a dot", d.partner, plain.ID[:storage.IDSize+1], plain.Token, "", 0, false},
		{"no ID", d.partner, "", plain.Token, "", 0, false},
		{"no token", d.partner, plain.ID, "", "", 0, false},
		{"an unknown ID", d.partner, storage.NewID(now) + plain.ID[storage.IDSize:], plain.Token, "", 0, false},
		{"the signing key is not registered any more", &removed, plain.ID, plain.Token, "", 0, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			p, err := d.VerifyToken(ctx, row.client, row.id, row.token, row.verifier, now.Add(row.after))
			if !row.good {
				d.refused(err, exchange.ReasonChallengeInvalid)
				if p != (Verified{}) {
					t.Errorf("with an error it proves %+v", p)
				}
				return
			}
			if err != nil || p.Key != d.Subject("partner", "linked") || p.Signer == "" {
				t.Errorf("got %+v, %v", p, err)
			}
		})
	}
}

// A request without a one-time token has none to guess.
func TestNoTokenIsNoToken(t *testing.T) {
	d := newOffice(t)
	o := d.opened(d.ask("new"))
	_, err := d.VerifyToken(ctx, d.partner, o.ID, "", "", now)
	d.refused(err, exchange.ReasonChallengeInvalid)
	d.refused(d.spend(Verified{Challenge: challengeName(o.ID[:storage.IDSize], 0)}, now), exchange.ReasonChallengeInvalid)
}

func TestOneOfManySpendsAToken(t *testing.T) {
	d := newOffice(t)
	o := d.token()
	var won atomic.Int64
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			p, err := d.VerifyToken(ctx, d.partner, o.ID, o.Token, "", now)
			if err == nil {
				err = d.spend(p, now)
			}
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, storage.ErrConflict):
				d.refused(err, exchange.ReasonChallengeInvalid)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d spent it", won.Load())
	}
	_, err := d.again().VerifyToken(ctx, d.partner, o.ID, o.Token, "", now)
	d.refused(err, exchange.ReasonChallengeInvalid)
}

// Nothing that is handed out is in the store, and neither is an auth key.
func TestRequestsKeepNoSecrets(t *testing.T) {
	d := newOffice(t)
	o := d.token()
	c := d.mailed(o, "alice@example.com", now)
	secrets := []string{"linked", o.Token, o.ID[storage.IDSize+1:], c.ID[strings.LastIndexByte(c.ID, '.')+1:], c.Code}
	for _, table := range []string{"key_requests", "mail_limits", "replays"} {
		for rec, err := range d.engine.Scan(ctx, table, "", "", 0) {
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range secrets {
				if strings.Contains(rec.Key+string(rec.Value[32:]), `"`+s) || len(s) > 10 && strings.Contains(rec.Key+string(rec.Value), s) {
					t.Errorf("%s has %s", table, s)
				}
			}
			if !json.Valid(rec.Value[32:]) {
				t.Errorf("%s is not JSON behind its MAC", table)
			}
		}
	}
}

func TestRequestsSweep(t *testing.T) {
	d := newOffice(t)
	o := d.opened(d.ask("k"))
	d.mailed(o, "alice@example.com", now)
	for _, row := range []struct {
		name  string
		at    time.Time
		swept int
	}{
		{"while it counts", now.Add(20 * time.Minute), 0},
		{"after the request, while the mailbox is limited", now.Add(36 * time.Minute), 1},
		{"after all", now.Add(5 * time.Hour), 2},
	} {
		n, err := d.Sweep(ctx, row.at, 1)
		if err != nil || n != row.swept {
			t.Errorf("%s: swept %d, %v, want %d", row.name, n, err, row.swept)
		}
	}
}

// No second spelling of an ID finds anything, and none costs a try.
func FuzzRequestIDs(f *testing.F) {
	d := newOffice(f)
	o := d.token()
	c := d.mailed(o, "alice@example.com", now)
	f.Add(o.ID)
	f.Add(c.ID)
	f.Add(strings.Replace(c.ID, ".1.", ".01.", 1))
	f.Fuzz(func(t *testing.T, id string) {
		if id != o.ID {
			_, err := d.VerifyToken(ctx, d.partner, id, o.Token, "", now)
			if err == nil || exchange.AsError(err).Reason != exchange.ReasonChallengeInvalid {
				t.Errorf("a token by %q: %v", id, err)
			}
			if _, err := d.NewCode(ctx, d.partner, id, "bob@example.com", now); err == nil || exchange.AsError(err).Reason != exchange.ReasonChallengeInvalid {
				t.Errorf("a code by %q: %v", id, err)
			}
		}
		if id == c.ID {
			return
		}
		if _, err := d.VerifyCode(ctx, d.partner, CodeProof{ID: id, Code: c.Code}, now); err == nil || exchange.AsError(err).Reason != exchange.ReasonChallengeInvalid {
			t.Errorf("an answer by %q: %v", id, err)
		}
		row, err := d.table.Get(ctx, c.key)
		if err != nil || row.Value.Code.Tries != 0 {
			t.Errorf("%q was counted: %+v, %v", id, row.Value.Code, err)
		}
	})
}
