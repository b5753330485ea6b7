package subject

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/jwks"
)

var signingKeys = sync.OnceValue(func() [3]*rsa.PrivateKey {
	var keys [3]*rsa.PrivateKey
	for i := range keys {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys[i] = key
	}
	return keys
})

// partner is a client whose requests the keys sign.
func partner(t testing.TB, keys ...*rsa.PrivateKey) *exchange.CompiledClient {
	t.Helper()
	text := ""
	for _, key := range keys {
		der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		text += string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	client, problems := CompileClient(jwks.Options{})(exchange.Client{ID: "partner", AuthKeys: &exchange.AuthKeys{SigningKeys: text}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return client
}

// signPSS signs as a partner does.
func signPSS(t testing.TB, key *rsa.PrivateKey, body string, salt int, message func(string) string) []byte {
	t.Helper()
	digest := sha512.Sum512([]byte(message(body)))
	signature, err := rsa.SignPSS(rand.Reader, key, crypto.SHA512, digest[:], &rsa.PSSOptions{SaltLength: salt})
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

func hexOfHash(body string) string {
	sum := sha512.Sum512([]byte(body))
	return hex.EncodeToString(sum[:])
}

func TestRequestSignatureHasOneForm(t *testing.T) {
	const body = `{"partnerUserId":"k"}` + "\n"
	keys := signingKeys()
	client := partner(t, keys[0], keys[1])
	good := signPSS(t, keys[0], body, 64, hexOfHash)
	pkcs, err := rsa.SignPKCS1v15(rand.Reader, keys[0], crypto.SHA512, requestDigest([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	bigger := new(big.Int).Add(new(big.Int).SetBytes(good), keys[0].N) // the same number to RSA, were it taken
	var twin []byte
	if bigger.BitLen() <= 2048 {
		twin = bigger.FillBytes(make([]byte, 256))
	} else {
		twin = append([]byte{0}, good...)
	}
	b64 := base64.StdEncoding.EncodeToString
	for _, row := range []struct {
		name, body, signature string
		client                *exchange.CompiledClient
		signer                *rsa.PrivateKey // nil: refused
	}{
		{"good", body, b64(good), client, keys[0]},
		{"by the second key", body, b64(signPSS(t, keys[1], body, 64, hexOfHash)), client, keys[1]},
		{"by another's key", body, b64(signPSS(t, keys[2], body, 64, hexOfHash)), client, nil},
		{"of another client", body, b64(good), partner(t, keys[2]), nil},
		{"no such client", body, b64(good), nil, nil},
		{"a client without keys", body, b64(good), &exchange.CompiledClient{Client: &exchange.Client{}}, nil},
		{"another body", strings.Replace(body, "k", "l", 1), b64(good), client, nil},
		{"the body without its line break", strings.TrimSpace(body), b64(good), client, nil},
		{"over the body itself", body, b64(signPSS(t, keys[0], body, 64, func(s string) string { return s })), client, nil},
		{"over the hash in capitals", body, b64(signPSS(t, keys[0], body, 64, func(s string) string { return strings.ToUpper(hexOfHash(s)) })), client, nil},
		{"with a salt of 32", body, b64(signPSS(t, keys[0], body, 32, hexOfHash)), client, nil},
		{"with the longest salt", body, b64(signPSS(t, keys[0], body, rsa.PSSSaltLengthAuto, hexOfHash)), client, nil},
		{"PKCS #1 v1.5", body, b64(pkcs), client, nil},
		{"a second spelling of the number", body, b64(twin), client, nil},
		{"a byte more", body, b64(append([]byte{0}, good...)), client, nil},
		{"base64url", body, base64.URLEncoding.EncodeToString(good) + "-", client, nil},
		{"without padding", body, strings.TrimRight(b64(good), "="), client, nil},
		{"with a line break", body, b64(good)[:76] + "\r\n" + b64(good)[76:], client, nil},
		{"hexadecimal", body, hex.EncodeToString(good), client, nil},
		{"nothing", body, "", client, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			signer, signature, err := RequestSignature(row.client, []byte(row.body), row.signature)
			if row.signer == nil {
				if err == nil || exchange.AsError(err).Reason != exchange.ReasonRequestSignatureInvalid || signer != "" || signature != nil {
					t.Errorf("got %s, %v", signer, err)
				}
				return
			}
			if err != nil || signer != exchange.KeyID(&row.signer.PublicKey) || len(signature) != 256 {
				t.Errorf("got %s, %v", signer, err)
			}
		})
	}
}

// What is accepted is the signature that was made, in its one spelling.
func FuzzRequestSignature(f *testing.F) {
	const body = `{"partnerUserId":"k"}`
	client, problems := CompileClient(jwks.Options{})(exchange.Client{ID: "partner", AuthKeys: &exchange.AuthKeys{SigningKeys: fuzzSigner}})
	if len(problems) > 0 {
		f.Fatal(problems)
	}
	good := fuzzSignature
	if _, _, err := RequestSignature(client, []byte(body), good); err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{good, good + "\n", strings.TrimRight(good, "="), good[:len(good)-2] + "B=", " " + good} {
		f.Add(body, s)
	}
	f.Fuzz(func(t *testing.T, text, signature string) {
		signer, _, err := RequestSignature(client, []byte(text), signature)
		if (err == nil) != (signer != "") {
			t.Errorf("signer %q with %v", signer, err)
		}
		if err == nil && (text != body || signature != good) {
			t.Errorf("accepted %q for %q", signature, text)
		}
	})
}

func TestRequestTimeIsBounded(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const missing, invalid, expired = exchange.ReasonParameterMissing, exchange.ReasonParameterInvalid, exchange.ReasonRequestExpired
	for _, row := range []struct {
		name, text    string
		loose, strict exchange.Reason
	}{
		{"now", "2026-03-01T12:00:00Z", "", ""},
		{"now, elsewhere", "2026-03-01T14:00:00.123+02:00", "", ""},
		{"none", "", "", missing},
		{"five minutes ago", "2026-03-01T11:55:00Z", "", ""},
		{"longer ago", "2026-03-01T11:54:59Z", "", expired},
		{"a day ago, less the skew", "2026-02-28T12:01:00Z", "", expired},
		{"before what is remembered", "2026-02-28T12:00:59Z", expired, expired},
		{"a minute ahead", "2026-03-01T12:01:00Z", "", ""},
		{"further ahead", "2026-03-01T12:01:01Z", expired, expired},
		{"seconds of Unix time", "1772366400", invalid, invalid},
		{"without an offset", "2026-03-01T12:00:00", invalid, invalid},
		{"with more behind it", "2026-03-01T12:00:00Z ", invalid, invalid},
	} {
		t.Run(row.name, func(t *testing.T) {
			for strict, want := range map[bool]exchange.Reason{false: row.loose, true: row.strict} {
				err := RequestTime(&exchange.AuthKeys{Strict: strict}, row.text, at)
				if (err == nil) != (want == "") || err != nil && exchange.AsError(err).Reason != want {
					t.Errorf("strict %v: %v", strict, err)
				}
			}
		})
	}
}

// fuzzSigner is fixed, since fuzzing runs in several processes, and
// fuzzSignature is one that openssl made with it.
const (
	fuzzSigner = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAkXzpFxdOotJH0YyUKwYh
KEJQQaAkibXz9ItIel0HMLlSTmbnPpbnJNuWGGRTTxOkp/sP/RROotGzQLxg+2CU
u19cYfprZvel/QF+wliFJ6i4dF6esXylC9cLHubCn1h+pphAxCW6uJhawpGzmwE+
wNIQ6mLYH9//VINk292nrtbZykNjDcv0sopbGepy90xud31cRGBJYMeCSLO1Pcl2
rlNAMqlmMPPRReXtfWuEyZthbihNPJzK/ZKcIEtiJcpinUrtmciNHq4z1hOGxBpk
QEpjseFFD6Sh9MO8WYmN3ASaNcuzrS7wWgPKHBNQBJvb6G/xTdBbhDvWaFRvsWV/
PQIDAQAB
-----END PUBLIC KEY-----
`
	fuzzSignature = "CNcv8/rLv4B6dvsOit1bhRVgp4hMw753cTZmUA0JY2OtnNYi/pZxVwlTtZUQ9okEzefQjzzYKOwJvNZVbhFfns6gmZrcOsbH3vP2nOyvLTJc5ekKEJt1uGeyNlZ1XQ7nCKYiaDRjcBza6VZtHkMGXmt+iUYuS5blle2ZdpXxXhXpnrQy2g4c4lQOQFRFsosySbg4XK6hWbJDGkprh5FkU3e2vEdaFQRVrbOvNOly9N52H+lPlCue1o0Bc1fRqwY3Qlk7xv+ozcNg9tVWQ8SmTBpg8rSntJ1wltMfgFDABcl46vpF7M7w/9wIObbyMbdmJgAkDaa6l8xudodxgat5ng=="
)
