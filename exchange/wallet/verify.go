// Package wallet parses accounts on blockchains, writes the messages that their
// wallets sign to log in, and verifies signatures of EVM chains (EIP-191, EIP-1271,
// EIP-6492), of Solana and of the XRP Ledger.
//
// It stores nothing. A signature is verified over exactly the text given, with
// keys that follow from the account's address alone. The caller chooses the
// endpoint that is trusted to call contracts.
package wallet

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// The kinds of errors of verification, one of which every error wraps.
var (
	// ErrSignature means that the signature is not the account's.
	ErrSignature = errors.New("the signature is not the account's")
	// ErrUndeployed means that the signature is that of a contract wallet which may
	// not be on the chain yet (EIP-6492), so it is no key's.
	ErrUndeployed = errors.New("the signature is that of a contract wallet which may not be deployed")
	// ErrUnavailable means that the contract could not be called.
	ErrUnavailable = errors.New("the blockchain endpoint is temporarily unavailable")
)

// Proof is a wallet's signature over a message.
type Proof struct {
	// Signature is hex with 0x for EVM; base58 or base64 for Solana, also of an
	// off-chain message with its signature; hex for the XRP Ledger, also of a signed
	// SignIn transaction.
	Signature string
	// PublicKey, in hex, is required for a signature of the XRP Ledger, whose
	// addresses are hashes of keys; a SignIn transaction has it. For Solana it is the
	// address or empty. For EVM it is ignored: the key follows from the signature.
	PublicKey string
}

// Verify checks that p is the account's signature over message, by the key that
// the address stands for.
func Verify(a Account, message string, p Proof) error {
	var err error
	switch a.Type() {
	case EVM:
		return verifyEVM(a.Address, message, p.Signature)
	case Solana:
		err = verifySolana(a.Address, message, p)
	case XRPL:
		err = verifyXRPL(a.Address, message, p)
	default:
		err = fmt.Errorf("chain %s is not supported", a.Chain)
	}
	return wrap(ErrSignature, err)
}

// wrap returns err as an error of a kind, or nil.
func wrap(kind, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", kind, err)
}

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

// Message is the message that a wallet signs. Its strings must not contain line
// breaks; otherwise a part of one could be read as a field.
type Message struct {
	Domain    string // host, and port if any, of the page that requests the signature
	URI       string // the resource to log in to
	Statement string // for the user; may be empty
	Account   Account
	Nonce     string // 8 or more letters and digits
	IssuedAt  time.Time
	Expires   time.Time
	RequestID string
}

// Format returns the name of the message's format: eip4361, siws or caip122.
func (m Message) Format() string { return families[m.Account.Namespace].format }

// String returns the text to be signed: EIP-4361 for EVM, Sign-In With Solana, and
// the text of CAIP-122, which both follow, for the XRP Ledger.
func (m Message) String() string {
	var b strings.Builder
	b.WriteString(m.Domain + " wants you to sign in with your " + families[m.Account.Namespace].network + " account:\n")
	b.WriteString(m.Account.Address + "\n\n")
	switch {
	case m.Statement != "":
		b.WriteString(m.Statement + "\n\n")
	case m.Account.Type() == EVM: // the line of the statement is empty (EIP-4361)
		b.WriteString("\n")
	}
	for _, field := range []struct{ name, value string }{
		{"URI", m.URI},
		{"Version", "1"},
		{"Chain ID", m.Account.chainID()},
		{"Nonce", m.Nonce},
		{"Issued At", m.IssuedAt.UTC().Format(time.RFC3339)},
		{"Expiration Time", m.Expires.UTC().Format(time.RFC3339)},
	} {
		b.WriteString(field.name + ": " + field.value + "\n")
	}
	b.WriteString("Request ID: " + m.RequestID)
	return b.String()
}
