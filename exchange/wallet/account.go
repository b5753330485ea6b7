package wallet

import (
	"errors"
	"fmt"
	"strings"
)

// Type is a family of wallets that sign alike.
type Type string

// The types of wallets.
const (
	EVM    Type = "EVM"
	Solana Type = "SOLANA"
	XRPL   Type = "XRPL"
)

// families is namespace (CAIP-2) → type.
var families = map[string]Type{"eip155": EVM, "solana": Solana, "xrpl": XRPL}

// ErrAddress is the cause where an address is none, or of another chain.
var ErrAddress = errors.New("not an address of the chain")

// Chain is a chain by its CAIP-2 identifier.
type Chain struct {
	Namespace string // eip155, solana or xrpl
	Reference string
}

// ParseChain reads a CAIP-2 identifier of a known namespace.
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

// decimal says whether s is a number in its shortest spelling that CAIP-2
// leaves room for.
func decimal(s string) bool {
	const longest = 32
	if s == "" || len(s) > longest || s != "0" && s[0] == '0' {
		return false
	}
	return strings.Trim(s, "0123456789") == ""
}

// String is the CAIP-2 identifier.
func (c Chain) String() string { return c.Namespace + ":" + c.Reference }

// Type is the type of the chain's wallets, empty for an unknown namespace.
func (c Chain) Type() Type { return families[c.Namespace] }

// Account is an account on a chain.
type Account struct {
	Chain
	// Address is in the one spelling that we write: EIP-55 for EVM.
	Address string
}

// ParseAccount reads an address of a chain as its wallets write it.
func ParseAccount(c Chain, address string) (Account, error) {
	canonical, err := ParseAddress(c.Type(), address)
	if err != nil {
		return Account{}, err
	}
	return Account{c, canonical}, nil
}

// String is the CAIP-10 identifier.
func (a Account) String() string { return a.Chain.String() + ":" + a.Address }

// ParseAddress is the canonical spelling of an address of a type of wallets.
// The error wraps ErrAddress.
func ParseAddress(t Type, address string) (string, error) {
	canonical, err := "", errors.New("the type of wallet is unknown")
	switch t {
	case EVM:
		canonical, err = parseEVM(address)
	case Solana:
		_, err = parseSolana(address)
		canonical = address
	case XRPL:
		_, err = parseXRPL(address)
		canonical = address
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrAddress, err)
	}
	return canonical, nil
}
