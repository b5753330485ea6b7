package keylogin

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

const (
	maxCodes    = 5 // of a login, to all addresses together
	maxAttempts = 5 // at one code
)

// mailCode is the current code of a login.
type mailCode struct {
	Secret  []byte    `json:"secret"`  // hash of the random part of its ID
	Address string    `json:"address"` // canonical
	MAC     string    `json:"mac"`     // of the code
	Expires time.Time `json:"expires"`
	Tries   int       `json:"tries,omitempty"`
}

// Code is a new code to be mailed.
type Code struct {
	ID          string // emailId
	Code        string
	Address     string    // canonical
	Expires     time.Time // of the code
	ResendAfter time.Time // when the next code may be requested
	key         string    // of the login
	n           int       // which of the login's codes, from 1
	at          time.Time // as the limits have counted it
}

// NewCode makes a code for an address or, if that is empty, for the login's. It
// replaces the login's current code. The caller sends it, and calls
// [Store.CancelCode] if that fails.
func (s *Store) NewCode(ctx context.Context, client *exchange.Client, id, address string, now time.Time) (code Code, err error) {
	err = storage.Retry(ctx, commitAttempts, func() error {
		row, err := s.byID(ctx, client, id)
		if err == nil {
			code, err = s.newCode(ctx, row, address, now)
		}
		return err
	})
	return code, err
}

func (s *Store) newCode(ctx context.Context, row storage.Row[login], address string, now time.Time) (Code, error) {
	v := row.Value
	address = cmp.Or(address, v.Email)
	switch {
	case !v.Expires.After(now):
		return Code{}, expired("the request has expired")
	case address == "":
		return Code{}, &exchange.Error{Reason: exchange.ReasonParameterMissing, Description: "emailAddress is missing"}
	case v.Codes >= maxCodes:
		return Code{}, &exchange.Error{Reason: exchange.ReasonMailTooSoon, Description: "too many codes for this request; make another", Err: errors.New("the request has reached its limit of codes")}
	}
	from, err := s.requester(ctx, &v, address, now)
	if err != nil {
		return Code{}, err
	}
	counted, err := s.limits.countCode(ctx, address, from, now)
	if err != nil {
		return Code{}, err
	}
	v.Codes++
	code, secret := sixDigits(), rand.Text()
	v.Code = &mailCode{Secret: digest(secret), Address: address, MAC: s.codeMAC(row.Key, v.Codes, code), Expires: now.Add(codeLifetime).UTC()}
	if err := s.replace(ctx, row, v, counted); err != nil {
		return Code{}, err
	}
	return Code{
		ID: fmt.Sprintf("%s.%d.%s", row.Key, v.Codes, secret), Code: code, Address: address,
		Expires: v.Code.Expires, ResendAfter: now.Add(spacing).UTC(), key: row.Key, n: v.Codes, at: now,
	}, nil
}

// requester returns the login as limits count it. It reads the same for every
// address.
func (s *Store) requester(ctx context.Context, v *login, address string, now time.Time) (requester, error) {
	user, err := s.user(ctx, exchange.Namespace(exchange.TypeOTP, v.Client), address, now)
	if err != nil {
		return requester{}, err
	}
	ofKey, err := s.user(ctx, exchange.Namespace(exchange.TypeOneTimeToken, v.Client), v.Key, now)
	if err != nil {
		return requester{}, err
	}
	return requester{client: v.Client, linked: user != "", ofUser: user != "" && user == ofKey}, nil
}

// CancelCode invalidates a code that could not be sent. It does not count against
// the address's codes in an hour.
func (s *Store) CancelCode(ctx context.Context, c Code, now time.Time) error {
	return storage.Retry(ctx, commitAttempts, func() error {
		row, err := s.table.Get(ctx, c.key)
		if err != nil {
			return err
		}
		writes, err := s.limits.uncountCode(ctx, c.Address, c.at, now)
		if err != nil {
			return err
		}
		v := row.Value
		if v.Codes == c.n {
			v.Code = nil
		}
		return s.replace(ctx, row, v, writes)
	})
}

// replace commits a login's next state together with writes.
func (s *Store) replace(ctx context.Context, row storage.Row[login], next login, writes []storage.Write) error {
	change, err := s.table.Replace(row, next)
	if err != nil {
		return err
	}
	return s.engine.Commit(ctx, append(writes, change)...)
}

func sixDigits() string {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return fmt.Sprintf("%06d", n)
}

func (s *Store) codeMAC(key string, n int, code string) string {
	return s.mac("mail code", key, strconv.Itoa(n), code)
}

// CodeProof is the proof of a mailed code, and optionally of a code that another
// login for the same auth key sent to the address of the key's present user.
type CodeProof struct {
	ID, Code                 string
	PreviousID, PreviousCode string // both or neither
}

// VerifyCode validates a mailed code. The caller uses the code up, by Challenge,
// in the commit that depends on it.
func (s *Store) VerifyCode(ctx context.Context, client *exchange.Client, p CodeProof, now time.Time) (Verified, error) {
	row, err := s.attempt(ctx, client, p.ID, p.Code, now)
	if err != nil {
		return Verified{}, err
	}
	v := Verified{
		Key: row.Value.Key, Signer: row.Value.Signer, Address: row.Value.Code.Address, Challenge: challengeName(row.Key, row.Value.Codes),
	}
	if p.PreviousID == "" {
		return v, nil
	}
	previous, err := s.attempt(ctx, client, p.PreviousID, p.PreviousCode, now)
	if err != nil {
		return Verified{}, err
	}
	if previous.Key == row.Key || previous.Value.Key != row.Value.Key {
		return Verified{}, invalid("the previous code is not of another request for the same auth key")
	}
	v.Challenge += "/" + challengeName(previous.Key, previous.Value.Codes)
	v.RelinkFrom, err = s.user(ctx, exchange.Namespace(exchange.TypeOTP, client.ID), previous.Value.Code.Address, now)
	if err != nil {
		return Verified{}, err
	}
	return v, nil
}

// attempt counts an attempt before it compares the code: of concurrent attempts
// no more are compared than counted.
func (s *Store) attempt(ctx context.Context, client *exchange.Client, id, code string, now time.Time) (row storage.Row[login], err error) {
	err = storage.Retry(ctx, commitAttempts, func() error {
		row, err = s.byCodeID(ctx, client, id)
		if err != nil {
			return err
		}
		return s.countAttempt(ctx, row, now)
	})
	if err != nil {
		return row, err
	}
	if v := &row.Value; !equal([]byte(v.Code.MAC), []byte(s.codeMAC(row.Key, v.Codes, code))) {
		return row, exchange.Refuse(exchange.ReasonCodeWrong, fmt.Errorf("attempt %d of %d", v.Code.Tries+1, maxAttempts))
	}
	return row, nil
}

// byCodeID reads the login whose current code has an ID.
func (s *Store) byCodeID(ctx context.Context, client *exchange.Client, id string) (storage.Row[login], error) {
	key, rest, _ := strings.Cut(id, ".")
	n, secret, _ := strings.Cut(rest, ".")
	row, err := s.read(ctx, client, key)
	if err != nil {
		return row, err
	}
	if v := &row.Value; v.Code == nil || strconv.Itoa(v.Codes) != n || !equal(v.Code.Secret, digest(secret)) {
		return row, invalid("the e-mail ID is not that of the request's current code")
	}
	return row, nil
}

func (s *Store) countAttempt(ctx context.Context, row storage.Row[login], now time.Time) error {
	v, code := row.Value, *row.Value.Code
	if !code.Expires.After(now) || code.Tries >= maxAttempts {
		return invalid("the code has expired, or was attempted too often")
	}
	code.Tries++
	v.Code = &code
	return s.replace(ctx, row, v, nil)
}

// Verified is the result of verifying a one-time token or a mailed code.
type Verified struct {
	Key       string // subject of the auth key
	Signer    string // exchange.KeyID of the key that signed the request
	Address   string // canonical; only of a code
	Challenge string // the challenge to use up
	// RelinkFrom is the user whose code was verified too, so that the auth key may
	// be moved from this user.
	RelinkFrom string
}

// VerifyToken validates a login's one-time token and, if the login has a code
// challenge, the code_verifier (RFC 7636 §4.6). A verifier without a code
// challenge is refused, since its sender relies on it. The caller uses the token
// up, by Challenge, in the commit that depends on it.
func (s *Store) VerifyToken(ctx context.Context, client *exchange.Client, id, token, verifier string, now time.Time) (Verified, error) {
	row, err := s.byID(ctx, client, id)
	if err != nil {
		return Verified{}, err
	}
	switch v := &row.Value; {
	case !v.Expires.After(now):
		return Verified{}, expired("the request has expired")
	case !equal(v.Token, digest(token)):
		return Verified{}, invalid("the token is not that of the request, or was used")
	case !verifies(verifier, v.CodeChallenge):
		return Verified{}, invalid("the code_verifier does not match the request's code challenge")
	}
	return Verified{Key: row.Value.Key, Signer: row.Value.Signer, Challenge: challengeName(row.Key, 0)}, nil
}

// verifies compares a code_verifier with a code challenge of method S256.
func verifies(verifier, challenge string) bool {
	if challenge == "" || verifier == "" {
		return challenge == verifier
	}
	return equal([]byte(base64.RawURLEncoding.EncodeToString(digest(verifier))), []byte(challenge))
}
