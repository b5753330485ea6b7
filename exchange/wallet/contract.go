package wallet

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

// maxSignature is the length in bytes of the longest signature that a contract is
// called with.
const maxSignature = 5 << 10

// Verify calls the contract at an account's address, through the JSON-RPC
// endpoint, and checks that it accepts the signature over message (EIP-1271).
func (c *Contracts) Verify(ctx context.Context, endpoint string, a Account, message, signature string) error {
	raw, err := parseSignature(signature)
	if err != nil {
		return wrap(ErrSignature, err)
	}
	if len(raw) > maxSignature {
		return wrap(ErrSignature, fmt.Errorf("it has %d bytes, more than %d", len(raw), maxSignature))
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	default:
		return wrap(ErrUnavailable, errors.New("too many concurrent calls"))
	}
	result, err := c.call(ctx, endpoint, a.Address, isValidSignature(messageHash(message), raw))
	if err != nil {
		return err
	}
	return checkResult(result)
}

// magic is the selector of isValidSignature and the result that means yes.
const magic = "\x16\x26\xba\x7e"

// isValidSignature returns the call data of EIP-1271's function of that name, in
// the contract ABI: the selector, the hash, and the bytes behind their offset and
// length, padded to 32.
func isValidSignature(hash, signature []byte) []byte {
	data := append([]byte(magic), hash...)
	for _, n := range []int{64, len(signature)} {
		data = append(data, make([]byte, 24)...)
		data = binary.BigEndian.AppendUint64(data, uint64(n))
	}
	data = append(data, signature...)
	return append(data, make([]byte, (32-len(signature)%32)%32)...)
}

// checkResult accepts magic and zeros only: a contract that repeats what it is
// called with would return magic and the hash.
func checkResult(result []byte) error {
	switch {
	case len(result) == 0:
		return wrap(ErrSignature, errors.New("there is no contract at the address"))
	case !bytes.Equal(result, append([]byte(magic), make([]byte, 28)...)):
		return wrap(ErrSignature, errors.New("the contract does not accept it"))
	}
	return nil
}
