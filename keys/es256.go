package keys

import (
	"bytes"
	"crypto/elliptic"
	"errors"
	"math/big"
)

// An ES256 signature is r and s, 32 bytes each (RFC 7518 §3.4); crypto/ecdsa
// speaks DER. Both conversions are by hand: encoding/asn1 reflects and makes
// big integers, which would show beside the cryptography.
//
// Where (r, s) verifies, so does (r, n-s). We sign with the lower s and accept
// no other, so that a token of ours has one spelling.

const scalar = 32 // bytes of r and of s

var (
	order     = elliptic.P256().Params().N.FillBytes(make([]byte, scalar))
	halfOrder = new(big.Int).Rsh(elliptic.P256().Params().N, 1).FillBytes(make([]byte, scalar))
)

var errDER = errors.New("signature is not DER of two P-256 scalars")

// fromDER converts SEQUENCE{INTEGER r, INTEGER s} to r||s with a low s.
func fromDER(der []byte) ([]byte, error) {
	out := make([]byte, 2*scalar)
	// Two scalars take at most 2+2·35 bytes, so lengths are one byte.
	if len(der) < 2 || der[0] != 0x30 || int(der[1]) != len(der)-2 {
		return nil, errDER
	}
	rest, ok := integer(out[:scalar], der[2:])
	if ok {
		rest, ok = integer(out[scalar:], rest)
	}
	if !ok || len(rest) != 0 {
		return nil, errDER
	}
	if s := out[scalar:]; bytes.Compare(s, halfOrder) > 0 {
		negate(s)
	}
	return out, nil
}

// integer reads a DER INTEGER into the fixed width of to.
func integer(to, der []byte) (rest []byte, ok bool) {
	if len(der) < 2 || der[0] != 0x02 || int(der[1]) > len(der)-2 {
		return nil, false
	}
	v, rest := der[2:2+der[1]], der[2+der[1]:]
	if len(v) == scalar+1 && v[0] == 0 {
		v = v[1:]
	}
	if len(v) == 0 || len(v) > scalar {
		return nil, false
	}
	copy(to[scalar-len(v):], v)
	return rest, true
}

// negate replaces s by n-s.
func negate(s []byte) {
	borrow := 0
	for i := scalar - 1; i >= 0; i-- {
		d := int(order[i]) - int(s[i]) - borrow
		s[i], borrow = byte(d), d>>8&1
	}
}

// toDER converts r||s; a high s, which is the other spelling, is refused.
func toDER(raw []byte) ([]byte, bool) {
	if len(raw) != 2*scalar || bytes.Compare(raw[scalar:], halfOrder) > 0 {
		return nil, false
	}
	der := make([]byte, 2, 2+2*(scalar+3))
	der = appendInteger(der, raw[:scalar])
	der = appendInteger(der, raw[scalar:])
	der[0], der[1] = 0x30, byte(len(der)-2)
	return der, true
}

// appendInteger appends a DER INTEGER: no leading zero bytes but one before a
// set high bit.
func appendInteger(der, v []byte) []byte {
	for len(v) > 1 && v[0] == 0 {
		v = v[1:]
	}
	if v[0] >= 0x80 {
		der = append(der, 0x02, byte(len(v)+1), 0)
	} else {
		der = append(der, 0x02, byte(len(v)))
	}
	return append(der, v...)
}
