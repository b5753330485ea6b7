package wallet

import (
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/mr-tron/base58"
)

// xrplKey is a key of the ledger.
type xrplKey struct {
	public []byte
	sign   func(data []byte) []byte
}

func secp256k1Of(n byte) xrplKey {
	key := secp256k1.PrivKeyFromBytes([]byte{31: n})
	return xrplKey{key.PubKey().SerializeCompressed(), func(data []byte) []byte {
		hash := sha512.Sum512(data)
		return ecdsa.Sign(key, hash[:32]).Serialize()
	}}
}

func ed25519Of(n byte) xrplKey {
	key := ed25519.NewKeyFromSeed([]byte{31: n})
	return xrplKey{append([]byte{0xed}, key.Public().(ed25519.PublicKey)...), func(data []byte) []byte { return ed25519.Sign(key, data) }}
}

func (k xrplKey) address() string {
	raw := append([]byte{0}, accountID(k.public)...)
	return base58.EncodeAlphabet(append(raw, doubleSHA256(raw)[:4]...), xrplAlphabet)
}

// lengthPrefixed is bytes of at most 12480 with their length.
func lengthPrefixed(b []byte) []byte {
	if len(b) <= 192 {
		return append([]byte{byte(len(b))}, b...)
	}
	n := len(b) - 193
	return append([]byte{byte(193 + n>>8), byte(n)}, b...)
}

// signInOf is a transaction by parts, in hexadecimal where they are not values.
type signInOf struct {
	before, key, account, memos string
	signature                   []byte // made if nil
	prefix                      string // of what is signed
}

func (k xrplKey) signIn(message string) signInOf {
	return signInOf{
		before:  "", // no transaction type
		key:     "73" + hex.EncodeToString(lengthPrefixed(k.public)),
		account: "8114" + hex.EncodeToString(accountID(k.public)),
		memos:   "f9ea7c0441757468" + "7d" + hex.EncodeToString(lengthPrefixed([]byte(message))) + "e1f1",
		prefix:  "53545800",
	}
}

func (tx signInOf) by(k xrplKey) string {
	signed, err := hex.DecodeString(tx.prefix + tx.before + tx.key + tx.account + tx.memos)
	if err != nil {
		panic(err)
	}
	signature := tx.signature
	if signature == nil {
		signature = k.sign(signed)
	}
	return strings.ToUpper(tx.before + tx.key + "74" + hex.EncodeToString(lengthPrefixed(signature)) + tx.account + tx.memos)
}

// The challenge in a SignIn transaction is accepted as the text itself is.
func TestSignInTransactions(t *testing.T) {
	const message = "app.example wants you to sign in with your XRP Ledger account:\n" + secp256k1Address + "\n\nLog in.\n\n" +
		"URI: https://app.example/login\nVersion: 1\nChain ID: 0\nNonce: 1\nIssued At: 2026-11-28T08:00:00Z\nExpiration Time: 2026-11-28T08:05:00Z\nRequest ID: r1"
	for kind, of := range map[string]func(byte) xrplKey{"secp256k1": secp256k1Of, "Ed25519": ed25519Of} {
		key, other := of(1), of(2)
		for _, row := range []struct {
			name   string
			change func(tx *signInOf)
			public string
			want   error
		}{
			{"good", func(*signInOf) {}, "", nil},
			{"with its key", func(*signInOf) {}, hex.EncodeToString(key.public), nil},
			{"with flags, sequence and fee", func(tx *signInOf) { tx.before = "2280000000" + "2400000002" + "68400000000000000c" }, "", nil},
			{"with a source tag and a network", func(tx *signInOf) { tx.before = "2100005359" + "2300000001" }, "", nil},
			{"with another memo", func(tx *signInOf) { tx.memos = "f9" + "ea7d0161e1" + tx.memos[2:] }, "", nil},
			{"with another key", func(*signInOf) {}, hex.EncodeToString(other.public), ErrSignature},
			{"of a payment", func(tx *signInOf) { tx.before = "120000" }, "", ErrSignature},
			{"of a type that does not exist", func(tx *signInOf) { tx.before = "12ffff" }, "", ErrSignature},
			{"of another account", func(tx *signInOf) { tx.account = other.signIn("").account }, "", ErrSignature},
			{"by another key", func(tx *signInOf) { tx.key = other.signIn("").key }, "", ErrSignature},
			{"with another text", func(tx *signInOf) { tx.memos = key.signIn(message + " ").memos }, "", ErrSignature},
			{"with the text in the memo's type", func(tx *signInOf) { tx.memos = strings.Replace(tx.memos, "7d", "7c", 1) }, "", ErrSignature},
			{"without memos", func(tx *signInOf) { tx.memos = "" }, "", ErrSignature},
			{"without account", func(tx *signInOf) { tx.account = "" }, "", ErrSignature},
			{"with two accounts", func(tx *signInOf) { tx.account += tx.account }, "", ErrSignature},
			{"signed as another kind of data", func(tx *signInOf) { tx.prefix = "534d5400" }, "", ErrSignature},
			{"the text signed alone", func(tx *signInOf) { tx.signature = key.sign([]byte(message)) }, "", ErrSignature},
			{"with zeros for a signature", func(tx *signInOf) { tx.signature = make([]byte, 64) }, "", ErrSignature},
			{"with a payment's amount", func(tx *signInOf) { tx.before = "61d4838d7ea4c68000" + strings.Repeat("00", 40) }, "", ErrSignature},
			{"with a field of an unknown type", func(tx *signInOf) { tx.before = "0112" + "01" }, "", ErrSignature},
			{"cut off", func(tx *signInOf) { tx.memos = tx.memos[:len(tx.memos)-2] }, "", ErrSignature},
			{"with something after it", func(tx *signInOf) { tx.memos += "f1" }, "", ErrSignature},
		} {
			t.Run(kind+" "+row.name, func(t *testing.T) {
				tx := key.signIn(message)
				row.change(&tx)
				signer := key
				if row.name == "by another key" {
					signer = other
				}
				err := Verify(account(t, "xrpl:0", key.address()), message, Proof{Signature: tx.by(signer), PublicKey: row.public})
				if !errors.Is(err, row.want) || row.want == nil && err != nil {
					t.Errorf("%v, want %v", err, row.want)
				}
			})
		}
	}
}

// Any bytes are a transaction or an error, and what was signed is all of it but the
// signature.
func FuzzSignIn(f *testing.F) {
	blob, _ := hex.DecodeString(secp256k1Of(1).signIn("hello").by(secp256k1Of(1)))
	f.Add(blob)
	f.Add([]byte{0x00})
	f.Add([]byte{0xf9, 0xea, 0x7d, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, blob []byte) {
		tx, err := parseSignIn(blob)
		if err != nil {
			return
		}
		if want := len(blob) - len(tx.signature); len(tx.signed) > len(blob) || len(tx.signature) > 0 && len(tx.signed) >= want {
			t.Errorf("of %x, %x is signed by %x", blob, tx.signed, tx.signature)
		}
	})
}
