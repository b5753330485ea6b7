package wallet

import (
	"errors"
	"strings"
	"testing"
)

// An accepted address has one canonical form, which is accepted as itself.
func FuzzAddress(f *testing.F) {
	for _, address := range []string{evmAddress, strings.ToLower(evmAddress), solanaAddress, secp256k1Address, "11111111111111111111111111111111"} {
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

// Only the encodings of the valid signature are accepted, never other bytes.
func FuzzSignature(f *testing.F) {
	for _, s := range []string{evmSignature, evmSignature[:130], withV(evmSignature, 0), upperEVM(evmSignature), evmSignature + undeployedSuffix, solanaSigned, solanaSignedHex, secp256k1Signature, upperDER(secp256k1Signature), ed25519Signature} {
		f.Add(s, secp256k1Key)
		f.Add(s, ed25519Key)
	}
	good := map[string]bool{
		evmSignature: true, withV(evmSignature, 0): true, evmSignature[:130]: true,
		strings.ToLower(secp256k1Signature): true, strings.ToLower(ed25519Signature): true,
	}
	f.Fuzz(func(t *testing.T, signature, key string) {
		p := Proof{Signature: signature, PublicKey: key}
		if Verify(account(t, solanaMainnet, solanaAddress), "hello", p) == nil && signature != solanaSigned {
			raw, err := solanaSignature(signature)
			if want, _ := solanaSignature(solanaSigned); err != nil || string(raw) != string(want) {
				t.Errorf("a second signature on Solana: %q", signature)
			}
		}
		for id, address := range map[string]string{"eip155:1": evmAddress, "xrpl:0": secp256k1Address, "xrpl:1": ed25519Address} {
			if Verify(account(t, id, address), "hello", p) == nil && !good[strings.ToLower(signature)] {
				t.Errorf("a second signature on %s: %q", id, signature)
			}
		}
	})
}

// A response is bytes or an error of exactly one kind.
func FuzzResponse(f *testing.F) {
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"result":"0x1626ba7e"}`))
	f.Add([]byte(`{"error":{"code":3,"message":"execution reverted"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		result, err := parseResponse(text)
		if err != nil && (result != nil || errors.Is(err, ErrSignature) == errors.Is(err, ErrUnavailable)) {
			t.Errorf("%x, %v", result, err)
		}
	})
}
