package wallet

import (
	"errors"
	"fmt"
)

// What is wrong with a signature. Every error of this package's verification
// wraps one of them.
var (
	// ErrSignature: it is not the account's.
	ErrSignature = errors.New("the signature is not the account's")
	// ErrUndeployed: it is that of a contract wallet that is not on the chain
	// yet (EIP-6492), which nobody can be asked about.
	ErrUndeployed = errors.New("the contract wallet is not deployed")
	// ErrUnavailable: the chain could not be asked.
	ErrUnavailable = errors.New("the chain cannot be asked")
)

// Proof is what a wallet answers to a message.
type Proof struct {
	// Signature is hex with 0x for EVM; base58 or base64 for Solana; hex for the
	// XRP Ledger.
	Signature string
	// PublicKey is needed for the XRP Ledger, in hex, whose addresses are hashes.
	// For Solana it is the address or absent. EVM wallets' keys follow from the
	// signature, and it is not looked at.
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
		err = fmt.Errorf("nobody signs on %s", a.Chain)
	}
	return because(ErrSignature, err)
}

// because has err, if it is one, be of a kind.
func because(kind, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", kind, err)
}
