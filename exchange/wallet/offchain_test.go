package wallet

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/mr-tron/base58"
)

const (
	offchainHex = "ff736f6c616e61206f6666636861696e" // 0xff and "solana offchain"
	siwsText    = "app.example wants you to sign in with your Solana account:\nx\n\nNonce: 1"
	noApp       = "0000000000000000000000000000000000000000000000000000000000000000"
	itsApp      = "6170702e6578616d706c65000000000000000000000000000000000000000000"
)

// Ledger's firmwares sign off-chain messages of four layouts.
func TestOffchainMessages(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	other := ed25519.NewKeyFromSeed([]byte("another seed, also of 32 bytes!!"))
	signer := hex.EncodeToString(key.Public().(ed25519.PublicKey))
	otherSigner := hex.EncodeToString(other.Public().(ed25519.PublicKey))
	text := hex.EncodeToString([]byte(siwsText))
	size := hex.EncodeToString([]byte{byte(len(siwsText)), 0})
	for _, row := range []struct {
		name, header, text string
		accepted           bool // as a signature alone
		enveloped          bool // as an envelope
	}{
		{"without header", "", text, true, false},
		{"version 0 of before 2024", "00" + "01" + size, text, true, true},
		{"version 0 of before 2024, ASCII", "00" + "00" + size, text, true, true},
		{"version 0", "00" + noApp + "00" + "01" + signer + size, text, true, true},
		{"version 0, UTF-8", "00" + noApp + "01" + "01" + signer + size, text, true, true},
		{"version 0, long UTF-8", "00" + noApp + "02" + "01" + signer + size, text, true, true},
		{"version 0 with the domain", "00" + itsApp + "01" + "01" + signer + size, text, true, true},
		{"version 0 with another application", "00" + strings.Repeat("ab", 32) + "01" + "01" + signer + size, text, false, true},
		{"version 1 with a length", "01" + "01" + signer + size, text, true, true},
		{"version 1", "01" + "01" + signer, text, true, true},
		{"version 2", "02" + "01" + signer, text, false, false},
		{"another format", "00" + noApp + "03" + "01" + signer + size, text, false, false},
		{"another signer", "00" + noApp + "01" + "01" + otherSigner + size, text, false, false},
		{"two signers", "01" + "02" + signer + otherSigner, text, false, false},
		{"no signer", "01" + "00", text, false, false},
		{"another length", "00" + "01" + "0100", text, false, false},
		{"another text", "01" + "01" + signer, text + "31", false, false},
		{"half a text", "01" + "01" + signer, text[:20], false, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			prefix := offchainHex
			if row.header == "" {
				prefix = ""
			}
			message, err := hex.DecodeString(prefix + row.header + row.text)
			if err != nil {
				t.Fatal(err)
			}
			a := account(t, solanaMainnet, base58.Encode(key.Public().(ed25519.PublicKey)))
			signed, forged := ed25519.Sign(key, message), ed25519.Sign(other, message)
			envelope := func(signature []byte) []byte { return append(append([]byte{1}, signature...), message...) }
			for name, sample := range map[string]struct {
				raw  []byte
				want bool
			}{
				"signature":                     {signed, row.accepted},
				"another's":                     {forged, false},
				"envelope":                      {envelope(signed), row.enveloped},
				"another's, in an envelope":     {envelope(forged), false},
				"two signatures":                {append([]byte{2}, envelope(signed)[1:]...), false},
				"with a byte more":              {append(envelope(signed), 0), false},
				"an envelope without a message": {envelope(signed)[:65], false},
			} {
				for _, encoded := range []string{base58.Encode(sample.raw), base64.StdEncoding.EncodeToString(sample.raw)} {
					err := Verify(a, siwsText, Proof{Signature: encoded})
					if (err == nil) != sample.want || err != nil && !errors.Is(err, ErrSignature) {
						t.Errorf("%s: %v", name, err)
					}
				}
			}
		})
	}
}

// No text is an off-chain message of another one.
func FuzzOffchainMessages(f *testing.F) {
	f.Add("hello", "hello ")
	f.Add(offchainDomain+"\x00\x00\x05\x00hello", "hello")
	key := make(ed25519.PublicKey, ed25519.PublicKeySize)
	f.Fuzz(func(t *testing.T, a, b string) {
		if a == b || strings.HasPrefix(a, offchainDomain) || strings.HasPrefix(b, offchainDomain) {
			return // a challenge never begins so
		}
		all := map[string]bool{}
		for _, message := range offchainMessages(key, a) {
			all[message] = true
		}
		for _, message := range offchainMessages(key, b) {
			if all[message] {
				t.Errorf("%q is of %q and of %q", message, a, b)
			}
		}
	})
}
