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

// known has the linked users: namespace and ID → user.
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

// fixture is a Store with two clients.
type fixture struct {
	testing.TB
	*Store
	users           *known
	engine          storage.Engine
	partner, second *exchange.Client
	signatures      atomic.Int64
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	e := openStore(t)
	d := &fixture{TB: t, engine: e, users: &known{users: map[[2]string]string{}}}
	d.Store = d.reopened()
	client := func(id string) *exchange.Client {
		return &exchange.Client{ID: id, Proofs: []string{"otp", "one-time-token"}, AuthKeys: &exchange.AuthKeys{SigningKeys: publicPEM(partnerKey())}}
	}
	d.partner, d.second = client("partner"), client("second")
	return d
}

// reopened returns the Store as after a restart.
func (d *fixture) reopened() *Store {
	return New(d.engine, Config{RecordKey: key, Secret: key, Replays: replay.New(d.engine, key), Users: d.users})
}

func (d *fixture) request(authKey string) Request {
	return Request{Client: d.partner, Key: authKey, Signer: exchange.KeyID(partnerKey()), Signature: fmt.Append(nil, d.signatures.Add(1))}
}

func (d *fixture) opened(req Request) Login {
	d.Helper()
	o, err := d.Open(ctx, req, now)
	if err != nil {
		d.Fatal(err)
	}
	return o
}

func (d *fixture) mailed(o Login, address string, at time.Time) Code {
	d.Helper()
	c, err := d.NewCode(ctx, d.partner, o.ID, address, at)
	if err != nil {
		d.Fatal(err)
	}
	return c
}

// spend uses up the challenge of a proof.
func (d *fixture) spend(p Verified, at time.Time) error {
	w, err := replay.Spenders{Kind: d.Store}.Spend(ctx, p.Challenge, at)
	if err == nil {
		err = d.engine.Commit(ctx, w...)
	}
	return err
}

func (d *fixture) refused(err error, want exchange.Reason) {
	d.Helper()
	if err == nil || exchange.AsError(err).Reason != want {
		d.Errorf("got %v, want %s", err, want)
	}
}

// wrong returns a code that is not code.
func wrong(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}

func TestOpenIssuesTokensForLinkedKeys(t *testing.T) {
	d := newFixture(t)
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
		{"not passwordless", func(req *Request) { req.Passwordless = false }, false},
		{"not linked", func(req *Request) { req.Key = "new" }, false},
		{"of another client", func(req *Request) { req.Client = d.second }, false},
		{"a client that may not present one-time tokens", func(req *Request) { req.Client = &withoutTokens }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			req := d.request("linked")
			req.Passwordless = true
			row.change(&req)
			o := d.opened(req)
			if (o.Token != "") != row.token || o.ID == "" || !o.Expires.Equal(now.Add(15*time.Minute)) {
				t.Errorf("opened %+v", o)
			}
		})
	}
	if d.Subject("partner", "k") == d.Subject("second", "k") || strings.Contains(d.Subject("partner", "k"), "k.") {
		t.Error("two clients share the subject of a key")
	}
}

func TestSignatureIsUsedOnce(t *testing.T) {
	d := newFixture(t)
	req := d.request("k")
	d.opened(req)
	second := req
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
		{"at once", 0, false}, {"an hour later", time.Hour, false}, {"just before a day has passed", 24*time.Hour - time.Millisecond, false},
		{"two days later", 48 * time.Hour, true},
	} {
		if row.fresh {
			if _, err := d.cfg.Replays.Sweep(ctx, now.Add(row.after+replay.Retention), 256); err != nil {
				t.Fatal(err)
			}
		}
		_, err := d.reopened().Open(ctx, req, now.Add(row.after))
		if (err == nil) != row.fresh || err != nil && exchange.AsError(err).Reason != exchange.ReasonRequestReplayed {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

func TestSignatureHasOneWinner(t *testing.T) {
	d := newFixture(t)
	req := d.request("k")
	var won atomic.Int64
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() { // also around the end of a period
			at := now.Truncate(24 * time.Hour).Add(time.Duration(i-32) * time.Millisecond)
			if _, err := d.Open(ctx, req, at); err == nil {
				won.Add(1)
			} else if exchange.AsError(err).Reason != exchange.ReasonRequestReplayed {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d logins were opened, want 1", won.Load())
	}
}

// token opens a login whose key is linked.
func (d *fixture) token(change ...func(*Request)) Login {
	d.Helper()
	d.users.users[[2]string{"key:partner", d.Subject("partner", "linked")}] = "u1"
	req := d.request("linked")
	req.Passwordless = true
	for _, c := range change {
		c(&req)
	}
	return d.opened(req)
}

func TestVerifyTokenChecksTheLogin(t *testing.T) {
	d := newFixture(t)
	const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	bound := func(req *Request) { req.CodeChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" }
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
		{"with a verifier but no challenge", d.partner, plain.ID, plain.Token, verifier, 0, false},
		{"another client", d.second, plain.ID, plain.Token, "", 0, false},
		{"another request's token", d.partner, plain.ID, another.Token, "", 0, false},
		{"another request's ID", d.partner, another.ID, plain.Token, "", 0, false},
		{"half an ID", d.partner, plain.ID[:storage.IDSize], plain.Token, "", 0, false},
		{"half an ID and a dot", d.partner, plain.ID[:storage.IDSize+1], plain.Token, "", 0, false},
		{"no ID", d.partner, "", plain.Token, "", 0, false},
		{"no token", d.partner, plain.ID, "", "", 0, false},
		{"an unknown ID", d.partner, storage.NewID(now) + plain.ID[storage.IDSize:], plain.Token, "", 0, false},
		{"the signing key is no longer registered", &removed, plain.ID, plain.Token, "", 0, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			p, err := d.VerifyToken(ctx, row.client, row.id, row.token, row.verifier, now.Add(row.after))
			if !row.good {
				d.refused(err, exchange.ReasonChallengeInvalid)
				if p != (Verified{}) {
					t.Errorf("an error came with %+v", p)
				}
				return
			}
			if err != nil || p.Key != d.Subject("partner", "linked") || p.Signer == "" {
				t.Errorf("got %+v, %v", p, err)
			}
		})
	}
}

// A login without a one-time token is not completed by an empty one.
func TestEmptyTokenNeverMatches(t *testing.T) {
	d := newFixture(t)
	o := d.opened(d.request("new"))
	_, err := d.VerifyToken(ctx, d.partner, o.ID, "", "", now)
	d.refused(err, exchange.ReasonChallengeInvalid)
	d.refused(d.spend(Verified{Challenge: challengeName(o.ID[:storage.IDSize], 0)}, now), exchange.ReasonChallengeInvalid)
}

func TestTokenHasOneWinner(t *testing.T) {
	d := newFixture(t)
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
		t.Errorf("%d uses succeeded, want 1", won.Load())
	}
	_, err := d.reopened().VerifyToken(ctx, d.partner, o.ID, o.Token, "", now)
	d.refused(err, exchange.ReasonChallengeInvalid)
}

// Neither issued secrets nor auth keys are in the store.
func TestStoreHoldsNoSecrets(t *testing.T) {
	d := newFixture(t)
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

func TestSweepDeletesLoginsThenLimits(t *testing.T) {
	d := newFixture(t)
	o := d.opened(d.request("k"))
	d.mailed(o, "alice@example.com", now)
	for _, row := range []struct {
		name  string
		at    time.Time
		swept int
	}{
		{"while it is valid", now.Add(20 * time.Minute), 0},
		{"after the login, while the mailbox is limited", now.Add(36 * time.Minute), 1},
		{"after all", now.Add(5 * time.Hour), 2},
	} {
		n, err := d.Sweep(ctx, row.at, 1)
		if err != nil || n != row.swept {
			t.Errorf("%s: swept %d, %v, want %d", row.name, n, err, row.swept)
		}
	}
}

// IDs have one spelling, and others do not count as attempts.
func FuzzIDs(f *testing.F) {
	d := newFixture(f)
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
			t.Errorf("a proof by %q: %v", id, err)
		}
		row, err := d.table.Get(ctx, c.key)
		if err != nil || row.Value.Code.Tries != 0 {
			t.Errorf("%q was counted: %+v, %v", id, row.Value.Code, err)
		}
	})
}
