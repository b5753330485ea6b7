package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"cambio/storage"
	"cambio/storage/bolt"
)

// The yardsticks are servers as a careful engineer would write them for one issuer:
// no policy, no store, no registration, no limits.
const (
	yardBare    = "bare"    // form in, JSON out: what net/http alone costs
	yardCrypto  = "crypto"  // (a): verify RS256, sign ES256, plain standard library
	yardWritten = "written" // (b): the same and one group-committed bbolt write
)

// yardstick is one hand-written server.
type yardstick struct {
	kind   string
	issuer *rsa.PublicKey
	own    *ecdsa.PrivateKey
	store  storage.Engine // nil unless it writes
}

// serveYardstick runs `cambio-bench yardstick KIND KEY DIR`.
func serveYardstick(ctx context.Context, kind, key, dir string) error {
	y := &yardstick{kind: kind}
	var err error
	if y.issuer, err = parsePublicKey(key); err != nil {
		return err
	}
	if y.own, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	if kind == yardWritten {
		engine, err := bolt.Open(filepath.Join(dir, "yardstick.db"), bolt.Options{})
		if err != nil {
			return err
		}
		defer engine.Close()
		y.store = engine
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: http.HandlerFunc(y.token), ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	fmt.Fprintf(os.Stderr, "%s%s\n", listening, l.Addr())
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func parsePublicKey(text string) (*rsa.PublicKey, error) {
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, err
	}
	public, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("the issuer's key is a %T, want RSA", key)
	}
	return public, nil
}

// response is a response of the token endpoint.
type response struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
}

func (y *yardstick) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, "form", http.StatusBadRequest)
		return
	}
	token, err := r.PostForm.Get("subject_token"), error(nil)
	if y.kind != yardBare {
		token, err = y.exchange(token)
	}
	if err == nil && y.store != nil {
		err = y.write(r.Context())
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(response{token, "Bearer", 900})
}

// write commits one record the size of a session. It uses the server's engine, which
// shares an fsync among waiting commits, as a hand-written one would.
func (y *yardstick) write(ctx context.Context) error {
	return y.store.Commit(ctx, storage.Write{Table: "sessions", Key: uuid.Must(uuid.NewV7()).String(), Value: make([]byte, 400)})
}

func (y *yardstick) exchange(token string) (string, error) {
	claims, err := y.verify(token)
	if err != nil {
		return "", err
	}
	now := time.Now().Unix()
	return y.sign(map[string]any{
		"iss": "https://yardstick", "sub": claims.Sub, "aud": "https://api", "client_id": "spa",
		"scope": "read", "jti": rand.Text(), "iat": now, "exp": now + 900,
	})
}

// verify verifies a token of the one issuer, which has one key.
func (y *yardstick) verify(token string) (claims struct {
	Iss, Sub, Aud string
	Exp           int64
}, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims, errors.New("not a compact token")
	}
	var header struct{ Alg, Kid string }
	if err := decode(parts[0], &header); err != nil || header.Alg != "RS256" {
		return claims, errors.Join(errors.New("header"), err)
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return claims, err
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(y.issuer, crypto.SHA256, sum[:], signature); err != nil {
		return claims, err
	}
	if err := decode(parts[1], &claims); err != nil {
		return claims, err
	}
	if claims.Exp < time.Now().Unix() || claims.Aud != benchAudience {
		return claims, errors.New("claims")
	}
	return claims, nil
}

func decode(segment string, into any) error {
	raw, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

func (y *yardstick) sign(claims map[string]any) (string, error) {
	header, err := json.Marshal(map[string]string{"alg": "ES256", "typ": "at+jwt", "kid": "1"})
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	input := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, y.own, sum[:])
	if err != nil {
		return "", err
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
