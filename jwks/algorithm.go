package jwks

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"io"
	"math/big"
	"strings"

	"filippo.io/bigmod"
)

// algorithm is a signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864).
type algorithm struct {
	name string
	kty  string      // of the keys it fits
	crv  string      // of the keys it fits, if they have one
	hash crypto.Hash // 0: it hashes itself
	// check reports whether a key that fits signed input.
	check func(a *algorithm, k *key, input string, signature []byte) bool
}

// algorithms are the supported ones by name. "none" is not among them.
var algorithms = map[string]*algorithm{
	"RS256": {"RS256", "RSA", "", crypto.SHA256, checkPKCS1},
	"RS384": {"RS384", "RSA", "", crypto.SHA384, checkPKCS1},
	"RS512": {"RS512", "RSA", "", crypto.SHA512, checkPKCS1},
	"PS256": {"PS256", "RSA", "", crypto.SHA256, checkPSS},
	"PS384": {"PS384", "RSA", "", crypto.SHA384, checkPSS},
	"PS512": {"PS512", "RSA", "", crypto.SHA512, checkPSS},
	"ES256": {"ES256", "EC", "P-256", crypto.SHA256, checkECDSA},
	"ES384": {"ES384", "EC", "P-384", crypto.SHA384, checkECDSA},
	"ES512": {"ES512", "EC", "P-521", crypto.SHA512, checkECDSA},
	"EdDSA": {"EdDSA", "OKP", "Ed25519", 0, checkEdDSA},
	// The fully specified name (RFC 9864 §2.2) of what EdDSA is with this curve.
	"Ed25519": {"Ed25519", "OKP", "Ed25519", 0, checkEdDSA},
	"HS256":   {"HS256", "oct", "", crypto.SHA256, checkHMAC},
	"HS384":   {"HS384", "oct", "", crypto.SHA384, checkHMAC},
	"HS512":   {"HS512", "oct", "", crypto.SHA512, checkHMAC},
}

// fits reports whether the key is for the algorithm: by its type, its curve and,
// if it states one, its own alg: EdDSA and Ed25519 are two names of one. Since oct keys come only from registered
// secrets, no public key is ever used as an HMAC secret.
func (a *algorithm) fits(k *key) bool {
	return a.kty == k.kty && a.crv == k.crv && (k.alg == "" || specified(k.alg) == specified(a.name))
}

// specified returns the fully specified name of an algorithm (RFC 9864).
func specified(alg string) string {
	if alg == "EdDSA" {
		return "Ed25519"
	}
	return alg
}

func (a *algorithm) digest(input string) []byte {
	var room [2 << 10]byte // on the stack, for usual tokens
	data := append(room[:0], input...)
	switch a.hash {
	case crypto.SHA256:
		sum := sha256.Sum256(data)
		return sum[:]
	case crypto.SHA384:
		sum := sha512.Sum384(data)
		return sum[:]
	case crypto.SHA512:
		sum := sha512.Sum512(data)
		return sum[:]
	}
	panic("jwks: " + a.name + " has no digest")
}

func checkPKCS1(a *algorithm, k *key, input string, signature []byte) bool {
	if k.pkcs1 != nil {
		return k.pkcs1.verify(a.hash, a.digest(input), signature)
	}
	pub, ok := k.public.(*rsa.PublicKey)
	return ok && rsa.VerifyPKCS1v15(pub, a.hash, a.digest(input), signature) == nil
}

// checkPSS requires a salt as long as the hash (RFC 7518 §3.5).
func checkPSS(a *algorithm, k *key, input string, signature []byte) bool {
	pub, ok := k.public.(*rsa.PublicKey)
	opts := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
	return ok && rsa.VerifyPSS(pub, a.hash, a.digest(input), signature, opts) == nil
}

// checkECDSA demands r and s of the curve's full length (RFC 7518 §3.4).
func checkECDSA(a *algorithm, k *key, input string, signature []byte) bool {
	pub, ok := k.public.(*ecdsa.PublicKey)
	if !ok {
		return false
	}
	size := (pub.Params().BitSize + 7) / 8
	if len(signature) != 2*size {
		return false
	}
	r := new(big.Int).SetBytes(signature[:size])
	s := new(big.Int).SetBytes(signature[size:])
	return ecdsa.Verify(pub, a.digest(input), r, s)
}

func checkEdDSA(_ *algorithm, k *key, input string, signature []byte) bool {
	pub, ok := k.public.(ed25519.PublicKey)
	return ok && ed25519.Verify(pub, []byte(input), signature)
}

func checkHMAC(a *algorithm, k *key, input string, signature []byte) bool {
	if len(k.secret) == 0 {
		return false
	}
	mac := hmac.New(a.hash.New, k.secret)
	io.WriteString(mac, input)
	return hmac.Equal(mac.Sum(nil), signature)
}

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
