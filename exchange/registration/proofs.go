package registration

import (
	"cmp"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"cambio/exchange"
)

// proofs checks the first-party proofs that a client may present.
func (l *linter) proofs(c *exchange.Client) {
	l.each("proofs", c.Proofs, func(path, word string) {
		l.oneOf(path, word, "user-assertion", "one-time-token", "otp", "wallet-signature")
	})
	asserts := c.MayPresent(exchange.TypeUserAssertion)
	if asserts && c.Public() {
		l.Add("proofs", "has user-assertion, which is a client's own word, and auth is none; set auth, or remove it")
	}
	if len(c.Proofs) > 0 && !c.MayUse(exchange.GrantTokenExchange) {
		l.Add("proofs", "are brought by token exchange, which is not among grants; add it, or remove them")
	}
	switch {
	case c.AsIssuer == "":
	case !asserts:
		l.Add("asIssuer", "is about user assertions; add user-assertion to proofs, or remove it")
	case !slices.Contains(c.Issuers, c.AsIssuer):
		l.Add("asIssuer", "%s is not in issuers%s; add it there, or remove it here", exchange.Quote(c.AsIssuer), DidYouMean(c.AsIssuer, c.Issuers))
	}
}

func (l *linter) pageRefresh(c *exchange.Client) {
	switch {
	case !c.PageRefresh:
	case c.Public():
		l.Add("pageRefresh", "is for clients that authenticate; pages of this one may anyway, remove it")
	case !c.RefreshTokens:
		l.Add("pageRefresh", "has nothing to refresh; set refreshTokens, or remove it")
	case len(c.Origins) == 0:
		l.Add("pageRefresh", "is for pages at origins; list origins, or remove it")
	}
}

func (l *linter) secretAddresses(c *exchange.Client) {
	if len(c.SecretAddresses) > 0 && !c.Auth.BySecret() {
		l.Add("secretAddresses", "has no meaning for auth %s; set auth to client_secret_basic or client_secret_post, or remove it", cmp.Or(c.Auth, exchange.AuthNone))
	}
	l.each("secretAddresses", c.SecretAddresses, func(path, text string) {
		if network, err := netip.ParsePrefix(text); err != nil || network != network.Masked() || network.Addr().Is4In6() {
			l.Add(path, "%s must be a network in CIDR notation such as 10.1.0.0/16 or 2001:db8::/32", exchange.Quote(text))
		}
	})
}

// authKeys checks that a client whose users log in by key can link keys and sign
// requests: unsigned requests get neither a code nor a one-time token.
func (l *linter) authKeys(c *exchange.Client) {
	if c.AuthKeys == nil {
		if c.MayPresent(exchange.TypeOTP) || c.MayPresent(exchange.TypeOneTimeToken) {
			l.Add("authKeys", "is missing; otp and one-time-token in proofs need it: signingKeys, which verify the requests that begin their logins")
		}
		return
	}
	if !c.MayPresent(exchange.TypeOTP) {
		l.Add("proofs", "lacks otp, without which no key of authKeys can be linked to a user; add it")
	}
	if _, err := c.AuthKeys.Signers(); err != nil {
		l.Add("authKeys.signingKeys", "%s", err)
	}
}

// wallets checks the messages that a client's wallets sign, and that the client
// can create client sessions, for which it needs a secret.
func (l *linter) wallets(c *exchange.Client) {
	brings, w := c.MayPresent(exchange.TypeWalletSignature), c.Wallets
	switch {
	case w == nil && brings:
		l.Add("wallets", "is missing; wallet-signature in proofs needs it: domain, uri and chains")
	case w != nil && !brings:
		l.Add("wallets", "is about wallet signatures; add wallet-signature to proofs, or remove it")
	}
	if brings && !c.Auth.BySecret() {
		l.Add("proofs", "has wallet-signature, whose sessions a client opens by its secret, and auth is %s; set auth to client_secret_basic or client_secret_post, or remove it", cmp.Or(c.Auth, exchange.AuthNone))
	}
	if w == nil {
		return
	}
	if w.Domain != "" || len(w.Domains) == 0 {
		l.authority("wallets.domain", w.Domain)
	}
	l.each("wallets.domains", w.Domains, l.authority)
	l.page("wallets.uri", w.URI, "a URL such as https://app.example.com/login")
	l.statement("wallets.statement", w.Statement)
	if len(w.Chains) == 0 {
		l.Add("wallets.chains", "is missing; list the accepted chains by their CAIP-2 identifiers, such as eip155:1")
	}
	l.each("wallets.chains", w.Chains, l.chain)
	for _, id := range slices.Sorted(maps.Keys(w.RPC)) {
		l.rpc("wallets.rpc."+id, id, w)
	}
}

// authority checks a host with an optional port (RFC 3986 §3.2), as in EIP-4361.
func (l *linter) authority(path, domain string) {
	u, err := url.Parse("https://" + domain)
	if domain == "" || err != nil || u.Host != domain || u.Hostname() == "" || !ascii(domain) || domain != strings.ToLower(domain) || strings.Contains(domain, "*") {
		l.Add(path, "must be the host of the page that asks, with its port if that is not 443, in lower case: app.example.com")
	}
}

// statement checks a text that a wallet shows. EIP-4361 allows spaces and the
// characters of URIs (RFC 3986 §2.2, §2.3).
func (l *linter) statement(path, text string) {
	bad := strings.IndexFunc(text, func(r rune) bool {
		return !strings.ContainsRune(alphanumeric+" -._~:/?#[]@!$&'()*+,;=", r)
	})
	switch {
	case len(text) > longestMessage:
		l.Add(path, "%s is longer than %d bytes", exchange.Quote(text), longestMessage)
	case bad >= 0:
		l.Add(path, "%s has %q; EIP-4361 allows letters, digits, spaces and -._~:/?#[]@!$&'()*+,;=", exchange.Quote(text), []rune(text[bad:])[0])
	}
}

// chain checks a CAIP-2 identifier of a namespace that package wallet supports.
func (l *linter) chain(path, id string) {
	namespace, reference, _ := strings.Cut(id, ":")
	const longest = 32
	switch namespace {
	case "eip155", "xrpl":
		number := reference != "" && strings.Trim(reference, "0123456789") == "" && (reference == "0" || reference[0] != '0')
		if !number || len(reference) > longest || id == exchange.AnyEVMChain {
			l.Add(path, "%s must be %s: and the chain's number, such as eip155:1 or xrpl:0", exchange.Quote(id), namespace)
		}
	case "solana":
		if len(reference) != longest || !ascii(reference) {
			l.Add(path, "%s must be solana: and the first 32 characters of the genesis block's hash; mainnet is solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", exchange.Quote(id))
		}
	default:
		l.Add(path, "%s is not of a supported namespace; write a chain of eip155, solana or xrpl", exchange.Quote(id))
	}
}

// rpc checks the JSON-RPC endpoint for contract wallets. Its URL is not repeated,
// because it may contain an API key.
func (l *linter) rpc(path, id string, w *exchange.Wallets) {
	u, err := url.Parse(w.RPC[id])
	switch {
	case !slices.Contains(w.Chains, id):
		l.Add(path, "is for a chain that is not in wallets.chains%s; add it there, or remove it here", DidYouMean(id, w.Chains))
	case !strings.HasPrefix(id, "eip155:"):
		l.Add(path, "is for a chain without contract wallets (EIP-1271); remove it")
	}
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || !ascii(w.RPC[id]) || u.Scheme != "https" && u.Scheme != "http" {
		l.Add(path, "must be an https URL, or an http one on loopback or a private network")
	}
}
