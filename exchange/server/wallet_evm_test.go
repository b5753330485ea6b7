package server_test

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"golang.org/x/crypto/sha3"

	"cambio/exchange"
	"cambio/exchange/wallet"
)

// evmKey is the key of a wallet on EVM chains.
type evmKey struct{ *secp256k1.PrivateKey }

func evmKeyOf(n byte) evmKey { return evmKey{secp256k1.PrivKeyFromBytes([]byte{31: n})} }

func keccak(data []byte) []byte {
	h := sha3.NewLegacyKeccak256()
	h.Write(data)
	return h.Sum(nil)
}

func (k evmKey) address() string {
	address, err := wallet.ParseAddress(wallet.EVM, "0x"+hex.EncodeToString(keccak(k.PubKey().SerializeUncompressed()[1:])[12:]))
	if err != nil {
		panic(err)
	}
	return address
}

func (k evmKey) sign(message string) string {
	compact := ecdsa.SignCompact(k.PrivateKey, keccak([]byte("\x19Ethereum Signed Message:\n"+strconv.Itoa(len(message))+message)), false)
	return "0x" + hex.EncodeToString(append(compact[1:65:65], compact[0]))
}

// logIn logs in with a wallet in a session of its own, on a chain in the spelling of
// JSON.
func (p *world) logIn(secret string, key evmKey, chain string) answer {
	p.Helper()
	opened := p.post(sessionPath, fmt.Sprintf(`{"signingAddress":%q,"signingType":"EVM"}`, key.address()), "Authorization", basicAuth("shop", secret))
	p.want(opened, 201, "")
	member := ""
	if chain != "" {
		member = `,"chainId":` + chain
	}
	started := p.post(startPath, fmt.Sprintf(`{"walletAddress":%q,"walletType":"EVM"%s}`, key.address(), member), "X-Client-Session-Id", opened.str("id"))
	p.want(started, 200, "")
	return p.post(authenticatePath, fmt.Sprintf(`{"walletAddress":%q,"walletType":"EVM","challengeId":%q,"signature":%q}`,
		key.address(), started.str("challengeId"), key.sign(started.str("challenge"))), "X-Client-Session-Id", opened.str("id"))
}

// An account that signs by its own key is one user on every chain of the client, in
// whatever spelling the wallet names it.
func TestOneKeyIsOneUserOnEveryChain(t *testing.T) {
	p, secret := shop(t)
	key := evmKeyOf(1)
	first := p.logIn(secret, key, "1")
	p.want(first, 200, "")
	for _, chain := range []string{"", `"1"`, `"0x1"`, `"eip155:1"`, "10", `"0xa"`, `"0xA"`, `"eip155:10"`, `"eip155:0xa"`, `"OPTIMISM"`} {
		a := p.logIn(secret, key, chain)
		p.want(a, 200, "")
		if userOf(a)["id"] != userOf(first)["id"] || userOf(a)["isNew"] != false {
			t.Errorf("with chainId %s the user is %v, not %v", chain, userOf(a), userOf(first))
		}
	}
	if other := p.logIn(secret, evmKeyOf(2), "1"); userOf(other)["id"] == userOf(first)["id"] {
		t.Error("another key is the same user")
	}
}

// Users that earlier versions linked by the chain of their login keep their identity
// on that chain, and are found from every other.
func TestUsersLinkedByChainKeepTheirIdentity(t *testing.T) {
	p, secret := shop(t)
	link := func(user, subject string) {
		if _, _, err := p.users.Link(t.Context(), user, "wallet:shop", subject, p.clock()); err != nil {
			t.Fatal(err)
		}
	}
	newUser := func(name string) string {
		a := p.post("/auth/external/session", fmt.Sprintf(`{"externalUserId":%q}`, name), "X-API-Key", "shop", "X-Server-Secret", secret)
		p.want(a, 200, "")
		return userOf(a)["id"].(string)
	}
	first, second := evmKeyOf(1), evmKeyOf(2)
	alice, bob, carol := newUser("alice"), newUser("bob"), newUser("carol")
	link(alice, "eip155:10:"+first.address())
	link(bob, "eip155:1:"+second.address())
	link(carol, "eip155:10:"+second.address())
	for _, row := range []struct {
		key         evmKey
		chain, user string
	}{
		{first, "10", alice}, {first, "1", alice}, {first, "10", alice},
		{second, "1", bob}, {second, "10", carol}, {second, "1", bob},
	} {
		a := p.logIn(secret, row.key, row.chain)
		p.want(a, 200, "")
		if userOf(a)["id"] != row.user {
			t.Errorf("on chain %s the user of %s is %v, want %s", row.chain, row.key.address(), userOf(a), row.user)
		}
		p.want(p.post("/auth/refresh", fmt.Sprintf(`{"refreshToken":%q}`, a.str("refreshToken")), "X-API-Key", "shop", "Origin", page), 200, "")
	}
	for _, user := range []string{alice, bob, carol} {
		links, err := p.users.LinksOf(t.Context(), user)
		if err != nil || len(links) != 2 {
			t.Errorf("user %s has the links %+v: %v", user, links, err)
		}
	}
	if err := p.users.SetDisabled(t.Context(), alice, true); err != nil {
		t.Fatal(err)
	}
	p.want(p.logIn(secret, first, "1"), 403, exchange.ReasonUserDisabled)
}

// The message is for the page that requests it.
func TestMessageIsForThePage(t *testing.T) {
	p, secret := shop(t)
	for origin, domain := range map[string]string{"": "app.example", page: "app.example", "https://www.app.example": "www.app.example", "https://third.example": "app.example"} {
		key := walletKey(1)
		headers := []string{"X-Client-Session-Id", p.open(secret, key, "")}
		if origin != "" {
			headers = append(headers, "Origin", origin)
		}
		a := p.post(startPath, fmt.Sprintf(`{"walletAddress":%q,"walletType":"SOLANA"}`, addressOf(key)), headers...)
		p.want(a, 200, "")
		if got := a.str("challenge"); !strings.HasPrefix(got, domain+" wants you to") || !strings.Contains(got, "URI: https://"+domain+"/login\n") {
			t.Errorf("for %s the message is\n%s", origin, got)
		}
	}
}
