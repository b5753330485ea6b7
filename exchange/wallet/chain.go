package wallet

import (
	"errors"
	"math/big"
	"slices"
	"strings"
)

// Chain is the CAIP-2 identifier of a chain.
type Chain struct {
	Namespace string // eip155, solana or xrpl
	Reference string
}

// ParseChain parses a CAIP-2 identifier of a known namespace.
func ParseChain(id string) (Chain, error) {
	namespace, reference, _ := strings.Cut(id, ":")
	c := Chain{namespace, reference}
	valid := false
	switch c.Type() {
	case EVM, XRPL:
		valid = decimal(reference)
	case Solana: // the first 32 characters of the hash of the genesis block
		valid = len(reference) == genesisSize && strings.Trim(reference, base58Digits) == ""
	}
	if !valid {
		return Chain{}, errors.New("not a CAIP-2 identifier such as eip155:1")
	}
	return c, nil
}

const (
	base58Digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	genesisSize  = 32 // characters of a genesis block's hash in a CAIP-2 identifier
	longest      = 32 // characters of a reference (CAIP-2)
)

// decimal reports whether s is a number without leading zeros that fits into a
// reference.
func decimal(s string) bool {
	if s == "" || len(s) > longest || s != "0" && s[0] == '0' {
		return false
	}
	return strings.Trim(s, "0123456789") == ""
}

// String returns the CAIP-2 identifier.
func (c Chain) String() string { return c.Namespace + ":" + c.Reference }

// Type returns the type of the chain's wallets, or "" for an unknown namespace.
func (c Chain) Type() Type { return families[c.Namespace].typ }

// NamedChain returns the chain that a wallet or a page names: by its CAIP-2
// identifier, its reference alone, an EVM chain's number in hexadecimal
// (eth_chainId, EIP-695), the name of a network, or on Solana a cluster's name or
// whole genesis hash. A name without a namespace is of a chain of type t, which may
// be empty for a name that means one chain whatever the type.
func NamedChain(t Type, name string) (Chain, error) {
	if id, found := networks[strings.ToLower(name)]; found && (t == "" || id.Type() == t) {
		return id, nil
	}
	namespace, reference, named := strings.Cut(name, ":")
	if !named {
		namespace, reference = namespaceOf(t, name), name
	}
	c := Chain{Namespace: strings.ToLower(namespace)}
	if t != "" && c.Type() != t {
		return Chain{}, errors.New("a chain of another type of wallet")
	}
	c.Reference = canonicalReference(c.Type(), reference)
	return ParseChain(c.String())
}

// namespaceOf returns the namespace of the chains of a type. Without a type, only a
// hexadecimal number tells it.
func namespaceOf(t Type, reference string) string {
	if _, hexadecimal := hexNumber(reference); t == "" && hexadecimal {
		t = EVM
	}
	for namespace, family := range families {
		if family.typ == t {
			return namespace
		}
	}
	return ""
}

// canonicalReference returns the reference of CAIP-2 in another spelling of it, or
// the text as it is.
func canonicalReference(t Type, text string) string {
	name := strings.ToLower(text)
	switch t {
	case EVM:
		if n, ok := hexNumber(text); ok {
			return n
		}
	case Solana:
		for reference, cluster := range clusters {
			if name == cluster || name == cluster+"-beta" {
				return reference
			}
		}
		return text[:min(len(text), genesisSize)]
	case XRPL:
		if n := slices.Index([]string{"mainnet", "testnet", "devnet"}, name); n >= 0 {
			return string(rune('0' + n))
		}
	}
	return text
}

// hexNumber returns a hexadecimal number in decimal digits.
func hexNumber(text string) (string, bool) {
	digits, prefixed := strings.CutPrefix(strings.ToLower(text), "0x")
	if !prefixed || len(digits) > longest || strings.Trim(digits, "0123456789abcdef") != "" {
		return "", false
	}
	n, ok := new(big.Int).SetString(digits, 16)
	if !ok {
		return "", false
	}
	return n.String(), true
}

// networks is the common name of a network → its chain.
var networks = map[string]Chain{
	"ethereum": {"eip155", "1"}, "optimism": {"eip155", "10"}, "bsc": {"eip155", "56"}, "polygon": {"eip155", "137"},
	"base": {"eip155", "8453"}, "arbitrum": {"eip155", "42161"}, "avalanche": {"eip155", "43114"},
	"xrpl": {"xrpl", "0"}, "solana": {"solana", "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"},
}

// clusters is Solana's reference → the cluster's name, which Sign-In With Solana
// uses instead.
var clusters = map[string]string{
	"5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp": "mainnet",
	"4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z": "testnet",
	"EtWTRABZaYq6iMfeYKouRu166VU2xqa1": "devnet",
}

// chainID returns the chain as messages name it.
func (c Chain) chainID() string {
	if name := clusters[c.Reference]; name != "" && c.Type() == Solana {
		return name
	}
	return c.Reference
}

// AddressOn returns the canonical form of an address on a chain. The text may be a
// CAIP-10 identifier, which must be on that chain. An error wraps [ErrAddress].
func AddressOn(c Chain, text string) (string, error) {
	id, address := SplitAccount(text)
	if id != "" {
		if named, err := NamedChain(c.Type(), id); err != nil || named != c {
			return "", wrap(ErrAddress, errors.New("the account is on another chain"))
		}
	}
	return ParseAddress(c.Type(), address)
}

// SplitAccount splits a CAIP-10 identifier into a chain and an address. An address
// alone has no chain.
func SplitAccount(text string) (chain, address string) {
	if at := strings.LastIndexByte(text, ':'); at >= 0 {
		return text[:at], text[at+1:]
	}
	return "", text
}
