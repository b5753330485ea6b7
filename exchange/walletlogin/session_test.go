package walletlogin

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/replay"
	"cambio/storage"
)

const (
	evmAddress    = "0x5050A4F4b3f9338C3472dcC01A87C76A144b3c9c"
	solanaAddress = "GmaDrppBC7P5ARKV8g3djiwP89vz1jLK23V2GBjuAEGB"
	xrplAddress   = "rD1Q9MzAp9aUMcSU1skmYxcerqZBQFsSWo"
)

// shop is a client with two EVM chains and Solana.
func shop() *exchange.Client {
	return &exchange.Client{
		ID: "shop", Auth: exchange.AuthSecretBasic, Proofs: []string{"wallet-signature"},
		Secrets: []exchange.ClientSecret{{ID: "s1"}},
		Wallets: &exchange.Wallets{
			Domain: "shop.example.com", URI: "https://shop.example.com/login", Statement: "Log in.",
			Chains: []string{"eip155:137", "eip155:1", "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"},
		},
	}
}

func newStore(t testing.TB) *Store { return New(openStore(t), key) }

func opened(t *testing.T, s *Store, o OpenRequest) Session {
	t.Helper()
	got, err := s.Open(ctx, shop(), o, now)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func started(t *testing.T, s *Store, id string, at time.Time) Challenge {
	t.Helper()
	c, err := s.Start(ctx, id, shop(), StartRequest{Address: evmAddress, Type: "EVM"}, at)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// reason returns the reason of a refusal, or "".
func reason(err error) exchange.Reason {
	if err == nil {
		return ""
	}
	return exchange.AsError(err).Reason
}

func wantReason(t *testing.T, what string, err error, want exchange.Reason) {
	t.Helper()
	if got := reason(err); got != want {
		t.Errorf("%s: %s (%v), want %s", what, got, err, want)
	}
}

func TestOpenChecksTheRequest(t *testing.T) {
	s := newStore(t)
	for _, row := range []struct {
		name    string
		request OpenRequest
		client  func(*exchange.Client)
		code    exchange.Reason
		network string
	}{
		{"by type", OpenRequest{SigningAddress: evmAddress, Type: "EVM"}, nil, "", ""},
		{"by a type in lower case", OpenRequest{SigningAddress: solanaAddress, Type: "solana"}, nil, "", ""},
		{"by network", OpenRequest{SigningAddress: evmAddress, Network: "eip155:1"}, nil, "", "eip155:1"},
		{"by the network's name", OpenRequest{SigningAddress: evmAddress, Network: "polygon"}, nil, "", "eip155:137"},
		{"by Solana's name", OpenRequest{SigningAddress: solanaAddress, Network: "SOLANA"}, nil, "", "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"},
		{"by its number and its type", OpenRequest{SigningAddress: evmAddress, Network: "137", Type: "EVM"}, nil, "", "eip155:137"},
		{"by its number in hexadecimal", OpenRequest{SigningAddress: evmAddress, Network: "0x89"}, nil, "", "eip155:137"},
		{"by Solana's cluster", OpenRequest{SigningAddress: solanaAddress, Network: "solana:mainnet"}, nil, "", "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"},
		{"by its number alone", OpenRequest{SigningAddress: evmAddress, Network: "137"}, nil, exchange.ReasonWalletNotSupported, ""},
		{"by both", OpenRequest{SigningAddress: evmAddress, Network: "eip155:1", Type: "EVM"}, nil, "", "eip155:1"},
		{"with a deposit address", OpenRequest{SigningAddress: evmAddress, DepositAddress: strings.ToLower(evmAddress), Type: "EVM"}, nil, "", ""},
		{"with a user", OpenRequest{SigningAddress: evmAddress, Type: "EVM", ExternalUserID: "alice"}, nil, "", ""},
		{"by neither", OpenRequest{SigningAddress: evmAddress}, nil, exchange.ReasonParameterMissing, ""},
		{"by both, which differ", OpenRequest{SigningAddress: evmAddress, Network: "eip155:1", Type: "SOLANA"}, nil, exchange.ReasonParameterInvalid, ""},
		{"by an unknown type", OpenRequest{SigningAddress: evmAddress, Type: "BTC"}, nil, exchange.ReasonWalletNotSupported, ""},
		{"by a type that is not the client's", OpenRequest{SigningAddress: xrplAddress, Type: "XRPL"}, nil, exchange.ReasonWalletNotSupported, ""},
		{"by a network that is not the client's", OpenRequest{SigningAddress: evmAddress, Network: "eip155:10"}, nil, exchange.ReasonWalletNotSupported, ""},
		{"by an unknown network", OpenRequest{SigningAddress: evmAddress, Network: "algorand"}, nil, exchange.ReasonWalletNotSupported, ""},
		{"without address", OpenRequest{Type: "EVM"}, nil, exchange.ReasonParameterInvalid, ""},
		{"with an address of another type", OpenRequest{SigningAddress: solanaAddress, Type: "EVM"}, nil, exchange.ReasonParameterInvalid, ""},
		{"with a deposit address of another type", OpenRequest{SigningAddress: evmAddress, DepositAddress: solanaAddress, Type: "EVM"}, nil, exchange.ReasonParameterInvalid, ""},
		{"with a control character", OpenRequest{SigningAddress: evmAddress, Type: "EVM", ExternalUserID: "a\nb"}, nil, exchange.ReasonParameterInvalid, ""},
		{"with a long user", OpenRequest{SigningAddress: evmAddress, Type: "EVM", ExternalUserID: strings.Repeat("a", 256)}, nil, exchange.ReasonParameterInvalid, ""},
		{"with an issuer's user", OpenRequest{SigningAddress: evmAddress, Type: "EVM", ExternalUserID: "alice"}, func(c *exchange.Client) { c.AsIssuer = "login" }, exchange.ReasonParameterInvalid, ""},
		{"by a client without wallets", OpenRequest{SigningAddress: evmAddress, Type: "EVM"}, func(c *exchange.Client) { c.Wallets = nil }, exchange.ReasonClientNotAllowed, ""},
		{"by a client that may not present signatures", OpenRequest{SigningAddress: evmAddress, Type: "EVM"}, func(c *exchange.Client) { c.Proofs = nil }, exchange.ReasonClientNotAllowed, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := shop()
			if row.client != nil {
				row.client(c)
			}
			got, err := s.Open(ctx, c, row.request, now)
			wantReason(t, "opened", err, row.code)
			if row.code != "" {
				if got.ID != "" {
					t.Errorf("got %+v", got)
				}
				return
			}
			if got.Network != row.network || got.SigningAddress != row.request.SigningAddress || got.ExternalUserID != row.request.ExternalUserID ||
				got.DepositAddress != "" && got.DepositAddress != evmAddress || !got.Expires.Equal(now.Add(10*time.Minute)) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// The ID is a capability: it is not stored, and no part of it suffices.
func TestSessionIDIsACapability(t *testing.T) {
	s := newStore(t)
	a, b := opened(t, s, OpenRequest{SigningAddress: evmAddress, Type: "EVM"}), opened(t, s, OpenRequest{SigningAddress: evmAddress, Type: "EVM"})
	id, random, _ := strings.Cut(a.ID, ".")
	_, other, _ := strings.Cut(b.ID, ".")
	for _, bad := range []string{"", id, id + ".", random, "." + random, id + "." + other, a.ID + "A", a.ID[:len(a.ID)-1], a.ID + "\n", strings.ToUpper(id) + "." + random} {
		_, err := s.Find(ctx, bad, now)
		wantReason(t, bad, err, exchange.ReasonClientSessionInvalid)
	}
	if got, err := s.Find(ctx, a.ID, now); err != nil || got.SigningAddress != evmAddress || got.ID != "" {
		t.Errorf("%+v, %v", got, err)
	}
	for r, err := range s.engine.Scan(ctx, "client_sessions", "", "", 0) {
		if err != nil || strings.Contains(r.Key+string(r.Value), random) {
			t.Errorf("the ID is in the store: %v", err)
		}
	}
}

func TestSessionExpires(t *testing.T) {
	for _, row := range []struct {
		name   string
		steps  []time.Duration // since it was opened, when challenges are started
		active bool            // at the last
	}{
		{"at once", []time.Duration{0}, true},
		{"shortly before it is idle too long", []time.Duration{10*time.Minute - time.Second}, true},
		{"idle too long", []time.Duration{10 * time.Minute}, false},
		{"used in between", []time.Duration{9 * time.Minute, 18 * time.Minute, 27 * time.Minute, 36 * time.Minute, 45 * time.Minute, 54 * time.Minute, 60*time.Minute - time.Second}, true},
		{"used until its end", []time.Duration{9 * time.Minute, 18 * time.Minute, 27 * time.Minute, 36 * time.Minute, 45 * time.Minute, 54 * time.Minute, time.Hour}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newStore(t)
			o := opened(t, s, OpenRequest{SigningAddress: evmAddress, Type: "EVM"})
			var err error
			var c Challenge
			for i, at := range row.steps {
				c, err = s.Start(ctx, o.ID, shop(), StartRequest{Address: evmAddress, Type: "EVM"}, now.Add(at))
				if i < len(row.steps)-1 && err != nil {
					t.Fatal(err)
				}
			}
			if row.active {
				wantReason(t, "last", err, "")
				if c.Expires.After(now.Add(time.Hour)) {
					t.Errorf("the challenge expires after the session: %s", c.Expires)
				}
			} else {
				wantReason(t, "last", err, exchange.ReasonClientSessionInvalid)
			}
		})
	}
}

func TestStartChecksTheAccount(t *testing.T) {
	for _, row := range []struct {
		name    string
		request OpenRequest
		start   StartRequest
		client  func(*exchange.Client)
		account string
		code    exchange.Reason
	}{
		{"the client's first chain", OpenRequest{Type: "EVM"}, StartRequest{Address: evmAddress, Type: "EVM"}, nil, "eip155:137:" + evmAddress, ""},
		{"another of its chains", OpenRequest{Type: "EVM"}, StartRequest{Address: evmAddress, Type: "evm", Chain: "1"}, nil, "eip155:1:" + evmAddress, ""},
		{"by its identifier", OpenRequest{Type: "EVM"}, StartRequest{Address: strings.ToLower(evmAddress), Type: "EVM", Chain: "eip155:1"}, nil, "eip155:1:" + evmAddress, ""},
		{"the session's chain", OpenRequest{Network: "eip155:1"}, StartRequest{Address: evmAddress, Type: "EVM"}, nil, "eip155:1:" + evmAddress, ""},
		{"not the session's chain", OpenRequest{Network: "eip155:1"}, StartRequest{Address: evmAddress, Type: "EVM", Chain: "137"}, nil, "", exchange.ReasonParameterInvalid},
		{"not one of its chains", OpenRequest{Type: "EVM"}, StartRequest{Address: evmAddress, Type: "EVM", Chain: "10"}, nil, "", exchange.ReasonWalletNotSupported},
		{"in hexadecimal", OpenRequest{Type: "EVM"}, StartRequest{Address: evmAddress, Type: "EVM", Chain: "0x1"}, nil, "eip155:1:" + evmAddress, ""},
		{"by its identifier, in hexadecimal", OpenRequest{Type: "EVM"}, StartRequest{Address: evmAddress, Type: "EVM", Chain: "eip155:0x89"}, nil, "eip155:137:" + evmAddress, ""},
		{"by the session's, in hexadecimal", OpenRequest{Network: "eip155:1"}, StartRequest{Address: evmAddress, Type: "EVM", Chain: "0x01"}, nil, "eip155:1:" + evmAddress, ""},
		{"by its name", OpenRequest{Type: "EVM"}, StartRequest{Address: evmAddress, Type: "EVM", Chain: "Polygon"}, nil, "eip155:137:" + evmAddress, ""},
		{"by an account", OpenRequest{Type: "EVM"}, StartRequest{Address: "eip155:1:" + evmAddress, Type: "EVM"}, nil, "eip155:1:" + evmAddress, ""},
		{"by an account on another chain", OpenRequest{Type: "EVM"}, StartRequest{Address: "eip155:1:" + evmAddress, Type: "EVM", Chain: "137"}, nil, "", exchange.ReasonParameterInvalid},
		{"no number", OpenRequest{Type: "EVM"}, StartRequest{Address: evmAddress, Type: "EVM", Chain: "0x"}, nil, "", exchange.ReasonWalletNotSupported},
		{"a huge number", OpenRequest{Type: "EVM"}, StartRequest{Address: evmAddress, Type: "EVM", Chain: "0x1" + strings.Repeat("0", 31)}, nil, "", exchange.ReasonWalletNotSupported},
		{"a name of another type", OpenRequest{Type: "EVM"}, StartRequest{Address: evmAddress, Type: "EVM", Chain: "solana"}, nil, "", exchange.ReasonWalletNotSupported},
		{"a chain of another type", OpenRequest{Type: "EVM"}, StartRequest{Address: evmAddress, Type: "EVM", Chain: "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"}, nil, "", exchange.ReasonWalletNotSupported},
		{"another type", OpenRequest{Type: "EVM"}, StartRequest{Address: solanaAddress, Type: "SOLANA"}, nil, "", exchange.ReasonParameterInvalid},
		{"no type", OpenRequest{Type: "EVM"}, StartRequest{Address: evmAddress}, nil, "", exchange.ReasonParameterInvalid},
		{"another address", OpenRequest{Type: "EVM"}, StartRequest{Address: "0x3325a78425F17a7E487Eb5666b2bFd93aBb06c70", Type: "EVM"}, nil, "", exchange.ReasonParameterInvalid},
		{"no address", OpenRequest{Type: "EVM"}, StartRequest{Address: "x", Type: "EVM"}, nil, "", exchange.ReasonParameterInvalid},
		{"a chain that was removed", OpenRequest{Network: "eip155:1"}, StartRequest{Address: evmAddress, Type: "EVM"}, func(c *exchange.Client) { c.Wallets.Chains = c.Wallets.Chains[:1] }, "", exchange.ReasonWalletNotSupported},
		{"wallets removed", OpenRequest{Type: "EVM"}, StartRequest{Address: evmAddress, Type: "EVM"}, func(c *exchange.Client) { c.Wallets = nil }, "", exchange.ReasonClientSessionInvalid},
		{"another client", OpenRequest{Type: "EVM"}, StartRequest{Address: evmAddress, Type: "EVM"}, func(c *exchange.Client) { c.ID = "other" }, "", exchange.ReasonClientSessionInvalid},
		{"its secret revoked", OpenRequest{Type: "EVM", Credential: "s1"}, StartRequest{Address: evmAddress, Type: "EVM"}, func(c *exchange.Client) { c.Secrets = nil }, "", exchange.ReasonClientSessionInvalid},
		{"its secret registered", OpenRequest{Type: "EVM", Credential: "s1"}, StartRequest{Address: evmAddress, Type: "EVM"}, nil, "eip155:137:" + evmAddress, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newStore(t)
			row.request.SigningAddress = evmAddress
			o := opened(t, s, row.request)
			client := shop()
			if row.client != nil {
				row.client(client)
			}
			c, err := s.Start(ctx, o.ID, client, row.start, now)
			wantReason(t, "started", err, row.code)
			if c.Account.String() != row.account && row.code == "" || row.code != "" && c.ID != "" {
				t.Errorf("got %+v", c)
			}
			if row.code == "" && (!strings.HasPrefix(c.Message, "shop.example.com wants you to sign in with your Ethereum account:\n"+evmAddress+"\n\nLog in.\n") || !c.Expires.Equal(now.Add(5*time.Minute))) {
				t.Errorf("message %q until %s", c.Message, c.Expires)
			}
		})
	}
}

func TestStartsAreBounded(t *testing.T) {
	s := newStore(t)
	o := opened(t, s, OpenRequest{SigningAddress: evmAddress, Type: "EVM"})
	for range maxChallenges {
		started(t, s, o.ID, now)
	}
	_, err := s.Start(ctx, o.ID, shop(), StartRequest{Address: evmAddress, Type: "EVM"}, now)
	wantReason(t, "one more", err, exchange.ReasonTooManyFailures)
}

// A challenge is valid until it is used, replaced, expired, or has three wrong
// signatures; each is refused alike.
func TestChallengeBecomesInvalid(t *testing.T) {
	spend := func(s *Store, c Challenge, at time.Time) error {
		writes, err := replay.Spenders{Kind: s}.Spend(ctx, c.Name, at)
		if err == nil {
			err = s.engine.Commit(ctx, writes...)
		}
		return err
	}
	fail := func(n int) func(*testing.T, *Store, string, Challenge) {
		return func(t *testing.T, s *Store, _ string, c Challenge) {
			for range n {
				if err := s.CountFailure(ctx, c, now); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, row := range []struct {
		name   string
		before func(t *testing.T, s *Store, id string, c Challenge)
		at     time.Time
		code   exchange.Reason
	}{
		{"fresh", fail(0), now, ""},
		{"after two failures", fail(2), now, ""},
		{"after three", fail(3), now, exchange.ReasonChallengeInvalid},
		{"after four", fail(4), now, exchange.ReasonChallengeInvalid},
		{"shortly before its end", fail(0), now.Add(5*time.Minute - time.Second), ""},
		{"at its end", fail(0), now.Add(5 * time.Minute), exchange.ReasonChallengeInvalid},
		{"replaced", func(t *testing.T, s *Store, id string, _ Challenge) { started(t, s, id, now) }, now, exchange.ReasonChallengeInvalid},
		{"used", func(t *testing.T, s *Store, _ string, c Challenge) {
			if err := spend(s, c, now); err != nil {
				t.Fatal(err)
			}
		}, now, exchange.ReasonChallengeInvalid},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newStore(t)
			o := opened(t, s, OpenRequest{SigningAddress: evmAddress, Type: "EVM"})
			c := started(t, s, o.ID, now)
			row.before(t, s, o.ID, c)
			got, err := s.Challenge(ctx, c.ID, shop(), row.at)
			wantReason(t, "found", err, row.code)
			if row.code == "" && (got.Message != c.Message || got.Name != c.Name || got.Account != c.Account) {
				t.Errorf("found %+v, want %+v", got, c)
			}
			wantReason(t, "spent", spend(s, c, row.at), row.code)
		})
	}
}

// A failure of an older challenge does not count against the newer one.
func TestFailuresCountForOneChallenge(t *testing.T) {
	s := newStore(t)
	o := opened(t, s, OpenRequest{SigningAddress: evmAddress, Type: "EVM"})
	older := started(t, s, o.ID, now)
	newer := started(t, s, o.ID, now)
	for range 5 {
		if err := s.CountFailure(ctx, older, now); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Challenge(ctx, newer.ID, shop(), now); err != nil {
		t.Error(err)
	}
}

func TestChallengeIsRefusedToOtherClientsAndIDs(t *testing.T) {
	s := newStore(t)
	o := opened(t, s, OpenRequest{SigningAddress: evmAddress, Type: "EVM", Credential: "s1"})
	c := started(t, s, o.ID, now)
	id, nonce, _ := strings.Cut(c.ID, ".")
	for _, bad := range []string{"", id, id + ".", nonce, c.ID + "A", strings.ToLower(c.ID), o.ID, c.Name} {
		_, err := s.Challenge(ctx, bad, shop(), now)
		wantReason(t, bad, err, exchange.ReasonChallengeInvalid)
	}
	for name, change := range map[string]func(*exchange.Client){
		"another client": func(c *exchange.Client) { c.ID = "other" },
		"secret revoked": func(c *exchange.Client) { c.Secrets = nil },
	} {
		client := shop()
		change(client)
		_, err := s.Challenge(ctx, c.ID, client, now)
		wantReason(t, name, err, exchange.ReasonChallengeInvalid)
	}
	client := shop()
	client.Wallets.Chains = client.Wallets.Chains[1:]
	_, err := s.Challenge(ctx, c.ID, client, now)
	wantReason(t, "chain removed", err, exchange.ReasonWalletNotSupported)
	for _, bad := range []string{"", "wallet", "wallet/", "wallet/" + id, "wallet/" + id + "/2", "wallet/" + id + "/01", "request/" + id + "/1"} {
		_, err := replay.Spenders{Kind: s}.Spend(ctx, bad, now)
		wantReason(t, bad, err, exchange.ReasonChallengeInvalid)
	}
	if strings.Contains(c.Name, nonce) {
		t.Error("the challenge's name reveals its ID")
	}
}

func TestChallengeHasOneWinner(t *testing.T) {
	s := newStore(t)
	o := opened(t, s, OpenRequest{SigningAddress: evmAddress, Type: "EVM"})
	c := started(t, s, o.ID, now)
	var won atomic.Int32
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			writes, err := replay.Spenders{Kind: s}.Spend(ctx, c.Name, now)
			if err == nil {
				err = s.engine.Commit(ctx, writes...)
			}
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, storage.ErrConflict) && reason(err) != exchange.ReasonChallengeInvalid:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d uses succeeded, want 1", won.Load())
	}
	if got, err := s.Find(ctx, o.ID, now); err != nil || got.Account != c.Account.String() || got.Challenge != "" {
		t.Errorf("the session is %+v, %v", got, err)
	}
}

func TestSweepDeletesExpiredSessions(t *testing.T) {
	s := newStore(t)
	opened(t, s, OpenRequest{SigningAddress: evmAddress, Type: "EVM"})
	for _, row := range []struct {
		at   time.Duration
		want int
	}{{absoluteLifetime + retention - time.Second, 0}, {absoluteLifetime + retention + time.Second, 1}, {absoluteLifetime + retention + time.Second, 0}} {
		if n, err := s.Sweep(ctx, now.Add(row.at), 10); err != nil || n != row.want {
			t.Errorf("after %s: %d, %v", row.at, n, err)
		}
	}
}

// The IDs of sessions and challenges have one spelling.
func FuzzClientSessionID(f *testing.F) {
	e := newStore(f)
	o, err := e.Open(ctx, shop(), OpenRequest{SigningAddress: evmAddress, Type: "EVM"}, now)
	if err != nil {
		f.Fatal(err)
	}
	c, err := e.Start(ctx, o.ID, shop(), StartRequest{Address: evmAddress, Type: "EVM"}, now)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(o.ID)
	f.Add(c.ID)
	f.Fuzz(func(t *testing.T, id string) {
		if _, err := e.Find(ctx, id, now); err == nil && id != o.ID {
			t.Errorf("found a session by %q", id)
		} else if err != nil && reason(err) != exchange.ReasonClientSessionInvalid {
			t.Error(err)
		}
		if _, err := e.Challenge(ctx, id, shop(), now); err == nil && id != c.ID {
			t.Errorf("found a challenge by %q", id)
		} else if err != nil && reason(err) != exchange.ReasonChallengeInvalid {
			t.Error(err)
		}
	})
}

// A CAIP-10 identifier is taken for an address.
func TestAccountsForAddresses(t *testing.T) {
	s := newStore(t)
	for _, row := range []struct {
		name    string
		request OpenRequest
		network string
		code    exchange.Reason
	}{
		{"alone", OpenRequest{SigningAddress: "eip155:1:" + evmAddress}, "eip155:1", ""},
		{"beside its network", OpenRequest{SigningAddress: "eip155:1:" + evmAddress, Network: "1", Type: "EVM"}, "eip155:1", ""},
		{"beside its type", OpenRequest{SigningAddress: "eip155:1:" + evmAddress, Type: "EVM"}, "", ""},
		{"for the deposit", OpenRequest{SigningAddress: evmAddress, DepositAddress: "eip155:10:" + evmAddress, Type: "EVM"}, "", ""},
		{"beside another network", OpenRequest{SigningAddress: "eip155:1:" + evmAddress, Network: "eip155:137"}, "", exchange.ReasonParameterInvalid},
		{"beside another type", OpenRequest{SigningAddress: "eip155:1:" + evmAddress, Type: "SOLANA"}, "", exchange.ReasonParameterInvalid},
		{"on a chain that is not the client's", OpenRequest{SigningAddress: "eip155:10:" + evmAddress}, "", exchange.ReasonWalletNotSupported},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := s.Open(ctx, shop(), row.request, now)
			wantReason(t, "opened", err, row.code)
			if err == nil && (got.SigningAddress != evmAddress || got.Network != row.network) {
				t.Errorf("opened %+v", got)
			}
		})
	}
}

// The message names the domain of the page that requests it, if it is the client's.
func TestMessageNamesThePage(t *testing.T) {
	client := shop()
	client.Wallets.Domains = []string{"www.example.com", "localhost:3000"}
	for _, row := range []struct{ name, origin, domain, uri string }{
		{"no page", "", "shop.example.com", "https://shop.example.com/login"},
		{"the first", "https://shop.example.com", "shop.example.com", "https://shop.example.com/login"},
		{"another", "https://www.example.com", "www.example.com", "https://www.example.com/login"},
		{"one with a port", "http://localhost:3000", "localhost:3000", "http://localhost:3000/login"},
		{"another port", "http://localhost:3001", "shop.example.com", "https://shop.example.com/login"},
		{"not the client's", "https://evil.example", "shop.example.com", "https://shop.example.com/login"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newStore(t)
			o := opened(t, s, OpenRequest{SigningAddress: evmAddress, Type: "EVM"})
			c, err := s.Start(ctx, o.ID, client, StartRequest{Address: evmAddress, Type: "EVM", Origin: row.origin}, now)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(c.Message, row.domain+" wants you to") || !strings.Contains(c.Message, "\nURI: "+row.uri+"\n") {
				t.Errorf("the message is\n%s", c.Message)
			}
		})
	}
}
