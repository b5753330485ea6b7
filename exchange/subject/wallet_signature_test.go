package subject

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"golang.org/x/crypto/sha3"

	"cambio/exchange"
	"cambio/exchange/replay"
	"cambio/exchange/wallet"
	"cambio/exchange/walletlogin"
	"cambio/storage/bolt"
)

// keyOf is an EVM wallet's key, and address that of the wallet.
func keyOf(n byte) *secp256k1.PrivateKey { return secp256k1.PrivKeyFromBytes([]byte{31: n}) }

func keccak(data []byte) []byte {
	h := sha3.NewLegacyKeccak256()
	h.Write(data)
	return h.Sum(nil)
}

func addressOf(t testing.TB, key *secp256k1.PrivateKey) string {
	t.Helper()
	a, err := wallet.ParseAddress(wallet.EVM, "0x"+hex.EncodeToString(keccak(key.PubKey().SerializeUncompressed()[1:])[12:]))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// sign signs as EVM wallets do (EIP-191).
func sign(key *secp256k1.PrivateKey, message string) string {
	compact := ecdsa.SignCompact(key, keccak([]byte("\x19Ethereum Signed Message:\n"+strconv.Itoa(len(message))+message)), false)
	return "0x" + hex.EncodeToString(append(compact[1:65:65], compact[0]))
}

// walletFixture is a client whose users have wallets, and a Verifier.
type walletFixture struct {
	client   *exchange.Client
	sessions *walletlogin.Store
	engine   *bolt.Engine
	verifier *Verifier
	now      time.Time
}

func newWalletFixture(t testing.TB) *walletFixture {
	t.Helper()
	e, err := bolt.Open(filepath.Join(t.TempDir(), "db"), bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	contracts := wallet.NewContracts()
	t.Cleanup(contracts.Close)
	p := &walletFixture{
		client: &exchange.Client{
			ID: "shop", Proofs: []string{"wallet-signature"}, Secrets: []exchange.ClientSecret{{ID: "s1"}},
			Wallets: &exchange.Wallets{Domain: "shop.example.com", URI: "https://shop.example.com/", Chains: []string{"eip155:1", "eip155:10"}},
		},
		sessions: walletlogin.New(e, make([]byte, 32)), engine: e, now: time.Now(),
	}
	p.verifier = New(Config{
		Issuers: func() Issuers { return issuers{} }, FirstParty: noAccessTokens{}, OwnIssuer: ownURL, Wallets: p.sessions, Contracts: contracts,
	})
	return p
}

// challenge starts one for a wallet in a new session, which names a user.
func (p *walletFixture) challenge(t testing.TB, address, user string) walletlogin.Challenge {
	t.Helper()
	o, err := p.sessions.Open(t.Context(), p.client, walletlogin.OpenRequest{SigningAddress: address, Type: "EVM", ExternalUserID: user, Credential: "s1"}, p.now)
	if err != nil {
		t.Fatal(err)
	}
	return p.started(t, o.ID, address, "")
}

func (p *walletFixture) started(t testing.TB, id, address, chain string) walletlogin.Challenge {
	t.Helper()
	c, err := p.sessions.Start(t.Context(), id, p.client, walletlogin.StartRequest{Address: address, Type: "EVM", Chain: chain}, p.now)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (p *walletFixture) verify(members map[string]any) (*exchange.Subject, *exchange.CompiledIssuer, []exchange.Check, error) {
	text, _ := json.Marshal(members)
	token := exchange.SubjectToken{Text: base64.RawURLEncoding.EncodeToString(text), Type: exchange.TypeWalletSignature, Client: p.client}
	var r exchange.Recorder
	s, issuer, err := p.verifier.Verify(context.Background(), token, &r, p.now)
	return s, issuer, r.Checks, err
}

func TestWalletSignatureWithOneFaultIsRefused(t *testing.T) {
	key, other := keyOf(1), keyOf(2)
	for _, row := range []struct {
		name   string
		change func(p *walletFixture, m map[string]any, c walletlogin.Challenge)
		reason exchange.Reason
		check  string
	}{
		{"good", func(*walletFixture, map[string]any, walletlogin.Challenge) {}, "", ""},
		{"in lower case", func(_ *walletFixture, m map[string]any, c walletlogin.Challenge) {
			m["walletAddress"] = strings.ToLower(c.Account.Address)
		}, "", ""},
		{"as an account", func(_ *walletFixture, m map[string]any, c walletlogin.Challenge) {
			m["walletAddress"] = c.Account.String()
		}, "", ""},
		{"as an account on another chain", func(_ *walletFixture, m map[string]any, c walletlogin.Challenge) {
			m["walletAddress"] = "eip155:10:" + c.Account.Address
		}, exchange.ReasonParameterInvalid, "walletAddress"},
		{"with its type", func(_ *walletFixture, m map[string]any, _ walletlogin.Challenge) { m["walletType"] = "EVM" }, "", ""},
		{"with a key", func(_ *walletFixture, m map[string]any, _ walletlogin.Challenge) { m["publicKey"] = "0x04" }, "", ""},
		{"with another type", func(_ *walletFixture, m map[string]any, _ walletlogin.Challenge) { m["walletType"] = "XRPL" }, exchange.ReasonParameterInvalid, "walletType"},
		{"with another address", func(_ *walletFixture, m map[string]any, _ walletlogin.Challenge) {
			m["walletAddress"] = addressOf(t, other)
		}, exchange.ReasonParameterInvalid, "walletAddress"},
		{"with an invalid address", func(_ *walletFixture, m map[string]any, _ walletlogin.Challenge) { m["walletAddress"] = "alice" }, exchange.ReasonParameterInvalid, "walletAddress"},
		{"without address", func(_ *walletFixture, m map[string]any, _ walletlogin.Challenge) { delete(m, "walletAddress") }, exchange.ReasonParameterMissing, "walletAddress"},
		{"without signature", func(_ *walletFixture, m map[string]any, _ walletlogin.Challenge) { m["signature"] = nil }, exchange.ReasonParameterMissing, "signature"},
		{"without challenge", func(_ *walletFixture, m map[string]any, _ walletlogin.Challenge) { m["challengeId"] = "" }, exchange.ReasonParameterMissing, "challengeId"},
		{"a number for a signature", func(_ *walletFixture, m map[string]any, _ walletlogin.Challenge) { m["signature"] = 1 }, exchange.ReasonParameterInvalid, "signature"},
		{"with more", func(_ *walletFixture, m map[string]any, _ walletlogin.Challenge) { m["externalUserId"] = "bob" }, exchange.ReasonParameterInvalid, "members"},
		{"with a challenge that is none", func(_ *walletFixture, m map[string]any, c walletlogin.Challenge) { m["challengeId"] = c.ID + "A" }, exchange.ReasonChallengeInvalid, "challengeId"},
		{"another's signature", func(_ *walletFixture, m map[string]any, c walletlogin.Challenge) {
			m["signature"] = sign(other, c.Message)
		}, exchange.ReasonWalletSignatureInvalid, "signature"},
		{"over another message", func(_ *walletFixture, m map[string]any, c walletlogin.Challenge) {
			m["signature"] = sign(key, strings.Replace(c.Message, "shop", "evil", 1))
		}, exchange.ReasonWalletSignatureInvalid, "signature"},
		{"no signature at all", func(_ *walletFixture, m map[string]any, _ walletlogin.Challenge) { m["signature"] = "yes" }, exchange.ReasonWalletSignatureInvalid, "signature"},
		{"a contract wallet's, not deployed", func(_ *walletFixture, m map[string]any, _ walletlogin.Challenge) {
			m["signature"] = "0x" + strings.Repeat("6492", 16)
		}, exchange.ReasonWalletNotSupported, "signature"},
		{"by another client", func(p *walletFixture, _ map[string]any, _ walletlogin.Challenge) {
			other := *p.client
			other.ID = "other"
			p.client = &other
		}, exchange.ReasonChallengeInvalid, "challengeId"},
		{"too late", func(p *walletFixture, _ map[string]any, _ walletlogin.Challenge) {
			p.now = p.now.Add(5 * time.Minute)
		}, exchange.ReasonChallengeInvalid, "challengeId"},
		{"with the secret revoked that opened the session", func(p *walletFixture, _ map[string]any, _ walletlogin.Challenge) {
			p.client.Secrets = nil
		}, exchange.ReasonChallengeInvalid, "challengeId"},
		{"on a chain that was removed", func(p *walletFixture, _ map[string]any, _ walletlogin.Challenge) {
			p.client.Wallets.Chains = p.client.Wallets.Chains[1:]
		}, exchange.ReasonWalletNotSupported, "challengeId"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newWalletFixture(t)
			c := p.challenge(t, addressOf(t, key), "")
			m := map[string]any{"challengeId": c.ID, "walletAddress": c.Account.Address, "signature": sign(key, c.Message)}
			row.change(p, m, c)
			s, issuer, checks, err := p.verify(m)
			if row.reason != "" {
				checkRefused(t, s, checks, err, row.reason, row.check)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if issuer.Issuer.ID != "wallet:shop" || s.Issuer != "wallet:shop" || s.ID != "eip155:0:"+c.Account.Address || s.Proof.Challenge != c.ProvenAs(s.ID) || s.Proof.Key != "s1" ||
				s.Proof.AuthTime != p.now.Unix() || len(s.Identities) > 0 || s.Email != "" {
				t.Errorf("subject %+v", s)
			}
		})
	}
}

// Three bad signatures end a challenge; other faults of a request do not count.
func TestThreeBadSignaturesEndChallenge(t *testing.T) {
	p, key := newWalletFixture(t), keyOf(1)
	c := p.challenge(t, addressOf(t, key), "")
	good := map[string]any{"challengeId": c.ID, "walletAddress": c.Account.Address, "signature": sign(key, c.Message)}
	try := func(name string, value any, want exchange.Reason) {
		t.Helper()
		m := maps.Clone(good)
		m[name] = value
		if _, _, _, err := p.verify(m); exchange.AsError(err).Reason != want {
			t.Errorf("%s %v: %v, want %s", name, value, err, want)
		}
	}
	for range 4 {
		try("walletAddress", addressOf(t, keyOf(2)), exchange.ReasonParameterInvalid)
	}
	try("signature", sign(keyOf(2), c.Message), exchange.ReasonWalletSignatureInvalid)
	try("signature", "0x", exchange.ReasonWalletSignatureInvalid)
	if _, _, _, err := p.verify(good); err != nil {
		t.Errorf("after two: %v", err)
	}
	try("signature", sign(keyOf(3), c.Message), exchange.ReasonWalletSignatureInvalid)
	if _, _, _, err := p.verify(good); exchange.AsError(err).Reason != exchange.ReasonChallengeInvalid {
		t.Errorf("after three: %v", err)
	}
}

// The session identifies the user by the ID that its backend named. An account that
// signs by its key is one subject on all chains, so none was proven before it.
func TestWalletSessionIdentifiesUser(t *testing.T) {
	p, key := newWalletFixture(t), keyOf(1)
	address := addressOf(t, key)
	o, err := p.sessions.Open(t.Context(), p.client, walletlogin.OpenRequest{SigningAddress: address, Type: "EVM", ExternalUserID: "alice"}, p.now)
	if err != nil {
		t.Fatal(err)
	}
	alice := exchange.Identity{Issuer: "client:shop", ID: "alice", FindsUser: true}
	for i, row := range []struct {
		chain string
		want  []exchange.Identity
	}{
		{"1", []exchange.Identity{alice}},
		{"10", []exchange.Identity{alice}},
		{"1", []exchange.Identity{alice}},
	} {
		c := p.started(t, o.ID, address, row.chain)
		s, _, _, err := p.verify(map[string]any{"challengeId": c.ID, "walletAddress": address, "signature": sign(key, c.Message)})
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(s.Identities, row.want) {
			t.Errorf("proof %d: also %+v, want %+v", i, s.Identities, row.want)
		}
		writes, err := replay.Spenders{"wallet": p.sessions}.Spend(t.Context(), s.Proof.Challenge, p.now)
		if err == nil {
			err = p.engine.Commit(t.Context(), writes...)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// linked are linked subjects of wallet:shop.
type linked []string

func (l linked) Linked(_ context.Context, issuer, subject string) (bool, error) {
	return issuer == "wallet:shop" && slices.Contains(l, subject), nil
}

// An account that signs by its key is one subject on every chain of the client. A
// contract, and a user that an earlier version linked by the chain, keep theirs.
func TestSubjectOfAnAccount(t *testing.T) {
	key := keyOf(1)
	address := addressOf(t, key)
	for _, row := range []struct {
		name, chain string
		contract    bool
		linked      linked
		want        string // chain of the subject
	}{
		{"on one chain", "1", false, nil, "eip155:0"},
		{"on another", "10", false, nil, "eip155:0"},
		{"linked on all", "10", false, linked{"eip155:0:" + address}, "eip155:0"},
		{"linked by this chain", "1", false, linked{"eip155:1:" + address}, "eip155:1"},
		{"linked by another chain", "10", false, linked{"eip155:1:" + address}, "eip155:1"},
		{"linked by each chain, on one", "1", false, linked{"eip155:1:" + address, "eip155:10:" + address}, "eip155:1"},
		{"linked by each chain, on the other", "10", false, linked{"eip155:1:" + address, "eip155:10:" + address}, "eip155:10"},
		{"linked by this chain and on all", "1", false, linked{"eip155:1:" + address, "eip155:0:" + address}, "eip155:1"},
		{"linked by another chain and on all", "10", false, linked{"eip155:1:" + address, "eip155:0:" + address}, "eip155:0"},
		{"linked by a chain that is not the client's", "10", false, linked{"eip155:5:" + address}, "eip155:0"},
		{"another account is linked", "10", false, linked{"eip155:1:" + addressOf(t, keyOf(2))}, "eip155:0"},
		{"a contract", "10", true, nil, "eip155:10"},
		{"a contract, the key being linked", "10", true, linked{"eip155:0:" + address, "eip155:1:" + address}, "eip155:10"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newWalletFixture(t)
			p.verifier.cfg.Links = row.linked
			rpc := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				io.WriteString(w, `{"result":"0x1626ba7e`+strings.Repeat("0", 56)+`"}`)
			}))
			t.Cleanup(rpc.Close)
			p.client.Wallets.RPC = map[string]string{"eip155:10": rpc.URL}
			o, err := p.sessions.Open(t.Context(), p.client, walletlogin.OpenRequest{SigningAddress: address, Type: "EVM"}, p.now)
			if err != nil {
				t.Fatal(err)
			}
			c := p.started(t, o.ID, address, row.chain)
			signature := sign(key, c.Message)
			if row.contract {
				signature = "0xab"
			}
			s, issuer, _, err := p.verify(map[string]any{"challengeId": c.ID, "walletAddress": address, "signature": signature})
			if err != nil || s.ID != row.want+":"+address || s.Claims["sub"] != s.ID {
				t.Fatalf("%+v, %v, want %s", s, err, row.want)
			}
			if d := exchange.Decide(issuer, p.client, s, exchange.Requested{}, p.now); d.Err != nil && d.Err.Reason == exchange.ReasonWalletNotSupported {
				t.Error(d.Err)
			}
		})
	}
}

// A contract that is proven after another one in a session is found by the first.
func TestContractsOfOneSession(t *testing.T) {
	p, address := newWalletFixture(t), addressOf(t, keyOf(1))
	rpc := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"result":"0x1626ba7e`+strings.Repeat("0", 56)+`"}`)
	}))
	t.Cleanup(rpc.Close)
	p.client.Wallets.RPC = map[string]string{"eip155:1": rpc.URL, "eip155:10": rpc.URL}
	o, err := p.sessions.Open(t.Context(), p.client, walletlogin.OpenRequest{SigningAddress: address, Type: "EVM"}, p.now)
	if err != nil {
		t.Fatal(err)
	}
	first := []exchange.Identity{{Issuer: "wallet:shop", ID: "eip155:1:" + address, FindsUser: true}}
	for _, row := range []struct {
		chain string
		want  []exchange.Identity
	}{{"1", nil}, {"10", first}, {"1", nil}} {
		c := p.started(t, o.ID, address, row.chain)
		s, _, _, err := p.verify(map[string]any{"challengeId": c.ID, "walletAddress": address, "signature": "0xab"})
		if err != nil || !reflect.DeepEqual(s.Identities, row.want) {
			t.Fatalf("on %s: %+v, %v, want %+v", row.chain, s, err, row.want)
		}
		writes, err := replay.Spenders{"wallet": p.sessions}.Spend(t.Context(), s.Proof.Challenge, p.now)
		if err == nil {
			err = p.engine.Commit(t.Context(), writes...)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestContractIsAskedIfKeyDidNotSign(t *testing.T) {
	yes := `{"result":"0x1626ba7e` + strings.Repeat("0", 56) + `"}`
	key := keyOf(1)
	for _, row := range []struct {
		name, answer, signature string
		reason                  exchange.Reason
		asked                   int32
	}{
		{"its key's", "", sign(key, "x"), "", 0}, // signed below
		{"the contract says yes", yes, "0x" + strings.Repeat("ab", 300), "", 1},
		{"to a signature as long as a key's", yes, "0x" + strings.Repeat("ab", 65), "", 1},
		{"the contract says no", `{"result":"0xffffffff"}`, "0xab", exchange.ReasonWalletSignatureInvalid, 1},
		{"there is no contract", `{"result":"0x"}`, "0xab", exchange.ReasonWalletSignatureInvalid, 1},
		{"the endpoint is broken", `{`, "0xab", exchange.ReasonChainUnavailable, 1},
		{"an empty signature", yes, "0x", "", 1},
		{"the node says that it reverted", `{"error":{"code":-32000,"message":"execution reverted"}}`, "0xab", exchange.ReasonWalletSignatureInvalid, 1},
		{"the wrapping of a deployment without one", yes, "0x" + strings.Repeat("6492", 16), exchange.ReasonWalletSignatureInvalid, 0},
		{"not hexadecimal", yes, "yes", exchange.ReasonWalletSignatureInvalid, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newWalletFixture(t)
			var asked atomic.Int32
			rpc := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				io.WriteString(w, row.answer)
			}))
			t.Cleanup(rpc.Close)
			p.client.Wallets.RPC = map[string]string{"eip155:1": rpc.URL}
			c := p.challenge(t, addressOf(t, key), "")
			signature := row.signature
			if row.answer == "" {
				signature = sign(key, c.Message)
			}
			_, _, _, err := p.verify(map[string]any{"challengeId": c.ID, "walletAddress": c.Account.Address, "signature": signature})
			if err == nil && row.reason != "" || err != nil && exchange.AsError(err).Reason != row.reason {
				t.Errorf("%v, want %s", err, row.reason)
			}
			if asked.Load() != row.asked {
				t.Errorf("the chain was asked %d times", asked.Load())
			}
		})
	}
	p := newWalletFixture(t)
	c := p.challenge(t, addressOf(t, key), "")
	_, _, _, err := p.verify(map[string]any{"challengeId": c.ID, "walletAddress": c.Account.Address, "signature": "0xab"})
	if e := exchange.AsError(err); e.Reason != exchange.ReasonWalletSignatureInvalid || !strings.Contains(e.Description, "EIP-1271") {
		t.Errorf("without an endpoint: %v, %q", err, e.Description)
	}
}

// patient does not count bad signatures.
type patient struct{ *walletlogin.Store }

func (patient) CountFailure(context.Context, walletlogin.Challenge, time.Time) error { return nil }

// FuzzWalletSignature: an error comes without a subject; otherwise the subject is
// the account of the challenge.
func FuzzWalletSignature(f *testing.F) {
	p, key := newWalletFixture(f), keyOf(1)
	p.verifier.cfg.Wallets = patient{p.sessions}
	c := p.challenge(f, addressOf(f, key), "")
	good := fmt.Sprintf(`{"challengeId":%q,"walletAddress":%q,"signature":%q}`, c.ID, c.Account.Address, sign(key, c.Message))
	f.Add(good)
	f.Add(strings.Replace(good, "signature", "Signature", 1))
	f.Add(good[:len(good)-1] + `,"publicKey":"","walletType":"EVM"}`)
	f.Fuzz(func(t *testing.T, text string) {
		token := exchange.SubjectToken{Text: base64.RawURLEncoding.EncodeToString([]byte(text)), Type: exchange.TypeWalletSignature, Client: p.client}
		s, _, err := p.verifier.Verify(context.Background(), token, &exchange.Recorder{}, p.now)
		if (err == nil) == (s == nil) {
			t.Fatalf("%+v, %v", s, err)
		}
		if err == nil && s.ID != "eip155:0:"+c.Account.Address {
			t.Errorf("%q is %s", text, s.ID)
		}
	})
}
