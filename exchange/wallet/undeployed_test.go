package wallet

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// chainOf is a chain for the calls of tests. A contract takes call data and returns
// its result, and whether it did not revert.
type chainOf map[string]func(data []byte) (result []byte, ok bool)

const (
	factoryAddress = "0x00000000000000000000000000000000000fac70"
	walletAddress  = "0x5050A4F4b3f9338C3472dcC01A87C76A144b3c9c"
)

// run runs init code with the instructions that the package uses, and returns what
// it returns. It knows each by its definition alone.
func (c chainOf) run(t *testing.T, code []byte) []byte {
	memory, result := make([]byte, 1<<16), []byte(nil)
	var stack []*big.Int
	push := func(n *big.Int) { stack = append(stack, n) }
	pop := func() *big.Int {
		top := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		return top
	}
	number := func() int { return int(pop().Int64()) }
	for at := 0; ; at++ {
		switch op := code[at]; {
		case op >= 0x60 && op <= 0x7f: // PUSH1 to PUSH32
			size := int(op) - 0x5f
			push(new(big.Int).SetBytes(code[at+1 : at+1+size]))
			at += size
		case op == 0x14: // EQ
			push(big.NewInt(int64(1 - abs(pop().Cmp(pop())))))
		case op == 0x16: // AND
			push(new(big.Int).And(pop(), pop()))
		case op == 0x1b: // SHL
			shift := uint(number())
			push(new(big.Int).Lsh(pop(), shift))
		case op == 0x39: // CODECOPY
			to, from, size := number(), number(), number()
			copy(memory[to:to+size], code[from:])
		case op == 0x3d: // RETURNDATASIZE
			push(big.NewInt(int64(len(result))))
		case op == 0x50: // POP
			pop()
		case op == 0x51: // MLOAD
			from := number()
			push(new(big.Int).SetBytes(memory[from : from+32]))
		case op == 0x5a: // GAS
			push(big.NewInt(1_000_000))
		case op == 0xf1 || op == 0xfa: // CALL, STATICCALL
			_, to := pop(), "0x"+hex.EncodeToString(pop().FillBytes(make([]byte, 20)))
			if op == 0xf1 && pop().Sign() != 0 {
				t.Error("the call sends money")
			}
			from, size, into, most := number(), number(), number(), number()
			var ok bool
			result, ok = c.call(to, slices.Clone(memory[from:from+size]))
			copy(memory[into:into+most], result)
			push(big.NewInt(map[bool]int64{true: 1}[ok]))
		case op == 0xf3: // RETURN
			from, size := number(), number()
			return memory[from : from+size]
		default:
			t.Fatalf("unknown instruction %x at %d", op, at)
		}
	}
}

func abs(n int) int { return max(n, -n) }

// call calls the contract at an address. Without one a call returns nothing.
func (c chainOf) call(to string, data []byte) ([]byte, bool) {
	contract, found := c[strings.ToLower(to)]
	if !found {
		return nil, true
	}
	return contract(data)
}

// endpoint starts a JSON-RPC endpoint of the chain. What a call changes is
// forgotten, as on a node.
func (c chainOf) endpoint(t *testing.T) string {
	return endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		var call struct{ Params []json.RawMessage }
		var params struct{ From, To, Data string }
		err := errors.Join(json.NewDecoder(r.Body).Decode(&call), json.Unmarshal(call.Params[0], &params))
		data, hexErr := hex.DecodeString(strings.TrimPrefix(params.Data, "0x"))
		if err != nil || hexErr != nil || strings.Trim(params.From, "0x") == "" {
			t.Errorf("called %+v: %v, %v", params, err, hexErr)
		}
		result, ok := c.call(params.To, data)
		if params.To == "" {
			before := maps.Clone(c)
			result = c.run(t, data)
			clear(c)
			maps.Copy(c, before)
		}
		if !ok {
			fmt.Fprintf(w, `{"error":{"code":3,"message":"execution reverted","data":"0x%x"}}`, result)
			return
		}
		fmt.Fprintf(w, `{"result":"0x%x"}`, result)
	})
}

// accepts is a contract wallet that accepts one signature over "hello".
func accepts(signature string) func([]byte) ([]byte, bool) {
	want := isValidSignature(messageHash("hello"), []byte(signature))
	return func(data []byte) ([]byte, bool) {
		if bytes.Equal(data, want) {
			return magicResult, true
		}
		return nil, false
	}
}

// undeployed wraps a signature with the call of a factory (EIP-6492).
func undeployed(factory, data, signature string) string {
	word := func(n int) string { return fmt.Sprintf("%064x", n) }
	text := func(s string) string {
		return word(len(s)) + hex.EncodeToString([]byte(s)) + strings.Repeat("00", (32-len(s)%32)%32)
	}
	head := strings.Repeat("0", 24) + factory[2:] + word(96) + word(96+len(text(data))/2)
	return "0x" + head + text(data) + text(signature) + undeployedSuffix
}

func TestUndeployedContractAcceptsItsSignature(t *testing.T) {
	returns := func(result string, ok bool) func([]byte) ([]byte, bool) {
		return func([]byte) ([]byte, bool) { return []byte(result), ok }
	}
	good := undeployed(factoryAddress, "create", "signed")
	for _, row := range []struct {
		name, signature string
		wallet          func([]byte) ([]byte, bool) // what the factory deploys
		deployed        func([]byte) ([]byte, bool) // what is there already
		want            error
	}{
		{"its signature", good, accepts("signed"), nil, nil},
		{"deployed meanwhile", good, accepts("other"), accepts("signed"), nil},
		{"without deployment, deployed", "0x" + hex.EncodeToString([]byte("signed")), nil, accepts("signed"), nil},
		{"without deployment", "0x" + hex.EncodeToString([]byte("signed")), accepts("signed"), nil, ErrSignature},
		{"another signature", undeployed(factoryAddress, "create", "forged"), accepts("signed"), nil, ErrSignature},
		{"another call of the factory", undeployed(factoryAddress, "destroy", "signed"), accepts("signed"), nil, ErrSignature},
		{"another factory", undeployed(walletAddress, "create", "signed"), accepts("signed"), nil, ErrSignature},
		{"a deployed contract that refuses", good, accepts("signed"), returns("", false), ErrSignature},
		{"a factory that deploys nothing", good, nil, nil, ErrSignature},
		{"yes, and reverted", good, returns(string(magicResult), false), nil, ErrSignature},
		{"yes and a byte more", good, returns(string(magicResult)+"\x00", true), nil, ErrSignature},
		{"the magic value alone", good, returns(magic, true), nil, ErrSignature},
		{"true", good, returns(strings.Repeat("\x00", 31)+"\x01", true), nil, ErrSignature},
		{"no wrapping", "0x" + undeployedSuffix, accepts("signed"), nil, ErrSignature},
		{"cut off", "0x" + good[66:], accepts("signed"), nil, ErrSignature},
		{"with an offset outside", strings.Replace(good, fmt.Sprintf("%064x", 96), fmt.Sprintf("%064x", 9600), 1), accepts("signed"), nil, ErrSignature},
		{"with a huge offset", strings.Replace(good, fmt.Sprintf("%064x", 96), strings.Repeat("f", 64), 1), accepts("signed"), nil, ErrSignature},
		{"too long", undeployed(factoryAddress, strings.Repeat("c", maxSignature), "signed"), accepts("signed"), nil, ErrSignature},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := chainOf{}
			c[factoryAddress] = func(data []byte) ([]byte, bool) {
				if string(data) == "create" && row.wallet != nil && row.deployed == nil {
					c[strings.ToLower(walletAddress)] = row.wallet
				}
				return nil, string(data) == "create"
			}
			if row.deployed != nil {
				c[strings.ToLower(walletAddress)] = row.deployed
			}
			err := contracts(t).Verify(t.Context(), c.endpoint(t), account(t, "eip155:1", walletAddress), "hello", row.signature)
			if !errors.Is(err, row.want) || row.want == nil && err != nil {
				t.Errorf("%v, want %v", err, row.want)
			}
		})
	}
}

// What is unwrapped is a part of what was wrapped.
func FuzzUnwrap(f *testing.F) {
	f.Add([]byte("signed"))
	for _, s := range []string{undeployed(factoryAddress, "create", "signed"), "0x" + undeployedSuffix} {
		raw, _ := hex.DecodeString(s[2:])
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, signature, err := unwrap(raw)
		if err != nil {
			if d != nil || signature != nil {
				t.Error("an error came with a signature")
			}
			return
		}
		if !bytes.Contains(raw, signature) || d != nil && (len(d.factory) != 20 || !bytes.Contains(raw, d.data)) {
			t.Errorf("%x became %+v, %x", raw, d, signature)
		}
	})
}
