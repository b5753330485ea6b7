package wallet

import (
	"errors"
	"strings"
)

// Type is a type of wallets that sign the same way.
type Type string

// The types of wallets.
const (
	EVM    Type = "EVM"
	Solana Type = "SOLANA"
	XRPL   Type = "XRPL"
)

// families is namespace (CAIP-2) → what its chains have in common.
var families = map[string]struct {
	typ             Type
	network, format string // of messages
}{
	"eip155": {EVM, "Ethereum", "eip4361"},
	"solana": {Solana, "Solana", "siws"},
	"xrpl":   {XRPL, "XRP Ledger", "caip122"},
}

// ErrAddress is wrapped by errors about malformed addresses and those of other
// types of wallets.
var ErrAddress = errors.New("not an address of the chain")

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
		valid = len(reference) == 32 && strings.Trim(reference, base58Digits) == ""
	}
	if !valid {
		return Chain{}, errors.New("not a CAIP-2 identifier such as eip155:1")
	}
	return c, nil
}

const base58Digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// decimal reports whether s is a number without leading zeros that fits into a
// reference (CAIP-2).
func decimal(s string) bool {
	const longest = 32
	if s == "" || len(s) > longest || s != "0" && s[0] == '0' {
		return false
	}
	return strings.Trim(s, "0123456789") == ""
}

// String returns the CAIP-2 identifier.
func (c Chain) String() string { return c.Namespace + ":" + c.Reference }

// Type returns the type of the chain's wallets, or "" for an unknown namespace.
func (c Chain) Type() Type { return families[c.Namespace].typ }

// Account is an account on a chain.
type Account struct {
	Chain
	// Address is in canonical form: EIP-55 for EVM.
	Address string
}

// ParseAccount parses an address of a chain.
func ParseAccount(c Chain, address string) (Account, error) {
	canonical, err := ParseAddress(c.Type(), address)
	if err != nil {
		return Account{}, err
	}
	return Account{c, canonical}, nil
}

// String returns the CAIP-10 identifier.
func (a Account) String() string { return a.Chain.String() + ":" + a.Address }

// ParseAddress returns the canonical form of an address of a type of wallets. An
// error wraps [ErrAddress].
func ParseAddress(t Type, address string) (string, error) {
	err := errors.New("unknown type of wallet")
	switch t {
	case EVM:
		address, err = parseEVM(address)
	case Solana:
		_, err = parseSolana(address)
	case XRPL:
		_, err = parseXRPL(address)
	}
	if err != nil {
		return "", wrap(ErrAddress, err)
	}
	return address, nil
}
