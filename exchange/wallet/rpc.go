package wallet

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"cambio/jwks/egress"
)

// Bounds of calls.
const (
	callTimeout = 4 * time.Second
	maxCalls    = 32       // at once
	maxResponse = 64 << 10 // bytes
)

// Contracts verifies signatures of contract wallets (EIP-1271) through JSON-RPC
// endpoints that operators registered. Its methods are safe for concurrent use.
type Contracts struct {
	client *egress.Client
	slots  chan struct{} // one for each call in flight
}

// NewContracts returns Contracts. An endpoint may be at a public address by https,
// and on loopback or a private network, where operators run their own nodes, by
// http too.
func NewContracts() *Contracts {
	return &Contracts{
		slots:  make(chan struct{}, maxCalls),
		client: egress.New(egress.Options{Private: true, Timeout: callTimeout, MaxBody: maxResponse, KeepAlive: true}),
	}
}

// Close closes idle connections.
func (c *Contracts) Close() { c.client.Close() }

// call returns the result of eth_call at the latest block. The endpoint's URL may
// hold a key, so errors repeat only its host.
func (c *Contracts) call(ctx context.Context, endpoint, to string, data []byte) ([]byte, error) {
	body := fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{"to":%q,"data":"0x%x"},"latest"]}`, to, data)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, wrap(ErrUnavailable, errors.New("malformed URL of the endpoint"))
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(req)
	if err == nil && resp.Status != http.StatusOK {
		err = fmt.Errorf("status %d", resp.Status)
	}
	if err != nil {
		return nil, wrap(ErrUnavailable, fmt.Errorf("%s: %w", req.URL.Host, err))
	}
	return parseResponse(resp.Body)
}

// parseResponse returns the result in a response to eth_call. A contract that
// reverts does not accept the signature; any other error is the endpoint's.
func parseResponse(text []byte) ([]byte, error) {
	var response struct {
		Result *string
		Error  *struct {
			Code    int
			Message string
		}
	}
	if err := json.Unmarshal(text, &response); err != nil {
		return nil, wrap(ErrUnavailable, errors.New("the response is not JSON-RPC"))
	}
	const reverted = 3
	switch e := response.Error; {
	case e != nil && (e.Code == reverted || strings.Contains(strings.ToLower(e.Message), "revert")):
		return nil, wrap(ErrSignature, errors.New("the contract reverted the call"))
	case e != nil:
		return nil, wrap(ErrUnavailable, fmt.Errorf("the endpoint returned error %d", e.Code))
	case response.Result == nil:
		return nil, wrap(ErrUnavailable, errors.New("the response has no result"))
	}
	result, ok := decodeHex(*response.Result)
	if !ok {
		return nil, wrap(ErrUnavailable, errors.New("the result is not hexadecimal"))
	}
	return result, nil
}

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
