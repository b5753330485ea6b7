package wallet

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"cambio/jwks/egress"
)

// Bounds of a question to a chain.
const (
	askTimeout = 4 * time.Second
	askMost    = 32       // at once
	maxAnswer  = 64 << 10 // bytes
)

// Contracts asks chains about the signatures of contract wallets (EIP-1271),
// through JSON-RPC endpoints that operators registered. Its methods are safe
// for concurrent use.
type Contracts struct {
	client *egress.Client
	asking chan struct{}
}

// NewContracts returns Contracts. An endpoint may be at a public address by
// https, or on loopback or a private network, where operators run nodes of their
// own, by http too.
func NewContracts() *Contracts {
	return &Contracts{
		asking: make(chan struct{}, askMost),
		client: egress.New(egress.Options{Private: true, Timeout: askTimeout, MaxBody: maxAnswer, KeepAlive: true}),
	}
}

// Close closes idle connections.
func (c *Contracts) Close() { c.client.Close() }

// answer is a JSON-RPC answer, whose members that are not needed are ignored.
type answer struct {
	Result *string `json:"result"`
	Error  *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// call is eth_call at the latest block. An endpoint's address may hold a key, so
// errors have no more of it than the host.
func (c *Contracts) call(ctx context.Context, endpoint, to string, data []byte) ([]byte, error) {
	body, err := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "id": 1, "method": "eth_call",
		"params": []any{map[string]string{"to": to, "data": "0x" + hex.EncodeToString(data)}, "latest"},
	})
	if err != nil {
		return nil, because(ErrUnavailable, err)
	}
	text, err := c.post(ctx, endpoint, body)
	if err != nil {
		return nil, because(ErrUnavailable, err)
	}
	return parseAnswer(text)
}

func (c *Contracts) post(ctx context.Context, endpoint string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the endpoint's URL cannot be read")
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(req)
	if err == nil && resp.Status != http.StatusOK {
		err = fmt.Errorf("status %d", resp.Status)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", req.URL.Host, err)
	}
	return resp.Body, nil
}

// parseAnswer reads the result of eth_call. A contract that reverts says no;
// any other error is one of the endpoint's.
func parseAnswer(text []byte) ([]byte, error) {
	var a answer
	if err := json.Unmarshal(text, &a); err != nil {
		return nil, because(ErrUnavailable, errors.New("the answer is not JSON-RPC"))
	}
	const reverted = 3
	switch {
	case a.Error != nil && (a.Error.Code == reverted || strings.Contains(strings.ToLower(a.Error.Message), "revert")):
		return nil, because(ErrSignature, errors.New("the contract refused the call"))
	case a.Error != nil:
		return nil, because(ErrUnavailable, fmt.Errorf("the endpoint answers error %d", a.Error.Code))
	case a.Result == nil:
		return nil, because(ErrUnavailable, errors.New("the answer has no result"))
	}
	digits, prefixed := strings.CutPrefix(*a.Result, "0x")
	result, err := hex.DecodeString(digits)
	if !prefixed || err != nil {
		return nil, because(ErrUnavailable, errors.New("the result is not hexadecimal"))
	}
	return result, nil
}
