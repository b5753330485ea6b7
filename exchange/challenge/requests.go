package challenge

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// Lifetimes of what a request for a login by key hands out.
const (
	requestLife = 15 * time.Minute // of the request and its one-time token
	codeLife    = 10 * time.Minute
)

// signatureMemory is for how long, at least, the signature of a request counts
// as used.
const signatureMemory = 24 * time.Hour

// RequestsConfig is what Requests need. All fields are required.
type RequestsConfig struct {
	// RecordKey makes the MAC of each record, at least 32 bytes.
	RecordKey []byte
	// Secret makes the MACs that are kept of auth keys, mail codes and
	// addresses, at least 32 bytes. Under another one nobody's key is known.
	Secret []byte
	// Replays remembers the signatures of requests.
	Replays *Replays
	// Users says who the user of an auth key or an address is.
	Users users
}

// users is what Requests need of the registry.
type users interface {
	Resolve(ctx context.Context, s *exchange.Subject, create bool, now time.Time) (exchange.User, bool, []storage.Write, error)
}

// Requests are the logins by auth key that clients asked for, each one record:
// whose key it is, the one-time token, if any, and the current mail code. Its
// methods are safe for concurrent use.
type Requests struct {
	engine storage.Engine
	table  storage.Table[request]
	mails  mails
	cfg    RequestsConfig
}

// request is a record. What it hands out is kept as a hash, what can be guessed
// as a MAC.
type request struct {
	Client  string    `json:"client"`
	Secret  []byte    `json:"secret"`          // hash of the random part of its ID
	Key     string    `json:"key"`             // the auth key's subject
	Signer  string    `json:"signer"`          // the key that signed the request
	Email   string    `json:"email,omitempty"` // canonical, said by the client
	Expires time.Time `json:"expires"`
	// Token is the hash of the one-time token until it is spent, and
	// CodeChallenge what its code_verifier must hash to (RFC 7636 §4.6).
	Token         []byte `json:"token,omitempty"`
	CodeChallenge string `json:"codeChallenge,omitempty"`
	// Codes is how many codes were made. Code is the current one until it is
	// spent.
	Codes int       `json:"codes,omitempty"`
	Code  *mailCode `json:"code,omitempty"`
}

// NewRequests keeps records in e.
func NewRequests(e storage.Engine, cfg RequestsConfig) *Requests {
	r := &Requests{engine: e, table: storage.NewTable[request](e, "key_requests", cfg.RecordKey), cfg: cfg}
	r.mails = mails{table: storage.NewTable[hour](e, "mail_limits", cfg.RecordKey), name: func(address string) string { return r.mac("address", address) }}
	return r
}

// Requested is what a client asks for. It has been authenticated by the signature.
type Ask struct {
	Client *exchange.Client
	Key    string // the auth key
	// Passwordless asks for a one-time token, if the key is linked.
	Passwordless  bool
	Email         string // canonical, may be empty
	CodeChallenge string // S256 (RFC 7636 §4.2), may be empty
	Signer        string // exchange.KeyID of who signed
	Signature     []byte
	// Spent says that SpendSignature has spent the signature already.
	Spent bool
}

// Opened is a request that was opened.
type Opened struct {
	ID      string
	Subject string // of the auth key
	Expires time.Time
	Token   string // a one-time token; empty: prove an address first
}

// Open opens a request and spends its signature in the same commit. A signature
// that was spent before is refused as exchange.ReasonRequestReplayed.
//
// What is remembered is the signature itself. RSASSA-PSS is strongly
// unforgeable, and a signature has one spelling once its base64 is undone:
// without the private key nobody makes another one over the same bytes. So a
// request that was overheard is of no use, while its client may well ask for
// the same thing twice a day in the same words. Clients that share a key share
// what is remembered: the signature does not say for which of them it was made.
func (r *Requests) Open(ctx context.Context, a Ask, now time.Time) (Opened, error) {
	id, secret := storage.NewID(now), newSecret(16)
	rec := request{
		Client: a.Client.ID, Secret: digest([]byte(secret)), Key: r.Subject(a.Client.ID, a.Key), Signer: a.Signer,
		Email: a.Email, Expires: now.Add(requestLife).UTC(), CodeChallenge: a.CodeChallenge,
	}
	out := Opened{ID: id + "." + secret, Subject: rec.Key, Expires: rec.Expires}
	if a.Passwordless && a.Client.MayPresent(exchange.TypeOneTimeToken) {
		user, err := r.user(ctx, exchange.Namespace(exchange.TypeOneTimeToken, a.Client.ID), rec.Key, now)
		if err != nil {
			return Opened{}, err
		}
		if user != "" {
			out.Token = "ott_" + newSecret(32)
			rec.Token = digest([]byte(out.Token))
		}
	}
	if err := r.open(ctx, a, id, rec, now); err != nil {
		return Opened{}, err
	}
	return out, nil
}

func (r *Requests) open(ctx context.Context, a Ask, id string, rec request, now time.Time) error {
	writes, err := r.signature(ctx, a, now)
	if err == nil {
		var insert storage.Write
		if insert, err = r.table.Insert(id, rec); err == nil {
			err = r.engine.Commit(ctx, append(writes, insert)...)
		}
	}
	return asOpening(err)
}

// SpendSignature spends the signature in a commit of its own, for those who want
// to know that it was fresh before they ask whether anything is to be opened.
func (r *Requests) SpendSignature(ctx context.Context, a Ask, now time.Time) error {
	writes, err := r.signature(ctx, a, now)
	if err == nil {
		err = r.engine.Commit(ctx, writes...)
	}
	return asOpening(err)
}

// signature are the writes that spend the signature, if it is not spent.
func (r *Requests) signature(ctx context.Context, a Ask, now time.Time) ([]storage.Write, error) {
	if a.Spent {
		return nil, nil
	}
	return r.cfg.Replays.OnceFor(ctx, "request signature", hash(a.Signer, string(a.Signature)), signatureMemory, now)
}

// asOpening is err as the refusal of a request to open.
func asOpening(err error) error {
	if refused, ok := errors.AsType[*exchange.Error](err); ok && refused.Reason == exchange.ReasonSubjectTokenReplayed || errors.Is(err, storage.ErrConflict) {
		return exchange.Refuse(exchange.ReasonRequestReplayed, errors.New("the signature was used before"))
	}
	return unavailable("opening a request", err)
}

// Subject is what the user of an auth key is called in the client's namespace
// exchange.Namespace(exchange.TypeOneTimeToken, client): a MAC of the key, which
// itself is kept nowhere.
func (r *Requests) Subject(client, key string) string { return r.mac("auth key", client, key) }

// user is the user of an identity, empty if it has none that may come in.
func (r *Requests) user(ctx context.Context, namespace, id string, now time.Time) (string, error) {
	user, _, _, err := r.cfg.Users.Resolve(ctx, &exchange.Subject{Issuer: namespace, ID: id}, false, now)
	refused, ok := errors.AsType[*exchange.Error](err)
	if ok && (refused.Reason == exchange.ReasonUserNotRegistered || refused.Reason == exchange.ReasonUserDisabled) {
		return "", nil
	}
	return user.ID, unavailable("looking for a user", err)
}

// read finds the request of an ID, if the client's own and signed by a key that
// is registered still.
func (r *Requests) read(ctx context.Context, client *exchange.Client, id, secret string, want func(*request) []byte) (storage.Row[request], error) {
	row, err := r.table.Get(ctx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return row, unproven("there is no such request")
	}
	if err != nil {
		return row, unavailable("reading a request", err)
	}
	switch v := &row.Value; {
	case v.Client != client.ID:
		return row, unproven("the request is of client %s", v.Client)
	case !same(want(v), digest([]byte(secret))):
		return row, unproven("the random part is wrong")
	case client.AuthKeys == nil || !client.AuthKeys.Has(v.Signer):
		return row, unproven("the key %s that signed the request is not registered any more", v.Signer)
	}
	return row, nil
}

// Sweep forgets what came to nothing a while ago, in commits of at most batch
// records.
func (r *Requests) Sweep(ctx context.Context, now time.Time, batch int) (int, error) {
	born := storage.NewID(now.Add(-requestLife - codeLife - Retention))
	n, err := r.table.Sweep(ctx, born, batch)
	if err != nil {
		return n, err
	}
	m, err := r.mails.table.Sweep(ctx, stamp(now.Add(-2*window-Retention)), batch)
	return n + m, err
}

// mac is of length-prefixed parts, so that no two lists share one.
func (r *Requests) mac(parts ...string) string {
	h := hmac.New(sha256.New, r.cfg.Secret)
	for _, part := range parts {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(part)))
		h.Write(n[:])
		h.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func newSecret(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// same compares hashes. Nothing is the same as what is not there.
func same(a, b []byte) bool { return len(a) > 0 && subtle.ConstantTimeCompare(a, b) == 1 }

// split takes the parts of an ID that was handed out: that of the record, and
// after it those that the number of dots asks for.
func split(id string) (record string, rest []string, ok bool) {
	record, secret, ok := strings.Cut(id, ".")
	return record, strings.Split(secret, "."), ok && len(record) == storage.IDSize
}

func unproven(format string, args ...any) error {
	return exchange.Refuse(exchange.ReasonChallengeInvalid, fmt.Errorf(format, args...))
}

// unavailable says what was being done. A store that takes nothing at the moment
// has a reason of its own.
func unavailable(doing string, err error) error {
	switch _, refused := errors.AsType[*exchange.Error](err); {
	case err == nil, refused:
		return err
	case storage.Unavailable(err):
		return exchange.Refuse(exchange.ReasonStoreUnavailable, fmt.Errorf("%s: %w", doing, err))
	}
	return fmt.Errorf("%s: %w", doing, err)
}
