package subject

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"cambio/exchange"
)

// Bounds of the requestTime of a signed request.
const (
	requestAge  = 5 * time.Minute // in strict mode
	requestSkew = time.Minute     // ahead
	// oldestRequest is how long a used signature is remembered, less the skew: an
	// older request could have been sent before by a clock that was ahead.
	oldestRequest = 24*time.Hour - requestSkew
)

// RequestSignature verifies the signature of a client's request
// (X-Request-Signature): the base64 of an RSASSA-PSS signature with SHA-512 and a
// salt of 64 bytes (RFC 8017 §8.1) over the lower-case hex of the SHA-512 of the
// body, byte for byte as received. It returns the ID of the signing key and the
// bytes of the signature, which has one spelling: the base64 is strict, and RSA
// accepts no number that is not below its modulus. Refusals have one reason, so that
// they reveal nothing about a client.
func RequestSignature(client *exchange.CompiledClient, body []byte, text string) (signer string, signature []byte, err error) {
	refuse := func(format string, args ...any) (string, []byte, error) {
		return "", nil, exchange.Refuse(exchange.ReasonRequestSignatureInvalid, fmt.Errorf(format, args...))
	}
	if client == nil || client.Client.AuthKeys == nil || len(client.Signers) == 0 {
		return refuse("the client is not registered with keys that sign requests")
	}
	signature, err = base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || base64.StdEncoding.EncodeToString(signature) != text {
		return refuse("the signature is not base64")
	}
	digest := requestDigest(body)
	for _, key := range client.Signers {
		options := &rsa.PSSOptions{SaltLength: sha512.Size, Hash: crypto.SHA512}
		if len(signature) == key.Size() && rsa.VerifyPSS(key, crypto.SHA512, digest, signature, options) == nil {
			return exchange.KeyID(key), signature, nil
		}
	}
	return refuse("none of the client's %d keys made the signature: want RSASSA-PSS with SHA-512 and 64 bytes of salt over the lowercase hex of the SHA-512 of the body", len(client.Signers))
}

// requestDigest returns the hash of the signed text, which is the hex of a hash.
func requestDigest(body []byte) []byte {
	inner := sha512.Sum512(body)
	outer := sha512.Sum512([]byte(hex.EncodeToString(inner[:])))
	return outer[:]
}

// RequestTime checks the requestTime of a signed request (RFC 3339). Where the client's registration is strict it is required and must be of
// the last five minutes, since a request without one could be recorded and sent
// again once its signature is forgotten; elsewhere it must be no older than used
// signatures are remembered.
func RequestTime(k *exchange.AuthKeys, text string, now time.Time) error {
	if text == "" {
		if k.Strict {
			return &exchange.Error{Reason: exchange.ReasonParameterMissing, Description: "requestTime is missing"}
		}
		return nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return &exchange.Error{Reason: exchange.ReasonParameterInvalid, Description: "requestTime is not a time as in RFC 3339"}
	}
	oldest := oldestRequest
	if k.Strict {
		oldest = requestAge
	}
	if age := now.Sub(at); age > oldest || age < -requestSkew {
		return exchange.Refuse(exchange.ReasonRequestExpired, errors.New("requestTime is "+age.Round(time.Second).String()+" ago"))
	}
	return nil
}
