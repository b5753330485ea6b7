package exchange

import (
	"net/url"
	"slices"
	"strings"
)

// Wallets configures the messages that wallets sign (EIP-4361, CAIP-122).
type Wallets struct {
	// Domain is the host, and port if any, of the page that requests the signature,
	// Domains those of further pages: a page of one of them gets a message with its
	// own. URI is the resource that the login is for; its host is replaced by that of
	// a page of another domain.
	Domain  string   `json:"domain,omitempty" yaml:"domain,omitempty"`
	Domains []string `json:"domains,omitempty" yaml:"domains,omitempty"`
	URI     string   `json:"uri" yaml:"uri"`
	// Statement is shown to the user; one line.
	Statement string `json:"statement,omitempty" yaml:"statement,omitempty"`
	// Chains are the accepted chains by their CAIP-2 identifiers: eip155:1,
	// solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp, xrpl:0. The first of a namespace
	// is its default.
	Chains []string `json:"chains" yaml:"chains"`
	// RPC maps a CAIP-2 identifier to the URL of a JSON-RPC endpoint that is trusted
	// to verify the signatures of contract wallets (EIP-1271). Without one they are
	// refused. Plain http is accepted only on loopback and private networks. An API
	// key in the URL is stored in the clear and shown to operators.
	RPC map[string]string `json:"rpc,omitempty" yaml:"rpc,omitempty"`
}

// Hosts returns the domains of the pages that request signatures. The first is the
// default.
func (w *Wallets) Hosts() []string {
	if w.Domain == "" {
		return w.Domains
	}
	return append([]string{w.Domain}, w.Domains...)
}

// Page returns the domain and the URI for the message to a page at an origin: its
// own if it is one of the registered ones, because wallets warn of a message that
// names another site. Other callers get the default.
func (w *Wallets) Page(origin string) (domain, uri string) {
	scheme, host, _ := strings.Cut(origin, "://")
	hosts := w.Hosts()
	if !slices.Contains(hosts, host) {
		if len(hosts) == 0 {
			return "", w.URI
		}
		return hosts[0], w.URI
	}
	u, err := url.Parse(w.URI)
	if err != nil || u.Host == host {
		return host, w.URI
	}
	u.Scheme, u.Host = scheme, host
	return host, u.String()
}
