package exchange

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// wallets checks what a client's wallets sign, and that there is a client to
// open their sessions.
func (p *problems) wallets(c *Client) {
	brings, w := c.MayPresent(TypeWalletSignature), c.Wallets
	switch {
	case w == nil && brings:
		p.add("wallets", "is missing; wallet-signature in proofs needs it: domain, uri and chains")
	case w != nil && !brings:
		p.add("wallets", "is about wallet signatures; add wallet-signature to proofs, or remove it")
	}
	if brings && c.Auth != AuthSecretBasic && c.Auth != AuthSecretPost {
		p.add("proofs", "has wallet-signature, whose sessions a client opens by its secret, and auth is %s; set auth to client_secret_basic or client_secret_post, or remove it", c.auth())
	}
	if w == nil {
		return
	}
	p.authority("wallets.domain", w.Domain)
	p.resource("wallets.uri", w.URI)
	p.statement("wallets.statement", w.Statement)
	if len(w.Chains) == 0 {
		p.add("wallets.chains", "is missing; list the accepted chains by their CAIP-2 identifiers, such as eip155:1")
	}
	p.each("wallets.chains", w.Chains, p.chain)
	for _, id := range slices.Sorted(maps.Keys(w.RPC)) {
		p.rpc("wallets.rpc."+id, id, w)
	}
}

// authority checks a host with a port or without (RFC 3986 §3.2), as EIP-4361
// has it.
func (p *problems) authority(path, domain string) {
	u, err := url.Parse("https://" + domain)
	if domain == "" || err != nil || u.Host != domain || u.Hostname() == "" || !ascii(domain) || domain != strings.ToLower(domain) || strings.Contains(domain, "*") {
		p.add(path, "must be the host of the page that asks, with its port if that is not 443, in lower case: app.example.com")
	}
}

// resource checks the URI that a login is for.
func (p *problems) resource(path, raw string) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.User != nil || !ascii(raw):
		p.add(path, "must be a URL such as https://app.example.com/login")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		p.add(path, "%s must be https; http is only for localhost", Quote(raw))
	case u.Scheme != "https" && u.Scheme != "http":
		p.add(path, "%s must be https", Quote(raw))
	}
}

// statement checks a text that a wallet shows: EIP-4361 leaves it spaces and the
// characters of URIs (RFC 3986 §2.2, §2.3).
func (p *problems) statement(path, text string) {
	bad := strings.IndexFunc(text, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && !strings.ContainsRune(" -._~:/?#[]@!$&'()*+,;=", r)
	})
	switch {
	case len(text) > longestMessage:
		p.add(path, "%s is longer than %d bytes", Quote(text), longestMessage)
	case bad >= 0:
		p.add(path, "%s has %q; EIP-4361 leaves it letters, digits, spaces and -._~:/?#[]@!$&'()*+,;=", Quote(text), []rune(text[bad:])[0])
	}
}

// chain checks a CAIP-2 identifier of the namespaces that package wallet knows.
func (p *problems) chain(path, id string) {
	namespace, reference, _ := strings.Cut(id, ":")
	const longest = 32
	switch namespace {
	case "eip155", "xrpl":
		number := reference != "" && strings.Trim(reference, "0123456789") == "" && (reference == "0" || reference[0] != '0')
		if !number || len(reference) > longest {
			p.add(path, "%s must be %s: and the chain's number, such as eip155:1 or xrpl:0", Quote(id), namespace)
		}
	case "solana":
		if len(reference) != longest || !ascii(reference) {
			p.add(path, "%s must be solana: and the first 32 characters of the genesis block's hash; mainnet is solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", Quote(id))
		}
	default:
		p.add(path, "%s is not of a namespace that is known here: eip155, solana or xrpl", Quote(id))
	}
}

// rpc checks an endpoint that is asked about contract wallets. Its URL is not
// repeated: it may hold a key.
func (p *problems) rpc(path, id string, w *Wallets) {
	u, err := url.Parse(w.RPC[id])
	switch {
	case !contains(w.Chains, id):
		p.add(path, "is for a chain that is not in wallets.chains%s; add it there, or remove it here", DidYouMean(id, w.Chains))
	case !strings.HasPrefix(id, "eip155:"):
		p.add(path, "is for a chain without contract wallets (EIP-1271); remove it")
	}
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || !ascii(w.RPC[id]) || u.Scheme != "https" && u.Scheme != "http" {
		p.add(path, "must be an https URL, or an http one on loopback or a private network")
	}
}
