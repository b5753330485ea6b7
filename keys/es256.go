package keys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/asn1"
	"errors"
	"math/big"
)

// An ES256 signature is r and s, 32 bytes each (RFC 7518 §3.4); [crypto.Signer]
// returns DER. Where (r, s) is valid, so is (r, n−s). Only the lower s is signed
// and accepted, so that a token has one spelling.

const scalar = 32 // bytes of r and of s

var (
	order     = elliptic.P256().Params().N
	halfOrder = new(big.Int).Rsh(order, 1)
)

var errDER = errors.New("the signature is not DER of two P-256 scalars")

// fromDER converts SEQUENCE{INTEGER r, INTEGER s} to r||s with a low s.
func fromDER(der []byte) ([]byte, error) {
	var sig struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &sig)
	if err != nil || len(rest) != 0 || !isScalar(sig.R) || !isScalar(sig.S) {
		return nil, errDER
	}
	if sig.S.Cmp(halfOrder) > 0 {
		sig.S.Sub(order, sig.S)
	}
	out := make([]byte, 2*scalar)
	sig.R.FillBytes(out[:scalar])
	sig.S.FillBytes(out[scalar:])
	return out, nil
}

func isScalar(n *big.Int) bool { return n.Sign() > 0 && n.Cmp(order) < 0 }

// verifyES256 reports whether raw, r||s with a low s, is a signature of digest.
func verifyES256(public *ecdsa.PublicKey, digest, raw []byte) bool {
	if len(raw) != 2*scalar {
		return false
	}
	r, s := new(big.Int).SetBytes(raw[:scalar]), new(big.Int).SetBytes(raw[scalar:])
	return s.Cmp(halfOrder) <= 0 && ecdsa.Verify(public, digest, r, s)
}
