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

// upper returns the other s of the same signature, which is the order less s.
func upper(s []byte) []byte {
	var n secp256k1.ModNScalar
	n.SetByteSlice(s)
	other := n.Negate().Bytes()
	return other[:]
}

// The signatures over "hello" were made by viem and ethers, by web3.js with
// tweetnacl, and by ripple-keypairs.
const (
	evmAddress   = "0x5050A4F4b3f9338C3472dcC01A87C76A144b3c9c" // key 0202…
	evmSignature = "0x1adb03a55d8474723b01d1367a8e988683fba786df123e32b67ad4ab1b1c91266c9c7e6723f11e3f5586a3b0ce693ca3b93cd11e6f2675eff5a4778cfda44ce41b"
	evmOdd       = "0x3325a78425F17a7E487Eb5666b2bFd93aBb06c70" // key 0303…, whose v is 28
	evmOddFull   = "0x9e8fce4fd404ff22da2e726a8c95ee2b289f2ec76c1a0c2f2aaa1e81b5fcc80174102b1f2561f202493d86b58d136cfd70f0281297a5acf4c07d2d89d95a59201c"
	evmOddShort  = "0x9e8fce4fd404ff22da2e726a8c95ee2b289f2ec76c1a0c2f2aaa1e81b5fcc801f4102b1f2561f202493d86b58d136cfd70f0281297a5acf4c07d2d89d95a5920"

	solanaAddress   = "GmaDrppBC7P5ARKV8g3djiwP89vz1jLK23V2GBjuAEGB"
	solanaSigned    = "NZoxWSDZVBw8wqHdGDnz5AvyM1ih2TpuvYMDwDEM61Al5nkiKrAWtNgixQAeeH4AwM6qasPG6AJIqUS9RxBPDA=="
	solanaSignedHex = "359a315920d9541c3cc2a1dd1839f3e40bf23358a1d93a6ebd8303c0310ceb5025e679222ab016b4d822c5001e787e00c0ceaa6ac3c6e80248a944bd47104f0c"

	secp256k1Address   = "rD1Q9MzAp9aUMcSU1skmYxcerqZBQFsSWo"
	secp256k1Key       = "03CEA3B67D51EC7196FD4DA3EDD37BCAAEA035E02E117327FCA7739DB1FBE06F32"
	secp256k1Signature = "30450221009597E7DC160CD77A409DEF7E22A68D47D8C3EFED1519717DB7B0E12C193F0A5B0220756ADF99081493B5A037ED2F81C496A102D3CAE9FA4B9152281EDFA85CE83000"
	ed25519Address     = "rH9ESAdrFfDAZtCZGa7JiwNJfKnC6CmGFQ"
	ed25519Key         = "EDFA9399032E645C9205C7F75E649460422D22CCECA22862A63D7C9498C465BC6C"
	ed25519Signature   = "778FC4DB576872183E3AEB603BE4078560D80BD8AC43D72540BBF997B2D182DB463C39788AB2D320041EB733382B58E3644BB1A619280BD6199D17FF9046F704"
)

// withV returns a signature of 65 bytes with another v.
func withV(signature string, v byte) string {
	return signature[:130] + hex.EncodeToString([]byte{v})
}

// upperEVM returns a signature with the upper s and its parity.
func upperEVM(signature string) string {
	raw, _ := hex.DecodeString(signature[2:])
	copy(raw[32:64], upper(raw[32:64]))
	raw[64] = 27 + 28 - raw[64]
	return "0x" + hex.EncodeToString(raw)
}

// der returns a DER signature of any r and s.
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

func TestVerifyAcceptsCanonicalSignatures(t *testing.T) {
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
		{"EVM with a trailing byte", "eip155:1", evmAddress, "hello", Proof{Signature: evmSignature + "00"}, ErrSignature},
		{"EVM of another account", "eip155:1", evmOdd, "hello", Proof{Signature: evmSignature}, ErrSignature},
		{"EVM over another message", "eip155:1", evmAddress, "hello ", Proof{Signature: evmSignature}, ErrSignature},
		{"EVM, zeros", "eip155:1", evmAddress, "hello", Proof{Signature: "0x" + strings.Repeat("00", 65)}, ErrSignature},
		{"EVM, empty", "eip155:1", evmAddress, "hello", Proof{}, ErrSignature},
		{"EVM, EIP-6492", "eip155:1", evmAddress, "hello", Proof{Signature: evmSignature + undeployedSuffix}, ErrUndeployed},

		{"Solana in base64", solanaMainnet, solanaAddress, "hello", Proof{Signature: solanaSigned}, nil},
		{"Solana in base58", solanaMainnet, solanaAddress, "hello", Proof{Signature: solana58}, nil},
		{"Solana with its key", solanaMainnet, solanaAddress, "hello", Proof{solana58, solanaAddress}, nil},
		{"Solana with another key", solanaMainnet, solanaAddress, "hello", Proof{solana58, ed25519Address}, ErrSignature},
		{"Solana in hex", solanaMainnet, solanaAddress, "hello", Proof{Signature: solanaSignedHex}, ErrSignature},
		{"Solana without padding", solanaMainnet, solanaAddress, "hello", Proof{Signature: strings.TrimRight(solanaSigned, "=")}, ErrSignature},
		{"Solana with stray bits", solanaMainnet, solanaAddress, "hello", Proof{Signature: solanaSigned[:85] + "B=="}, ErrSignature},
		{"Solana over another message", solanaMainnet, solanaAddress, "Hello", Proof{Signature: solanaSigned}, ErrSignature},
		{"Solana, empty", solanaMainnet, solanaAddress, "hello", Proof{}, ErrSignature},

		{"XRPL secp256k1", "xrpl:0", secp256k1Address, "hello", Proof{secp256k1Signature, secp256k1Key}, nil},
		{"XRPL in lower case", "xrpl:0", secp256k1Address, "hello", Proof{strings.ToLower(secp256k1Signature), strings.ToLower(secp256k1Key)}, nil},
		{"XRPL with the upper s", "xrpl:0", secp256k1Address, "hello", Proof{upperDER(secp256k1Signature), secp256k1Key}, ErrSignature},
		{"XRPL with a trailing byte", "xrpl:0", secp256k1Address, "hello", Proof{secp256k1Signature + "00", secp256k1Key}, ErrSignature},
		{"XRPL over another message", "xrpl:0", secp256k1Address, "hullo", Proof{secp256k1Signature, secp256k1Key}, ErrSignature},
		{"XRPL without key", "xrpl:0", secp256k1Address, "hello", Proof{Signature: secp256k1Signature}, ErrSignature},
		{"XRPL with another's key", "xrpl:0", secp256k1Address, "hello", Proof{ed25519Signature, ed25519Key}, ErrSignature},
		{"XRPL with the other parity of the key", "xrpl:0", secp256k1Address, "hello", Proof{secp256k1Signature, "02" + secp256k1Key[2:]}, ErrSignature},
		{"XRPL Ed25519", "xrpl:1", ed25519Address, "hello", Proof{ed25519Signature, ed25519Key}, nil},
		{"XRPL Ed25519 over another message", "xrpl:0", ed25519Address, "", Proof{ed25519Signature, ed25519Key}, ErrSignature},
		{"XRPL Ed25519 cut", "xrpl:0", ed25519Address, "hello", Proof{ed25519Signature[:126], ed25519Key}, ErrSignature},
		{"XRPL, a signature that is too long", "xrpl:0", ed25519Address, "hello", Proof{strings.Repeat("00", 1000), ed25519Key}, ErrSignature},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := Verify(account(t, row.chain, row.address), row.message, row.proof)
			if !errors.Is(err, row.want) || row.want == nil && err != nil {
				t.Errorf("%v, want %v", err, row.want)
			}
		})
	}
	if err := Verify(Account{}, "hello", Proof{}); !errors.Is(err, ErrSignature) {
		t.Errorf("an account without a chain: %v", err)
	}
}

// The signatures with the upper s are refused for their s alone: they verify in the
// libraries.
func TestUpperSVerifiesInLibraries(t *testing.T) {
	raw, _ := hex.DecodeString(upperDER(secp256k1Signature))
	parsed, err := ecdsa.ParseDERSignature(raw)
	if err != nil {
		t.Fatal(err)
	}
	key, _ := hex.DecodeString(secp256k1Key)
	public, _ := secp256k1.ParsePubKey(key)
	hash := sha512.Sum512([]byte("hello"))
	if !parsed.Verify(hash[:32], public) {
		t.Error("the one of the XRP Ledger does not verify")
	}
	raw, _ = hex.DecodeString(upperEVM(evmSignature)[2:])
	recovered, _, err := ecdsa.RecoverCompact(append(raw[64:65:65], raw[:64]...), messageHash("hello"))
	if err != nil || checksummed(keccak(recovered.SerializeUncompressed()[1:])[12:]) != evmAddress {
		t.Errorf("the one of EVM does not verify: %v", err)
	}
}

// weak lists the y coordinates of the points of order 8 or less, little-endian:
// for such a key one signature is valid for many messages.
var weak = [][ed25519.PublicKeySize]byte{
	{},
	{1},
	{
		0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
	},
	{
		0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
		0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
	},
	{
		0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
		0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
	},
}

// Signatures for keys of small order can be made without a secret and verify in the
// standard library, so the keys are refused.
func TestKeysOfSmallOrderAreRefused(t *testing.T) {
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
