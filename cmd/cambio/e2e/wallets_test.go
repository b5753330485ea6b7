package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"cambio/exchange"
)

// shop is the client whose users have wallets.
const shop = "shop"

// walletWorld is a server that knows shop, whose contracts on chain 10 are asked
// about at the port.
func walletWorld(t *testing.T) (s *server, secret string, port int) {
	t.Helper()
	port = freePorts(t, 1)
	s = start(t)
	s.trust(`clients:
  - id: %s
    auth: client_secret_basic
    origins: [%s]
    scopes: [%s]
    defaultScopes: [%[3]s]
    audiences: ["%[4]s"]
    refreshTokens: true
    proofs: [wallet-signature, user-assertion]
    wallets:
      domain: shop.example.com
      uri: %[2]s/login
      statement: Log in to the shop.
      chains: ["eip155:1", "eip155:10", "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "xrpl:0"]
      rpc: {"eip155:10": "http://127.0.0.1:%[5]d/a-key-of-the-operator"}
`, shop, origin, scope, audience, port)
	return s, s.secret(shop), port
}

// walletResponse is the response of the JSON endpoint or the token endpoint.
type walletResponse struct {
	Status       int
	AccessToken  string
	SessionJWT   string `json:"sessionJwt"`
	RefreshToken string
	Standard     string `json:"access_token"`
	Refresh      string `json:"refresh_token"`
	Code         string
	User         struct {
		ID             string
		ExternalUserID string `json:"externalUserId"`
		IsNew          bool
		IsNewToo       bool `json:"is_new"`
	}
}

func (a walletResponse) token() string { return a.AccessToken + a.Standard }

// TestWallets signs challenges with the wallets' own libraries, at the JSON endpoint
// and for the token endpoint. Each has a server of its own, since failures are
// limited by address.
func TestWallets(t *testing.T) {
	t.Parallel()
	needNode(t)
	for _, wallet := range []string{"viem", "viem compact", "ethers", "web3", "solana base58", "solana base64", "xrpl secp256k1", "xrpl Ed25519", "ledger", "xaman", "contract"} {
		t.Run(wallet, func(t *testing.T) {
			s, secret, port := walletWorld(t)
			for _, at := range []string{"JSON endpoint", "token endpoint"} {
				t.Run(at, func(t *testing.T) { logInByWallet(t, s, secret, port, wallet, at) })
			}
		})
	}
}

func logInByWallet(t *testing.T, s *server, secret string, port int, wallet, at string) {
	user := ""
	if at != "JSON endpoint" {
		user = "user of " + wallet
	}
	var got struct {
		Address string
		Opened  struct {
			Status int
			ID     string
		}
		Started struct {
			Status                         int
			ChallengeID, Challenge, Format string
		}
		Forged, Replaced, Granted, Again walletResponse
		SIWE                             any
	}
	input := map[string]any{"url": s.url, "origin": origin, "client": shop, "secret": secret, "wallet": wallet, "at": at, "port": port}
	if user != "" {
		input["user"] = user
	}
	node(t, "wallets.mjs", input, &got)
	s.seen.addToken(got.Granted.token(), got.Granted.RefreshToken, got.Granted.Refresh, got.Opened.ID)
	if got.Opened.Status != http.StatusCreated || got.Started.Status != http.StatusOK || !strings.HasPrefix(got.Started.Challenge, "shop.example.com wants you to sign in with your ") {
		t.Fatalf("opened %+v, started %+v", got.Opened, got.Started)
	}
	if got.Granted.Status != http.StatusOK || got.Granted.token() == "" || got.Granted.User.ID == "" || !got.Granted.User.IsNew && !got.Granted.User.IsNewToo {
		t.Errorf("granted %+v", got.Granted)
	}
	if at == "JSON endpoint" && got.Granted.SessionJWT != got.Granted.AccessToken {
		t.Error("sessionJwt is not the access token")
	}
	for name, row := range map[string]struct {
		got  walletResponse
		want exchange.Reason
	}{
		"over another message":  {got.Forged, exchange.ReasonWalletSignatureInvalid},
		"of an older challenge": {got.Replaced, exchange.ReasonChallengeInvalid},
		"again":                 {got.Again, exchange.ReasonChallengeInvalid},
	} {
		if row.got.Status != http.StatusBadRequest || row.got.Code != string(row.want) || row.got.token() != "" {
			t.Errorf("%s: %+v, want %s", name, row.got, row.want)
		}
	}
	if got.Started.Format == "eip4361" {
		siwe, _ := got.SIWE.(map[string]any)
		if chain := siwe["chainId"]; chain != 1.0 && wallet != "contract" || chain != 10.0 && wallet == "contract" {
			t.Errorf("the message is for chain %v", chain)
		}
		want := map[string]any{"address": siwe["address"], "domain": "shop.example.com", "uri": origin + "/login", "statement": "Log in to the shop.", "chainId": siwe["chainId"], "valid": true, "hash": siwe["hash"]}
		if fmt.Sprint(siwe) != fmt.Sprint(want) || !strings.EqualFold(fmt.Sprint(siwe["address"]), got.Address) {
			t.Errorf("viem reads %v, want %v", siwe, want)
		}
	}
	if user == "" {
		return
	}
	link := s.cambio("", "user", "show", got.Granted.User.ID)
	if !strings.Contains(link, user) || !strings.Contains(link, "wallet:"+shop) {
		t.Errorf("the user is\n%s", link)
	}
}
