package wallet

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// yes is the result of a contract that accepts a signature.
var yes = "1626ba7e" + strings.Repeat("00", 28)

// endpoint starts a JSON-RPC endpoint and returns its URL.
func endpoint(t *testing.T, respond http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(respond)
	t.Cleanup(s.Close)
	return s.URL
}

// responds starts an endpoint with a fixed response.
func responds(t *testing.T, status int, text string) string {
	return endpoint(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, text)
	})
}

func contracts(t *testing.T) *Contracts {
	c := NewContracts()
	t.Cleanup(c.Close)
	return c
}

// contract starts an endpoint with a contract at evmAddress that accepts one
// signature over one message.
func contract(t *testing.T, message, signature string) string {
	return endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		var call struct {
			Method string
			Params []json.RawMessage
		}
		var to struct{ To, Data string }
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil || call.Method != "eth_call" || len(call.Params) != 2 {
			t.Errorf("got the request %+v: %v", call, err)
			return
		}
		if err := json.Unmarshal(call.Params[0], &to); err != nil || to.To != evmAddress || string(call.Params[1]) != `"latest"` {
			t.Errorf("got a call to %+v at %s: %v", to, call.Params[1], err)
		}
		data, err := hex.DecodeString(strings.TrimPrefix(to.Data, "0x"))
		if err != nil || len(data)%32 != 4 || len(data) < 100 {
			t.Errorf("got the call data %q: %v", to.Data, err)
			return
		}
		length := int(data[98])<<8 | int(data[99])
		result := strings.Repeat("ff", 32)
		if bytes.Equal(data[4:36], messageHash(message)) && "0x"+hex.EncodeToString(data[100:100+length]) == signature {
			result = yes
		}
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"result":"0x%s"}`, result)
	})
}

func TestContractAcceptsItsSignature(t *testing.T) {
	a := account(t, "eip155:1", evmAddress)
	long := "0x" + strings.Repeat("ab", 700)
	for _, row := range []struct {
		name, message, signature string
		want                     error
	}{
		{"its signature", "hello", long, nil},
		{"over another message", "hullo", long, ErrSignature},
		{"another signature", "hello", long[:200], ErrSignature},
		{"an empty signature", "hello", "0x", ErrSignature},
		{"no signature", "hello", "", ErrSignature},
		{"not hexadecimal", "hello", "0xzz", ErrSignature},
		{"too long", "hello", "0x" + strings.Repeat("ab", maxSignature+1), ErrSignature},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := contracts(t).Verify(t.Context(), contract(t, "hello", long), a, row.message, row.signature)
			if !errors.Is(err, row.want) || row.want == nil && err != nil {
				t.Errorf("%v, want %v", err, row.want)
			}
		})
	}
	if err := contracts(t).Verify(t.Context(), contract(t, "hello", "0x"), a, "hello", "0x"); err != nil {
		t.Errorf("an empty signature that the contract accepts: %v", err)
	}
}

func TestEndpointsResponsesAreChecked(t *testing.T) {
	a := account(t, "eip155:1", evmAddress)
	var followed atomic.Bool
	elsewhere := endpoint(t, func(w http.ResponseWriter, _ *http.Request) {
		followed.Store(true)
		fmt.Fprintf(w, `{"result":"0x%s"}`, yes)
	})
	echo := "1626ba7e" + hex.EncodeToString(messageHash("hello"))[:56]
	for _, row := range []struct {
		name, endpoint string
		want           error
	}{
		{"yes", responds(t, 200, `{"jsonrpc":"2.0","id":1,"result":"0x`+yes+`"}`), nil},
		{"yes and one byte more", responds(t, 200, `{"result":"0x`+yes+`00"}`), ErrSignature},
		{"what it was called with", responds(t, 200, `{"result":"0x`+echo+`"}`), ErrSignature},
		{"the magic value alone", responds(t, 200, `{"result":"0x1626ba7e"}`), ErrSignature},
		{"true", responds(t, 200, `{"result":"0x`+strings.Repeat("0", 63)+`1"}`), ErrSignature},
		{"no contract", responds(t, 200, `{"result":"0x"}`), ErrSignature},
		{"an empty text", responds(t, 200, `{"result":""}`), ErrSignature},
		{"a revert", responds(t, 200, `{"error":{"code":3,"message":"x"}}`), ErrSignature},
		{"of geth, in words", responds(t, 200, `{"error":{"code":-32000,"message":"execution Reverted"}}`), ErrSignature},
		{"of geth, with data", responds(t, 200, `{"error":{"code":-32000,"message":"x","data":"0x08c379a0"}}`), ErrSignature},
		{"of geth, without data", responds(t, 200, `{"error":{"code":3,"message":"execution reverted","data":"0x"}}`), ErrSignature},
		{"of geth, an instruction", responds(t, 200, `{"error":{"code":-32000,"message":"invalid opcode: INVALID"}}`), ErrSignature},
		{"of geth, without gas", responds(t, 200, `{"error":{"code":-32000,"message":"out of gas"}}`), ErrSignature},
		{"of geth, a jump", responds(t, 200, `{"error":{"code":-32000,"message":"invalid jump destination"}}`), ErrSignature},
		{"of geth, a stack", responds(t, 200, `{"error":{"code":-32000,"message":"stack underflow (0 <=> 1)"}}`), ErrSignature},
		{"of Parity", responds(t, 200, `{"error":{"code":-32015,"message":"VM execution error.","data":"Reverted 0x"}}`), ErrSignature},
		{"of Parity, an instruction", responds(t, 200, `{"error":{"code":-32015,"message":"VM execution error.","data":"Bad instruction fe"}}`), ErrSignature},
		{"of Nethermind", responds(t, 200, `{"error":{"code":-32015,"message":"x","data":"BadInstruction"}}`), ErrSignature},
		{"of Ganache, an instruction", responds(t, 200, `{"error":{"code":-32000,"message":"VM Exception while processing transaction: invalid"}}`), ErrSignature},
		{"of a gas limit", responds(t, 200, `{"error":{"code":-32000,"message":"gas required exceeds allowance (50000000)"}}`), ErrSignature},
		{"of Reth", responds(t, 200, `{"error":{"code":-32000,"message":"EVM error: InvalidFEOpcode"}}`), ErrSignature},
		{"of Hardhat", responds(t, 200, `{"error":{"code":-32603,"message":"x","data":{"message":"y","data":"0x08c379a0"}}}`), ErrSignature},
		{"of Ganache", responds(t, 200, `{"error":{"code":-32000,"message":"VM Exception while processing transaction: revert GS026"}}`), ErrSignature},
		{"inside another error", responds(t, 200, `{"error":{"code":-32603,"message":"Internal JSON-RPC error.","data":{"originalError":{"code":3}}}}`), ErrSignature},
		{"as a text", responds(t, 200, `{"error":"execution reverted"}`), ErrSignature},
		{"of Besu, with status 400", responds(t, 400, `{"error":{"code":-32000,"message":"Execution reverted"}}`), ErrSignature},
		{"with status 500", responds(t, 500, `{"error":{"code":3,"message":"execution reverted","data":"0x"}}`), ErrSignature},
		{"an error that has no data", responds(t, 200, `{"error":{"code":-32000,"message":"header not found","data":null}}`), ErrUnavailable},
		{"an error with other data", responds(t, 200, `{"error":{"code":-32005,"message":"daily request count exceeded","data":{"see":"https://example.com","rate":{"allowed_rps":3}}}}`), ErrUnavailable},
		{"status 429", responds(t, 429, `{"error":{"code":429,"message":"rate limit"}}`), ErrUnavailable},
		{"another error", responds(t, 200, `{"error":{"code":-32005,"message":"limit exceeded"}}`), ErrUnavailable},
		{"an error beside a result", responds(t, 200, `{"result":"0x`+yes+`","error":{"code":-32005,"message":""}}`), ErrUnavailable},
		{"no result", responds(t, 200, `{}`), ErrUnavailable},
		{"null", responds(t, 200, `{"result":null}`), ErrUnavailable},
		{"not hexadecimal", responds(t, 200, `{"result":"yes"}`), ErrUnavailable},
		{"not JSON", responds(t, 200, `<html>`), ErrUnavailable},
		{"status 500", responds(t, 500, `{"result":"0x`+yes+`"}`), ErrUnavailable},
		{"too long a response", responds(t, 200, strings.Repeat(" ", maxResponse)+`{"result":"0x`+yes+`"}`), ErrUnavailable},
		{"a redirect", endpoint(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere, http.StatusTemporaryRedirect)
		}), ErrUnavailable},
		{"no server", "http://127.0.0.1:1/key", ErrUnavailable},
		{"a public address in plain http", "http://192.0.2.1/key", ErrUnavailable},
		{"a cloud's metadata", "https://169.254.169.254/key", ErrUnavailable},
		{"all addresses of this machine", strings.Replace(elsewhere, "127.0.0.1", "0.0.0.0", 1), ErrUnavailable},
		{"no URL", "http://%zz/key", ErrUnavailable},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := contracts(t).Verify(t.Context(), row.endpoint, a, "hello", evmSignature)
			if !errors.Is(err, row.want) || row.want == nil && err != nil {
				t.Errorf("%v, want %v", err, row.want)
			}
			if err != nil && strings.Contains(err.Error(), "key") {
				t.Errorf("the error reveals the endpoint's path: %v", err)
			}
		})
	}
	if followed.Load() {
		t.Error("a redirect was followed, or an address dialed that is not allowed")
	}
}

// Calls beyond the bound are refused at once, and slots are released.
func TestCallsAreBounded(t *testing.T) {
	hold, came := make(chan struct{}), make(chan struct{}, maxCalls)
	url := endpoint(t, func(w http.ResponseWriter, _ *http.Request) {
		came <- struct{}{}
		<-hold
		fmt.Fprintf(w, `{"result":"0x%s"}`, yes)
	})
	c, a := contracts(t), account(t, "eip155:1", evmAddress)
	call := func() error { return c.Verify(t.Context(), url, a, "hello", evmSignature) }
	ended := make(chan error, maxCalls)
	for range maxCalls {
		go func() { ended <- call() }()
	}
	for range maxCalls {
		<-came
	}
	if err := call(); !errors.Is(err, ErrUnavailable) {
		t.Errorf("one too many: %v", err)
	}
	close(hold)
	for range maxCalls {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if err := call(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
