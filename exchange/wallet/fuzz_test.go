package wallet

import (
	"errors"
	"strings"
	"testing"
)

// What is accepted as an address has one spelling, and is read again as itself.
func FuzzAddress(f *testing.F) {
	for _, address := range []string{evmAddress, strings.ToLower(evmAddress), solanaAddress, koblitzAddress, "11111111111111111111111111111111"} {
		f.Add(address)
	}
	f.Fuzz(func(t *testing.T, address string) {
		for _, typ := range []Type{EVM, Solana, XRPL} {
			canonical, err := ParseAddress(typ, address)
			if err != nil {
				if canonical != "" || !errors.Is(err, ErrAddress) {
					t.Errorf("%q, %v", canonical, err)
				}
				continue
			}
			again, err := ParseAddress(typ, canonical)
			if err != nil || again != canonical || !strings.EqualFold(canonical, address) || typ != EVM && canonical != address {
				t.Errorf("%s: %q is %q, then %q, %v", typ, address, canonical, again, err)
			}
		}
	})
}

// Besides the good signature only its other encodings are accepted, never other
// bytes.
func FuzzSignature(f *testing.F) {
	for _, s := range []string{evmSignature, evmSignature[:130], withV(evmSignature, 0), upperEVM(evmSignature), evmSignature + universal, solanaSigned, solanaSignedHex, koblitzSignature, upperDER(koblitzSignature), edwardsSignature} {
		f.Add(s, koblitzKey)
		f.Add(s, edwardsKey)
	}
	good := map[string]bool{
		evmSignature: true, withV(evmSignature, 0): true, evmSignature[:130]: true,
		strings.ToLower(koblitzSignature): true, strings.ToLower(edwardsSignature): true,
	}
	f.Fuzz(func(t *testing.T, signature, key string) {
		p := Proof{Signature: signature, PublicKey: key}
		if Verify(account(t, solanaMainnet, solanaAddress), "hello", p) == nil && signature != solanaSigned {
			raw, err := solanaSignature(signature)
			if want, _ := solanaSignature(solanaSigned); err != nil || string(raw) != string(want) {
				t.Errorf("a second signature on Solana: %q", signature)
			}
		}
		for id, address := range map[string]string{"eip155:1": evmAddress, "xrpl:0": koblitzAddress, "xrpl:1": edwardsAddress} {
			if Verify(account(t, id, address), "hello", p) == nil && !good[strings.ToLower(signature)] {
				t.Errorf("a second signature on %s: %q", id, signature)
			}
		}
	})
}

// An endpoint's answer is bytes or an error of one kind or the other.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"result":"0x1626ba7e"}`))
	f.Add([]byte(`{"error":{"code":3,"message":"execution reverted"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		result, err := parseAnswer(text)
		if err != nil && (result != nil || errors.Is(err, ErrSignature) == errors.Is(err, ErrUnavailable)) {
			t.Errorf("%x, %v", result, err)
		}
	})
}
