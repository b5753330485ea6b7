package jwks

import (
	"bytes"
	"crypto"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512"
	"math/big"
	"os"
	"os/exec"
	"slices"
	"testing"
)

// raw returns the signature of any message as it is (RSASP1, RFC 8017 §5.2.1).
func raw(k *rsa.PrivateKey, message []byte) []byte {
	m := new(big.Int).Mod(new(big.Int).SetBytes(message), k.N)
	return m.Exp(m, k.D, k.N).FillBytes(make([]byte, k.Size()))
}

func rsaKey(t testing.TB, bits int) (*rsa.PrivateKey, *pkcs1) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	public, err := newPKCS1(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

// sameAsRSA requires that crypto/rsa accepts a signature exactly if it is accepted
// here.
func sameAsRSA(t *testing.T, private *rsa.PrivateKey, public *pkcs1, hash crypto.Hash, digest, signature []byte) bool {
	t.Helper()
	got := public.verify(hash, digest, signature)
	if err := rsa.VerifyPKCS1v15(&private.PublicKey, hash, digest, signature); got != (err == nil) {
		t.Errorf("%v, signature %x: verify = %v, crypto/rsa says %v", hash, signature, got, err)
	}
	return got
}

func digestOf(hash crypto.Hash, text string) []byte {
	h := hash.New()
	h.Write([]byte(text))
	return h.Sum(nil)
}

// crypto/rsa signs, and the rows change one thing about the signature. Some moduli
// do not fill their first byte, because implementations differ in lengths and
// leading zeros.
func TestPKCS1(t *testing.T) {
	for _, bits := range []int{2048, 2049, 2055, 3072, 4096} {
		private, public := rsaKey(t, bits)
		for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
			digest := digestOf(hash, "header.payload")
			good, err := rsa.SignPKCS1v15(nil, private, hash, digest)
			if err != nil {
				t.Fatal(err)
			}
			more := new(big.Int).Add(new(big.Int).SetBytes(good), private.N)
			negative := new(big.Int).Sub(private.N, new(big.Int).SetBytes(good))
			for _, row := range []struct {
				name              string
				digest, signature []byte
				want              bool
			}{
				{"as signed", digest, good, true},
				{"another message", digestOf(hash, "header.payloae"), good, false},
				{"a digest too short", digest[1:], good, false},
				{"the last bit", digest, append(slices.Clone(good[:len(good)-1]), good[len(good)-1]^1), false},
				{"a zero before it", digest, append([]byte{0}, good...), false},
				{"a zero after it", digest, append(slices.Clone(good), 0), false},
				{"a byte less", digest, good[:len(good)-1], false},
				{"plus the modulus", digest, more.Bytes(), false},
				{"the modulus less it", digest, negative.FillBytes(make([]byte, private.Size())), false},
				{"zero", digest, make([]byte, private.Size()), false},
				{"one", digest, append(make([]byte, private.Size()-1), 1), false},
				{"the modulus", digest, private.N.Bytes(), false},
				{"nothing", digest, nil, false},
			} {
				if got := sameAsRSA(t, private, public, hash, row.digest, row.signature); got != row.want {
					t.Errorf("%d bits, %v, %s: verify = %v", bits, hash, row.name, got)
				}
			}
		}
	}
}

// The messages are nearly the right one, as in forgeries that other readers
// accepted (Bleichenbacher 2006, BERserk).
func TestPKCS1Paddings(t *testing.T) {
	private, public := rsaKey(t, 2048)
	digest := digestOf(crypto.SHA256, "header.payload")
	size, info := private.Size(), digestInfo[crypto.SHA256]
	// Without the NULL of the algorithm's parameters (RFC 8017 §A.2.4).
	bare := "\x30\x2f\x30\x0b" + info[4:15] + info[17:]
	build := func(begin string, padding int, fill byte, middle, end string) []byte {
		m := append([]byte(begin), bytes.Repeat([]byte{fill}, padding)...)
		m = append(append(m, middle...), digest...)
		m = append(m, end...)
		return append(m, make([]byte, max(0, size-len(m)))...)[:size]
	}
	full := size - 3 - len(info) - len(digest)
	for _, row := range []struct {
		name    string
		message []byte
		want    bool
	}{
		{"the right one", build("\x00\x01", full, 0xff, "\x00"+info, ""), true},
		{"block type 2", build("\x00\x02", full, 0xff, "\x00"+info, ""), false},
		{"block type 0", build("\x00\x00", full, 0x00, "\x00"+info, ""), false},
		{"a padding of zeros", build("\x00\x01", full, 0x00, "\x00"+info, ""), false},
		{"no separator", build("\x00\x01", full+1, 0xff, info, ""), false},
		{"8 bytes of padding, garbage after", build("\x00\x01", 8, 0xff, "\x00"+info, "garbage"), false},
		{"no padding, garbage after", build("\x00\x01", 0, 0xff, "\x00"+info, "garbage"), false},
		{"a byte less of padding, one after", build("\x00\x01", full-1, 0xff, "\x00"+info, "\x00"), false},
		{"no NULL", build("\x00\x01", full+2, 0xff, "\x00"+bare, ""), false},
		{"no algorithm", build("\x00\x01", full+len(info), 0xff, "\x00", ""), false},
		{"another algorithm", build("\x00\x01", full, 0xff, "\x00"+digestInfo[crypto.SHA512], ""), false},
		{"a long form of the length", build("\x00\x01", full-1, 0xff, "\x00\x30\x81\x31"+info[2:], ""), false},
	} {
		if got := sameAsRSA(t, private, public, crypto.SHA256, digest, raw(private, row.message)); got != row.want {
			t.Errorf("%s: verify = %v", row.name, got)
		}
	}
}

// FuzzPKCS1: crypto/rsa accepts exactly what is accepted here, of every message
// that a key can sign and of every signature.
func FuzzPKCS1(f *testing.F) {
	private, public := rsaKey(f, 2048)
	digest := sha256.Sum256([]byte("header.payload"))
	var buf [256]byte
	right := encodePKCS1(buf[:], crypto.SHA256, digest[:])
	f.Add(right, 0, byte(0))
	f.Add(right, 1, byte(3))
	f.Add(right, 255, byte(1))
	f.Add(right[1:], 10, byte(0xff))
	f.Fuzz(func(t *testing.T, message []byte, at int, flip byte) {
		sameAsRSA(t, private, public, crypto.SHA256, digest[:], message)
		message = message[:min(len(message), len(right))]
		sameAsRSA(t, private, public, crypto.SHA256, digest[:], raw(private, message))
		changed := slices.Clone(right)
		changed[uint(at)%uint(len(changed))] ^= flip
		if got := sameAsRSA(t, private, public, crypto.SHA256, digest[:], raw(private, changed)); got != (flip == 0) {
			t.Errorf("byte %d changed by %#x: verify = %v", at, flip, got)
		}
	})
}

// TestFIPS runs the tests of every algorithm again in a process that uses the
// FIPS 140-3 module, where crypto/rsa verifies.
func TestFIPS(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^(TestVerifyEveryAlgorithm|TestKeysArePreparedOutsideFIPS)$", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=on")
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestKeysArePreparedOutsideFIPS")) || !bytes.Contains(out, []byte("--- PASS: TestVerifyEveryAlgorithm/RS256")) {
		t.Fatalf("%v\n%s", err, out)
	}
}

// In FIPS mode, crypto/rsa verifies.
func TestKeysArePreparedOutsideFIPS(t *testing.T) {
	private, _ := rsaKey(t, 2048)
	var k key
	if err := k.setPublic(&private.PublicKey); err != nil {
		t.Fatal(err)
	}
	if (k.pkcs1 == nil) != fips140.Enabled() {
		t.Errorf("prepared: %v, FIPS 140-3 mode: %v", k.pkcs1 != nil, fips140.Enabled())
	}
}

// Signatures by the largest accepted key fit in the buffers.
func TestPKCS1LargestModulus(t *testing.T) {
	n := make([]byte, maxRSA/8)
	rand.Read(n)
	n[0], n[len(n)-1] = n[0]|0x80, n[len(n)-1]|1
	pub := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: publicExponent}
	p, err := newPKCS1(pub)
	if err != nil || checkRSA(pub) != nil {
		t.Fatal(err, checkRSA(pub))
	}
	digest := digestOf(crypto.SHA512, "header.payload")
	for _, first := range []byte{0, 0x7f} {
		signature := append([]byte{first}, n[1:]...)
		if p.verify(crypto.SHA512, digest, signature) || rsa.VerifyPKCS1v15(pub, crypto.SHA512, digest, signature) == nil {
			t.Errorf("an arbitrary signature is valid")
		}
	}
}
