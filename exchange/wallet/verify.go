// Package wallet parses accounts on blockchains, writes the messages that their
// wallets sign to log in, and verifies signatures of EVM chains (EIP-191,
// EIP-1271), of Solana and of the XRP Ledger.
//
// It stores nothing. A signature is verified over exactly the text given, with
// keys that follow from the account's address alone. The caller chooses the
// endpoint that is trusted to call contracts.
package wallet

import (
	"errors"
	"fmt"
)

// The kinds of errors of verification, one of which every error wraps.
var (
	// ErrSignature means that the signature is not the account's.
	ErrSignature = errors.New("the signature is not the account's")
	// ErrUndeployed means that the signature is that of a contract wallet which is
	// not on the chain yet (EIP-6492), so there is no contract to call.
	ErrUndeployed = errors.New("the contract wallet is not deployed")
	// ErrUnavailable means that the contract could not be called.
	ErrUnavailable = errors.New("the blockchain endpoint is temporarily unavailable")
)

// Proof is a wallet's signature over a message.
type Proof struct {
	// Signature is hex with 0x for EVM; base58 or base64 for Solana; hex for the
	// XRP Ledger.
	Signature string
	// PublicKey, in hex, is required for the XRP Ledger, whose addresses are hashes
	// of keys. For Solana it is the address or empty. For EVM it is ignored: the
	// key follows from the signature.
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
