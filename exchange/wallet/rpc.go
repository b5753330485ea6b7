package wallet

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
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
	client *http.Client
	asking chan struct{}
}

// NewContracts makes a Contracts.
//
// An endpoint may be anywhere that has a certificate for its name. In plain http
// it may only be on loopback or a private network, where operators run nodes of
// their own: that is seen when its name has become an address. No redirect is
// followed, and no proxy used. Link-local addresses, where clouds keep their
// metadata, are never asked.
func NewContracts() *Contracts {
	return &Contracts{
		asking: make(chan struct{}, askMost),
		client: &http.Client{
			Timeout:       askTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport:     &schemes{plain: transport(true), secure: transport(false)},
		},
	}
}

// Close closes idle connections.
func (c *Contracts) Close() { c.client.CloseIdleConnections() }

// schemes keeps connections that may be read on the way apart from others.
type schemes struct{ plain, secure *http.Transport }

func (s *schemes) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "https" {
		return s.secure.RoundTrip(r)
	}
	return s.plain.RoundTrip(r)
}

func (s *schemes) CloseIdleConnections() {
	s.plain.CloseIdleConnections()
	s.secure.CloseIdleConnections()
}

func transport(plain bool) *http.Transport {
	dialer := &net.Dialer{
		Timeout: askTimeout,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			return mayAsk(address, plain)
		},
	}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    askTimeout,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // the bound is on what is read
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: 16 << 10,
	}
}

// metadata are the addresses of clouds' metadata that are not link-local.
var metadata = []netip.Prefix{
	netip.MustParsePrefix("fd00:ec2::/32"), netip.MustParsePrefix("100.100.100.200/32"), netip.MustParsePrefix("168.63.129.16/32"),
}

func mayAsk(address string, plain bool) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	addr := ap.Addr().Unmap().WithZone("")
	for _, m := range metadata {
		if m.Contains(addr) {
			return fmt.Errorf("address %s is never asked", addr)
		}
	}
	switch {
	case addr.IsUnspecified() || addr.IsMulticast() || addr.IsLinkLocalUnicast():
		return fmt.Errorf("address %s is never asked", addr)
	case plain && !addr.IsLoopback() && !addr.IsPrivate():
		return fmt.Errorf("address %s is public and must be asked by https", addr)
	}
	return nil
}

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
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // which does not repeat the URL
		}
		return nil, fmt.Errorf("%s: %w", req.URL.Host, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: status %d", req.URL.Host, resp.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", req.URL.Host, err)
	}
	if len(text) > maxAnswer {
		return nil, fmt.Errorf("%s: more than %d bytes", req.URL.Host, maxAnswer)
	}
	return text, nil
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
