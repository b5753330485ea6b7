package wallet

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"cambio/jwks/egress"
)

// Bounds of calls.
const (
	callTimeout = 4 * time.Second
	maxCalls    = 32       // at once, of one endpoint
	maxResponse = 64 << 10 // bytes
)

// Contracts verifies signatures of contract wallets (EIP-1271, EIP-6492) through
// JSON-RPC endpoints that operators registered. Its methods are safe for
// concurrent use.
type Contracts struct {
	client  *egress.Client
	waiters *egress.Waiters // for each endpoint
}

// NewContracts returns Contracts. An endpoint may be at a public address by https,
// and on loopback or a private network, where operators run their own nodes, by
// http too.
func NewContracts() *Contracts {
	return &Contracts{
		waiters: egress.NewWaiters(maxCalls),
		client:  egress.New(egress.Options{Private: true, Timeout: callTimeout, MaxBody: maxResponse, KeepAlive: true, AnyStatus: true}),
	}
}

// Close closes idle connections.
func (c *Contracts) Close() { c.client.Close() }

// maxSignature is the length in bytes of the longest signature that a contract is
// called with, its deployment included.
const maxSignature = 5 << 10

// Verify calls the contract at an account's address, through the JSON-RPC
// endpoint, and checks that it accepts the signature over message (EIP-1271). The
// signature may be empty: some contracts keep what their owners approved.
//
// If there is no contract yet and the signature says how it will be deployed
// (EIP-6492), the node deploys it for the time of the call. That proves as much as
// a deployed contract does: what is deployed at an address follows from the
// address.
func (c *Contracts) Verify(ctx context.Context, endpoint string, a Account, message, signature string) error {
	raw, err := parseSignature(signature)
	if err != nil {
		return wrap(ErrSignature, err)
	}
	if len(raw) > maxSignature {
		return wrap(ErrSignature, fmt.Errorf("it has %d bytes, more than %d", len(raw), maxSignature))
	}
	d, raw, err := unwrap(raw)
	if err != nil {
		return wrap(ErrSignature, err)
	}
	end, ok := c.waiters.Begin(ctx, endpoint)
	if !ok {
		return wrap(ErrUnavailable, errors.New("too many concurrent calls"))
	}
	defer end()
	check := isValidSignature(messageHash(message), raw)
	result, err := c.call(ctx, endpoint, a.Address, check)
	if err == nil && len(result) == 0 && d != nil {
		result, err = c.call(ctx, endpoint, "", d.deployAndCall(a.Address, check))
	}
	if err != nil {
		return err
	}
	return checkResult(result)
}

// magic is the selector of isValidSignature and, padded to 32 bytes, the result
// that means yes.
const magic = "\x16\x26\xba\x7e"

var magicResult = append([]byte(magic), make([]byte, 28)...)

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
		return wrap(ErrSignature, errors.New("there is no contract at the address, or it returns nothing"))
	case !bytes.Equal(result, magicResult):
		return wrap(ErrSignature, errors.New("the contract does not accept it"))
	}
	return nil
}
