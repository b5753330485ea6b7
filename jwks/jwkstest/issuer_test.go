package jwkstest

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// get returns the status and body of an issuer's path.
func get(t *testing.T, url string) (int, []byte) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}

// go-jose verifies the tokens with the served keys.
func TestSign(t *testing.T) {
	for _, alg := range []string{"RS256", "RS512", "PS256", "PS384", "ES256", "ES384", "ES512", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			i := New(t, WithAlg(alg))
			token := i.Sign(i.Claims("alice", "app"))
			_, body := get(t, i.URL+JWKSPath)
			var set jose.JSONWebKeySet
			if err := json.Unmarshal(body, &set); err != nil {
				t.Fatal(err)
			}
			jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := jws.Verify(set.Key(i.KID())[0]); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestSignHMAC(t *testing.T) {
	secret := []byte("0123456789abcdef0123456789abcdef")
	jws, err := jose.ParseSignedCompact(SignHMAC("HS256", secret, map[string]any{"sub": "a"}), []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jws.Verify(secret); err != nil {
		t.Fatal(err)
	}
}

func TestRotateAndWithdraw(t *testing.T) {
	i := New(t)
	first := i.KID()
	second := i.Rotate()
	if i.KID() != second || first == second {
		t.Fatalf("after rotating %q signs, want the new key %q", i.KID(), second)
	}
	i.Withdraw(first)
	_, body := get(t, i.URL+JWKSPath)
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(body, &set); err != nil {
		t.Fatal(err)
	}
	if len(set.Key(first)) != 0 || len(set.Key(second)) != 1 {
		t.Fatalf("served %s, want only %q", body, second)
	}
}

func TestFailAndRecover(t *testing.T) {
	i := New(t)
	i.Fail(http.StatusBadGateway)
	if status, _ := get(t, i.URL+DiscoveryPath); status != http.StatusBadGateway {
		t.Fatalf("status %d, want 502", status)
	}
	i.Recover()
	i.Serve(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") })
	if _, body := get(t, i.URL+JWKSPath); string(body) != "<html>" {
		t.Fatalf("body %q, want that of Serve", body)
	}
	i.Recover()
	if status, _ := get(t, i.URL+CertificatesPath); status != http.StatusOK {
		t.Fatalf("status %d, want 200", status)
	}
	if i.Fetches() != 2 || i.Discoveries() != 1 {
		t.Fatalf("%d fetches and %d discoveries, want 2 and 1", i.Fetches(), i.Discoveries())
	}
}
