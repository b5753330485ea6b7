package wallet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// caller is the sender of calls. Some contracts skip checks if the sender is 0,
// the default, because that can only be a simulation. No key is known for this address.
const caller = "0x63616d62696f63616d62696f63616d62696f6361"

// call returns the result of eth_call at the latest block: of the contract at to
// or, if that is empty, of data as init code. The endpoint's URL may hold a key, so
// errors repeat only its host.
func (c *Contracts) call(ctx context.Context, endpoint, to string, data []byte) ([]byte, error) {
	recipient := ""
	if to != "" {
		recipient = fmt.Sprintf(`"to":%q,`, to)
	}
	body := fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{"from":%q,%s"data":"0x%x"},"latest"]}`, caller, recipient, data)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, wrap(ErrUnavailable, errors.New("malformed URL of the endpoint"))
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, wrap(ErrUnavailable, fmt.Errorf("%s: %w", req.URL.Host, err))
	}
	result, err := parseResponse(resp.Body)
	// Some nodes send an error of the contract with the status of a failed request.
	if resp.Status != http.StatusOK && !errors.Is(err, ErrSignature) {
		return nil, wrap(ErrUnavailable, fmt.Errorf("%s: status %d", req.URL.Host, resp.Status))
	}
	return result, err
}

// parseResponse returns the result in a response to eth_call. A contract that
// does not return does not accept the signature; any other error is the
// endpoint's.
func parseResponse(text []byte) ([]byte, error) {
	var response struct {
		Result *string
		Error  any
	}
	if err := json.Unmarshal(text, &response); err != nil {
		return nil, wrap(ErrUnavailable, errors.New("the response is not JSON-RPC"))
	}
	switch {
	case response.Error != nil && failed(response.Error, "error"):
		return nil, wrap(ErrSignature, errors.New("the contract reverted the call"))
	case response.Error != nil:
		return nil, wrap(ErrUnavailable, fmt.Errorf("the endpoint returned error %s", code(response.Error)))
	case response.Result == nil:
		return nil, wrap(ErrUnavailable, errors.New("the response has no result"))
	}
	if slices.Contains([]string{"", "0x0"}, *response.Result) { // spellings of an empty result
		return nil, nil
	}
	result, ok := decodeHex(*response.Result)
	if !ok {
		return nil, wrap(ErrUnavailable, errors.New("the result is not hexadecimal"))
	}
	return result, nil
}

// code returns the code of an error object.
func code(e any) string {
	object, _ := e.(map[string]any)
	n, _ := object["code"].(float64)
	return fmt.Sprint(n)
}

// failed reports whether a member of an error object says that the contract ran
// and did not return. JSON-RPC does not define how: nodes have codes and words of
// their own, in the error itself or in one inside it, and return what the contract
// reverted with as data.
func failed(value any, name string) bool {
	const reverted, vmError = 3, -32015 // of geth; of Parity and Nethermind
	switch v := value.(type) {
	case float64:
		return name == "code" && (v == reverted || v == vmError)
	case string:
		_, hexadecimal := decodeHex(v)
		text := strings.ToLower(strings.ReplaceAll(v, " ", ""))
		return name == "data" && hexadecimal ||
			slices.ContainsFunc(failures, func(word string) bool { return strings.Contains(text, word) })
	case []any:
		return slices.ContainsFunc(v, func(element any) bool { return failed(element, name) })
	case map[string]any:
		for name, member := range v {
			if failed(member, name) {
				return true
			}
		}
	}
	return false
}

// failures are words for a contract that did not return, without spaces.
var failures = []string{
	"revert", "vmexception", "vmexecutionerror", "callexception", "call_exception", "alwaysfailing", "outofgas", "exceedsallowance",
	"opcode", "badinstruction", "invalidinstruction", "invalidjump", "badjump",
	"stackunderflow", "stackoverflow", "stacklimit", "outofstack", "writeprotection",
}
