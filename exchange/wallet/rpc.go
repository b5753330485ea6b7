package wallet

import (
	"bytes"
	"context"
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
