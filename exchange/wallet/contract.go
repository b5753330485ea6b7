package wallet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// maxSignature is the length of the longest signature of a contract wallet that
// is asked about, in bytes.
const maxSignature = 5 << 10

// Verify asks the contract at an account's address, by the JSON-RPC endpoint at
// endpoint, whether it calls signature its own over message.
func (c *Contracts) Verify(ctx context.Context, endpoint string, a Account, message, signature string) error {
	raw, err := hexadecimal(signature)
	if err != nil {
		return because(ErrSignature, err)
	}
	if len(raw) > maxSignature {
		return because(ErrSignature, fmt.Errorf("of %d bytes", len(raw)))
	}
	select {
	case c.asking <- struct{}{}:
		defer func() { <-c.asking }()
	default:
		return because(ErrUnavailable, errors.New("too many questions at once"))
	}
	result, err := c.call(ctx, endpoint, a.Address, isValidSignature(personal(message), raw))
	if err != nil {
		return err
	}
	return valid(result)
}

// isValidSignature is the call data of EIP-1271's function of that name, in the
// contract ABI: the selector, the hash, and the bytes behind their offset and
// length, padded to 32.
func isValidSignature(hash, signature []byte) []byte {
	data := append(magic(), hash...)
	data = append(data, word(64)...)
	data = append(data, word(len(signature))...)
	data = append(data, signature...)
	return append(data, make([]byte, (32-len(signature)%32)%32)...)
}

// magic is the selector of the function, and the answer for yes.
func magic() []byte { return []byte{0x16, 0x26, 0xba, 0x7e} }

// word is a number of the contract ABI.
func word(n int) []byte {
	w := make([]byte, 32)
	w[28], w[29], w[30], w[31] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
	return w
}

// valid wants the magic value and zeros: a contract that just repeats what it
// is called with would answer the value and the hash.
func valid(result []byte) error {
	switch yes := append(magic(), make([]byte, 28)...); {
	case len(result) == 0:
		return because(ErrSignature, errors.New("there is no contract at the address"))
	case !bytes.Equal(result, yes):
		return because(ErrSignature, errors.New("the contract says no"))
	}
	return nil
}
