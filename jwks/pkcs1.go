package jwks

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"strings"

	"filippo.io/bigmod"
)

// publicExponent is the e of every RSA key here (checkRSA).
const publicExponent = 65537

// pkcs1 verifies RSASSA-PKCS1-v1_5 signatures (RFC 8017 §8.2.2) by one key.
//
// crypto/rsa computes the constants of the modulus for each signature, which
// takes a third of its time. Here they are stored with the key. The arithmetic is
// that of crypto/rsa, which is the oracle of the tests.
type pkcs1 struct{ modulus *bigmod.Modulus }

// newPKCS1 prepares a key that checkRSA accepts.
func newPKCS1(pub *rsa.PublicKey) (*pkcs1, error) {
	modulus, err := bigmod.NewModulus(pub.N.Bytes())
	if err != nil {
		return nil, err
	}
	return &pkcs1{modulus}, nil
}

// verify reports whether signature is that of a digest. A signature is as long
// as the modulus and a number below it: nothing else that leads to the same
// message is a second spelling of it.
func (p *pkcs1) verify(hash crypto.Hash, digest, signature []byte) bool {
	size := p.modulus.Size()
	if len(signature) != size {
		return false
	}
	s, err := bigmod.NewNat().SetBytes(signature, p.modulus)
	if err != nil { // not below the modulus
		return false
	}
	message := bigmod.NewNat().ExpShortVarTime(s, publicExponent, p.modulus)
	var buf [maxSignature]byte
	want := encodePKCS1(buf[:size], hash, digest)
	return want != nil && bytes.Equal(message.Bytes(p.modulus), want)
}

// encodePKCS1 writes the message that is signed for a digest
// (EMSA-PKCS1-v1_5, RFC 8017 §9.2), and returns nil for an unsupported hash. To
// compare with the one right message leaves no padding to parse and no bytes to
// skip.
func encodePKCS1(message []byte, hash crypto.Hash, digest []byte) []byte {
	info, ok := digestInfo[hash]
	padding := len(message) - len(info) - len(digest) - 3
	if !ok || len(digest) != hash.Size() || padding < 8 {
		return nil
	}
	out := append(message[:0], 0, 1)
	out = append(out, filling[:padding]...)
	out = append(out, 0)
	out = append(out, info...)
	return append(out, digest...)
}

// filling is the padding for the longest key.
var filling = strings.Repeat("\xff", maxSignature)

// digestInfo is the DER prefix that names the algorithm of a digest (RFC 8017
// §9.2, note 1).
var digestInfo = map[crypto.Hash]string{
	crypto.SHA256: "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
	crypto.SHA384: "\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
	crypto.SHA512: "\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
}
