package wallet

import (
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/mr-tron/base58"
)

// upper is the other s of the same signature: the order less s.
func upper(s []byte) []byte {
	var n secp256k1.ModNScalar
	n.SetByteSlice(s)
	other := n.Negate().Bytes()
	return other[:]
}

// The signatures over "hello" are viem's and ethers', web3.js with tweetnacl's,
// and ripple-keypairs'.
const (
	evmAddress   = "0x5050A4F4b3f9338C3472dcC01A87C76A144b3c9c" // key 0202…
	evmSignature = "0x1adb03a55d8474723b01d1367a8e988683fba786df123e32b67ad4ab1b1c91266c9c7e6723f11e3f5586a3b0ce693ca3b93cd11e6f2675eff5a4778cfda44ce41b"
	evmOdd       = "0x3325a78425F17a7E487Eb5666b2bFd93aBb06c70" // key 0303…, whose v is 28
	evmOddFull   = "0x9e8fce4fd404ff22da2e726a8c95ee2b289f2ec76c1a0c2f2aaa1e81b5fcc80174102b1f2561f202493d86b58d136cfd70f0281297a5acf4c07d2d89d95a59201c"
	evmOddShort  = "0x9e8fce4fd404ff22da2e726a8c95ee2b289f2ec76c1a0c2f2aaa1e81b5fcc801f4102b1f2561f202493d86b58d136cfd70f0281297a5acf4c07d2d89d95a5920"

	solanaAddress   = "GmaDrppBC7P5ARKV8g3djiwP89vz1jLK23V2GBjuAEGB"
	solanaSigned    = "NZoxWSDZVBw8wqHdGDnz5AvyM1ih2TpuvYMDwDEM61Al5nkiKrAWtNgixQAeeH4AwM6qasPG6AJIqUS9RxBPDA=="
	solanaSignedHex = "359a315920d9541c3cc2a1dd1839f3e40bf23358a1d93a6ebd8303c0310ceb5025e679222ab016b4d822c5001e787e00c0ceaa6ac3c6e80248a944bd47104f0c"

	koblitzAddress   = "rD1Q9MzAp9aUMcSU1skmYxcerqZBQFsSWo"
	koblitzKey       = "03CEA3B67D51EC7196FD4DA3EDD37BCAAEA035E02E117327FCA7739DB1FBE06F32"
	koblitzSignature = "30450221009597E7DC160CD77A409DEF7E22A68D47D8C3EFED1519717DB7B0E12C193F0A5B0220756ADF99081493B5A037ED2F81C496A102D3CAE9FA4B9152281EDFA85CE83000"
	edwardsAddress   = "rH9ESAdrFfDAZtCZGa7JiwNJfKnC6CmGFQ"
	edwardsKey       = "EDFA9399032E645C9205C7F75E649460422D22CCECA22862A63D7C9498C465BC6C"
	edwardsSignature = "778FC4DB576872183E3AEB603BE4078560D80BD8AC43D72540BBF997B2D182DB463C39788AB2D320041EB733382B58E3644BB1A619280BD6199D17FF9046F704"
)

// withV is a signature of 65 bytes with another v.
func withV(signature string, v byte) string {
	return signature[:130] + hex.EncodeToString([]byte{v})
}

// upperEVM is the twin of a signature, with the parity that belongs to it.
func upperEVM(signature string) string {
	raw, _ := hex.DecodeString(signature[2:])
	copy(raw[32:64], upper(raw[32:64]))
	raw[64] = 27 + 28 - raw[64]
	return "0x" + hex.EncodeToString(raw)
}

// der is a DER signature of r and s with no care for what is canonical.
func der(r, s []byte) string {
	integer := func(b []byte) string {
		if b[0] >= 0x80 {
			b = append([]byte{0}, b...)
		}
		return "02" + hex.EncodeToString([]byte{byte(len(b))}) + hex.EncodeToString(b)
	}
	body := integer(r) + integer(s)
	return "30" + hex.EncodeToString([]byte{byte(len(body) / 2)}) + body
}

func upperDER(signature string) string {
	raw, _ := hex.DecodeString(signature)
	parsed, _ := ecdsa.ParseDERSignature(raw)
	r, s := parsed.R(), parsed.S()
	rb, sb := r.Bytes(), s.Bytes()
	return der(rb[:], upper(sb[:]))
}

func TestVerify(t *testing.T) {
	solanaRaw, _ := hex.DecodeString(solanaSignedHex)
	solana58 := base58.Encode(solanaRaw)
	for _, row := range []struct {
		name, chain, address, message string
		proof                         Proof
		want                          error
	}{
		{"EVM", "eip155:1", evmAddress, "hello", Proof{Signature: evmSignature}, nil},
		{"EVM with v 0", "eip155:1", evmAddress, "hello", Proof{Signature: withV(evmSignature, 0)}, nil},
		{"EVM with the other v", "eip155:1", evmAddress, "hello", Proof{Signature: withV(evmSignature, 28)}, ErrSignature},
		{"EVM odd", "eip155:1", evmOdd, "hello", Proof{Signature: evmOddFull}, nil},
		{"EVM odd with v 1", "eip155:1", evmOdd, "hello", Proof{Signature: withV(evmOddFull, 1)}, nil},
		{"EVM odd, short", "eip155:1", evmOdd, "hello", Proof{Signature: evmOddShort}, nil},
		{"EVM even, short", "eip155:1", evmAddress, "hello", Proof{Signature: evmSignature[:130]}, nil},
		{"EVM odd, short without its parity", "eip155:1", evmOdd, "hello", Proof{Signature: evmOddFull[:130]}, ErrSignature},
		{"EVM in upper case", "eip155:1", evmAddress, "hello", Proof{Signature: "0x" + strings.ToUpper(evmSignature[2:])}, nil},
		{"EVM with a public key", "eip155:1", evmAddress, "hello", Proof{evmSignature, "0x04"}, nil},
		{"EVM with v 29", "eip155:1", evmAddress, "hello", Proof{Signature: withV(evmSignature, 29)}, ErrSignature},
		{"EVM with v 2", "eip155:1", evmAddress, "hello", Proof{Signature: withV(evmSignature, 2)}, ErrSignature},
		{"EVM with v 26", "eip155:1", evmAddress, "hello", Proof{Signature: withV(evmSignature, 26)}, ErrSignature},
		{"EVM with v 37 (EIP-155)", "eip155:1", evmAddress, "hello", Proof{Signature: withV(evmSignature, 37)}, ErrSignature},
		{"EVM with the upper s", "eip155:1", evmAddress, "hello", Proof{Signature: upperEVM(evmSignature)}, ErrSignature},
		{"EVM without 0x", "eip155:1", evmAddress, "hello", Proof{Signature: evmSignature[2:]}, ErrSignature},
		{"EVM with a byte more", "eip155:1", evmAddress, "hello", Proof{Signature: evmSignature + "00"}, ErrSignature},
		{"EVM of another account", "eip155:1", evmOdd, "hello", Proof{Signature: evmSignature}, ErrSignature},
		{"EVM over another message", "eip155:1", evmAddress, "hello ", Proof{Signature: evmSignature}, ErrSignature},
		{"EVM, zeros", "eip155:1", evmAddress, "hello", Proof{Signature: "0x" + strings.Repeat("00", 65)}, ErrSignature},
		{"EVM, empty", "eip155:1", evmAddress, "hello", Proof{}, ErrSignature},
		{"EVM, EIP-6492", "eip155:1", evmAddress, "hello", Proof{Signature: evmSignature + universal}, ErrUndeployed},

		{"Solana in base64", solanaMainnet, solanaAddress, "hello", Proof{Signature: solanaSigned}, nil},
		{"Solana in base58", solanaMainnet, solanaAddress, "hello", Proof{Signature: solana58}, nil},
		{"Solana with its key", solanaMainnet, solanaAddress, "hello", Proof{solana58, solanaAddress}, nil},
		{"Solana with another key", solanaMainnet, solanaAddress, "hello", Proof{solana58, edwardsAddress}, ErrSignature},
		{"Solana in hex", solanaMainnet, solanaAddress, "hello", Proof{Signature: solanaSignedHex}, ErrSignature},
		{"Solana without padding", solanaMainnet, solanaAddress, "hello", Proof{Signature: strings.TrimRight(solanaSigned, "=")}, ErrSignature},
		{"Solana with stray bits", solanaMainnet, solanaAddress, "hello", Proof{Signature: solanaSigned[:85] + "B=="}, ErrSignature},
		{"Solana over another message", solanaMainnet, solanaAddress, "Hello", Proof{Signature: solanaSigned}, ErrSignature},
		{"Solana, empty", solanaMainnet, solanaAddress, "hello", Proof{}, ErrSignature},

		{"XRPL secp256k1", "xrpl:0", koblitzAddress, "hello", Proof{koblitzSignature, koblitzKey}, nil},
		{"XRPL in lower case", "xrpl:0", koblitzAddress, "hello", Proof{strings.ToLower(koblitzSignature), strings.ToLower(koblitzKey)}, nil},
		{"XRPL with the upper s", "xrpl:0", koblitzAddress, "hello", Proof{upperDER(koblitzSignature), koblitzKey}, ErrSignature},
		{"XRPL with a byte behind", "xrpl:0", koblitzAddress, "hello", Proof{koblitzSignature + "00", koblitzKey}, ErrSignature},
		{"XRPL over another message", "xrpl:0", koblitzAddress, "hullo", Proof{koblitzSignature, koblitzKey}, ErrSignature},
		{"XRPL without key", "xrpl:0", koblitzAddress, "hello", Proof{Signature: koblitzSignature}, ErrSignature},
		{"XRPL with another's key", "xrpl:0", koblitzAddress, "hello", Proof{edwardsSignature, edwardsKey}, ErrSignature},
		{"XRPL with the other parity of the key", "xrpl:0", koblitzAddress, "hello", Proof{koblitzSignature, "02" + koblitzKey[2:]}, ErrSignature},
		{"XRPL Ed25519", "xrpl:1", edwardsAddress, "hello", Proof{edwardsSignature, edwardsKey}, nil},
		{"XRPL Ed25519 over another message", "xrpl:0", edwardsAddress, "", Proof{edwardsSignature, edwardsKey}, ErrSignature},
		{"XRPL Ed25519 cut", "xrpl:0", edwardsAddress, "hello", Proof{edwardsSignature[:126], edwardsKey}, ErrSignature},
		{"XRPL, a very long signature", "xrpl:0", edwardsAddress, "hello", Proof{strings.Repeat("00", 1000), edwardsKey}, ErrSignature},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := Verify(account(t, row.chain, row.address), row.message, row.proof)
			if !errors.Is(err, row.want) || row.want == nil && err != nil {
				t.Errorf("%v, want %v", err, row.want)
			}
		})
	}
	if err := Verify(Account{}, "hello", Proof{}); !errors.Is(err, ErrSignature) {
		t.Errorf("an account of nowhere: %v", err)
	}
}

// The twins in TestVerify are refused for their s alone: a library that forgives
// it verifies them.
func TestTwinsVerifyElsewhere(t *testing.T) {
	raw, _ := hex.DecodeString(upperDER(koblitzSignature))
	parsed, err := ecdsa.ParseDERSignature(raw)
	if err != nil {
		t.Fatal(err)
	}
	key, _ := hex.DecodeString(koblitzKey)
	public, _ := secp256k1.ParsePubKey(key)
	hash := sha512.Sum512([]byte("hello"))
	if !parsed.Verify(hash[:32], public) {
		t.Error("the XRP Ledger's twin is no signature")
	}
	raw, _ = hex.DecodeString(upperEVM(evmSignature)[2:])
	recovered, _, err := ecdsa.RecoverCompact(append(raw[64:65:65], raw[:64]...), personal("hello"))
	if err != nil || checksummed(keccak(recovered.SerializeUncompressed()[1:])[12:]) != evmAddress {
		t.Errorf("the EVM twin is no signature: %v", err)
	}
}

// For keys of small order anybody has signatures: they verify in the standard
// library, and the keys are refused.
func TestSmallOrder(t *testing.T) {
	signature := make([]byte, ed25519.SignatureSize)
	signature[0] = 1 // R is the neutral element, s is 0
	for i, y := range weak {
		for _, sign := range []byte{0, 0x80} {
			key := y
			key[31] |= sign
			if checkEd25519(key[:]) == nil {
				t.Errorf("key %d is accepted", i)
			}
			forged := false
			for n := range 400 {
				forged = forged || ed25519.Verify(key[:], []byte(strconv.Itoa(n)), signature)
			}
			if negativeZero := i == 1 || i == 2; !forged && !(negativeZero && sign != 0) {
				t.Errorf("key %d with sign %x is not weak", i, sign)
			}
			address := base58.Encode(key[:])
			if _, err := ParseAddress(Solana, address); !errors.Is(err, ErrAddress) {
				t.Errorf("%s: %v", address, err)
			}
		}
	}
	high := weak[2]
	high[0] = 0xee // 1, written as 1 more than the field's size
	if checkEd25519(high[:]) == nil {
		t.Error("a key that is not canonical is accepted")
	}
}
