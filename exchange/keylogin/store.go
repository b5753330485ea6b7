// Package keylogin keeps the logins that clients open for their users' auth
// keys. A signed request of the client opens a login. A one-time token, for a
// key that is linked to a user, or a code mailed to an address completes it.
// Codes and attempts are limited for each mailbox.
//
// Secrets that are issued are stored as hashes, or as MACs where they can be
// guessed. They are used up in the commit that depends on them, so of concurrent
// uses exactly one commits.
package keylogin

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/exchange/replay"
	"cambio/storage"
)

const (
	loginLifetime = 15 * time.Minute // of a login and its one-time token
	codeLifetime  = 10 * time.Minute
	// signatureMemory is how long a used signature is remembered at least.
	signatureMemory = 24 * time.Hour
	commitAttempts  = 16 // at a change that conflicts with others
)

// Config configures a [Store]. All fields are required.
type Config struct {
	// RecordKey makes the MAC of each record, at least 32 bytes.
	RecordKey []byte
	// Secret makes the MACs of auth keys, mailed codes and addresses, at least 32
	// bytes. With another Secret no auth key is linked to a user any more.
	Secret []byte
	// Replays remembers the signatures of requests.
	Replays *replay.Store
	// Users resolves auth keys and addresses to users.
	Users users
}

type users interface {
	Resolve(ctx context.Context, s *exchange.Subject, create bool, now time.Time) (exchange.User, bool, []storage.Write, error)
}

// Store keeps logins. Its methods are safe for concurrent use.
type Store struct {
	engine storage.Engine
	table  storage.Table[login]
	limits limits
	cfg    Config
}

// login is a record.
type login struct {
	Client  string    `json:"client"`
	Secret  []byte    `json:"secret"`          // hash of the random part of its ID
	Key     string    `json:"key"`             // the auth key's subject
	Signer  string    `json:"signer"`          // exchange.KeyID of the key that signed the request
	Email   string    `json:"email,omitempty"` // canonical, from the client
	Expires time.Time `json:"expires"`
	// Token is the hash of the one-time token until it is used, CodeChallenge the
	// expected hash of its code_verifier (RFC 7636 §4.6).
	Token         []byte `json:"token,omitempty"`
	CodeChallenge string `json:"codeChallenge,omitempty"`
	// Codes is the number of codes so far, Code the current one until it is used.
	Codes int       `json:"codes,omitempty"`
	Code  *mailCode `json:"code,omitempty"`
}

// New returns a Store in e.
func New(e storage.Engine, cfg Config) *Store {
	s := &Store{engine: e, table: storage.NewTable[login](e, "key_requests", cfg.RecordKey), cfg: cfg}
	s.limits.table = storage.NewTable[hour](e, "mail_limits", cfg.RecordKey)
	s.limits.name = func(address string) string { return s.mac("address", address) }
	return s
}

// Request is a client's request to open a login, authenticated by its signature.
type Request struct {
	Client *exchange.Client
	Key    string // the auth key
	// Passwordless requests a one-time token, if the key is linked to a user.
	Passwordless  bool
	Email         string // canonical, may be empty
	CodeChallenge string // S256 (RFC 7636 §4.2), may be empty
	Signer        string // exchange.KeyID of the key that signed the request
	Signature     []byte
	// SignatureSpent means that SpendSignature has recorded the signature.
	SignatureSpent bool
}

// Login is an open login.
type Login struct {
	ID      string
	Subject string // of the auth key
	Expires time.Time
	Token   string // a one-time token, or empty if an address must be verified
}

// Open opens a login and records the use of the request's signature in the same
// commit. A signature that was used before is refused as
// exchange.ReasonRequestReplayed.
//
// What is remembered is the signature itself. RSASSA-PSS is strongly unforgeable
// and a decoded signature has one spelling, so another signature over the same
// bytes cannot be made without the private key. A recorded request is therefore
// useless to an eavesdropper, while its client may repeat it with a new
// signature. Clients that share a key share the memory of it, since the
// signature does not tell for which of them it was made.
func (s *Store) Open(ctx context.Context, req Request, now time.Time) (Login, error) {
	key, secret := storage.NewID(now), rand.Text()
	record := login{
		Client: req.Client.ID, Secret: digest(secret), Key: s.Subject(req.Client.ID, req.Key), Signer: req.Signer,
		Email: req.Email, Expires: now.Add(loginLifetime).UTC(), CodeChallenge: req.CodeChallenge,
	}
	out := Login{ID: key + "." + secret, Subject: record.Key, Expires: record.Expires}
	if req.Passwordless && req.Client.MayPresent(exchange.TypeOneTimeToken) {
		user, err := s.user(ctx, exchange.Namespace(exchange.TypeOneTimeToken, req.Client.ID), record.Key, now)
		if err != nil {
			return Login{}, err
		}
		if user != "" {
			out.Token = "ott_" + rand.Text() + rand.Text()
			record.Token = digest(out.Token)
		}
	}
	insert, err := s.table.Insert(key, record)
	if err == nil {
		err = s.commitSigned(ctx, req, now, insert)
	}
	if err != nil {
		return Login{}, err
	}
	return out, nil
}

// SpendSignature records the use of the signature in a commit of its own, for
// callers that must know that it is fresh before they decide whether to open
// anything.
func (s *Store) SpendSignature(ctx context.Context, req Request, now time.Time) error {
	return s.commitSigned(ctx, req, now)
}

// commitSigned commits writes together with the use of the request's signature.
func (s *Store) commitSigned(ctx context.Context, req Request, now time.Time, writes ...storage.Write) error {
	if !req.SignatureSpent {
		id := base64.RawURLEncoding.EncodeToString(digest(string(exchange.LengthPrefixed(req.Signer, string(req.Signature)))))
		use, err := s.cfg.Replays.Once(ctx, "request signature", id, now.Add(signatureMemory), now)
		if err != nil && exchange.AsError(err).Reason == exchange.ReasonSubjectTokenReplayed {
			return exchange.Refuse(exchange.ReasonRequestReplayed, err)
		}
		if err != nil {
			return err
		}
		writes = append(writes, use...)
	}
	err := s.engine.Commit(ctx, writes...)
	if errors.Is(err, storage.ErrConflict) {
		return exchange.Refuse(exchange.ReasonRequestReplayed, errors.New("request signature: used concurrently"))
	}
	return err
}

// Subject returns the subject of an auth key in the namespace
// exchange.Namespace(exchange.TypeOneTimeToken, client): a MAC of the key, which
// itself is not stored.
func (s *Store) Subject(client, key string) string { return s.mac("auth key", client, key) }

// user returns the ID of an identity's user, or "" if there is none that may log
// in.
func (s *Store) user(ctx context.Context, namespace, id string, now time.Time) (string, error) {
	user, _, _, err := s.cfg.Users.Resolve(ctx, &exchange.Subject{Issuer: namespace, ID: id}, false, now)
	if err == nil {
		return user.ID, nil
	}
	if r := exchange.AsError(err).Reason; r == exchange.ReasonUserNotRegistered || r == exchange.ReasonUserDisabled {
		return "", nil
	}
	return "", err
}

// byID reads the login of an ID.
func (s *Store) byID(ctx context.Context, client *exchange.Client, id string) (storage.Row[login], error) {
	key, secret, _ := strings.Cut(id, ".")
	row, err := s.read(ctx, client, key)
	if err == nil && !equal(row.Value.Secret, digest(secret)) {
		err = invalid("the random part of the request ID is wrong")
	}
	return row, err
}

// read reads a login of the client, whose signing key must still be registered.
func (s *Store) read(ctx context.Context, client *exchange.Client, key string) (storage.Row[login], error) {
	if len(key) != storage.IDSize {
		return storage.Row[login]{}, invalid("malformed request ID")
	}
	row, err := s.table.Get(ctx, key)
	switch v := &row.Value; {
	case errors.Is(err, storage.ErrNotFound):
		return row, invalid("unknown request ID")
	case err != nil:
		return row, err
	case v.Client != client.ID:
		return row, invalid("the request belongs to client %s", v.Client)
	case client.AuthKeys == nil || !client.AuthKeys.Has(v.Signer):
		return row, invalid("the key %s that signed the request is no longer registered", v.Signer)
	}
	return row, nil
}

// Kind is the kind of the challenges of a Store among [replay.Spenders].
const Kind = "request"

// challengeName names the nth code of a login, or its one-time token if n is 0.
func challengeName(key string, n int) string {
	return Kind + "/" + key + "/" + strconv.Itoa(n)
}

// Spend implements [replay.Spender] for the challenges of a [Verified]:
// <key>/<n>, or two of them, the second one with its kind.
func (s *Store) Spend(ctx context.Context, name string, now time.Time) ([]storage.Write, error) {
	var writes []storage.Write
	for one := range strings.SplitSeq(name, "/"+Kind+"/") {
		w, err := s.spend(ctx, one, now)
		if err != nil {
			return nil, err
		}
		writes = append(writes, w)
	}
	return writes, nil
}

func (s *Store) spend(ctx context.Context, name string, now time.Time) (storage.Write, error) {
	key, n, _ := strings.Cut(name, "/")
	row, err := s.table.Get(ctx, key)
	if errors.Is(err, storage.ErrNotFound) {
		return storage.Write{}, invalid("unknown request")
	}
	if err != nil {
		return storage.Write{}, err
	}
	v := row.Value
	token := n == "0" && v.Token != nil && v.Expires.After(now)
	code := v.Code != nil && n == strconv.Itoa(v.Codes) && v.Code.Expires.After(now)
	if !token && !code {
		return storage.Write{}, invalid("the token or code was used or replaced, or has expired")
	}
	v.Token, v.Code = nil, nil
	return s.table.Replace(row, v)
}

// Sweep deletes expired logins and mailbox limits, in commits of at most batch
// records, and returns their number.
func (s *Store) Sweep(ctx context.Context, now time.Time, batch int) (int, error) {
	n, err := s.table.Sweep(ctx, storage.NewID(now.Add(-loginLifetime-codeLifetime-replay.Retention)), batch)
	if err != nil {
		return n, err
	}
	m, err := s.limits.table.Sweep(ctx, storage.TimePrefix(now.Add(-2*window-replay.Retention)), batch)
	return n + m, err
}

func (s *Store) mac(parts ...string) string {
	h := hmac.New(sha256.New, s.cfg.Secret)
	h.Write(exchange.LengthPrefixed(parts...))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func digest(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// equal compares hashes. An empty hash never matches.
func equal(a, b []byte) bool { return len(a) > 0 && subtle.ConstantTimeCompare(a, b) == 1 }

// expired refuses the proof of a request whose ID was right.
func expired(why string) error {
	return exchange.Refuse(exchange.ReasonChallengeInvalid, exchange.Refuse(exchange.ReasonRequestExpired, errors.New(why)))
}

func invalid(format string, args ...any) error {
	return exchange.Refuse(exchange.ReasonChallengeInvalid, fmt.Errorf(format, args...))
}
