// Package walletlogin keeps client sessions, which backends open so that a wallet
// can prove one account, with the message that the wallet is asked to sign.
//
// A challenge is used up in the commit that depends on it, so of concurrent uses
// exactly one commits.
package walletlogin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/exchange/wallet"
	"cambio/storage"
)

const (
	idleLifetime      = 10 * time.Minute // of a session since its last challenge
	absoluteLifetime  = time.Hour        // of a session
	challengeLifetime = 5 * time.Minute
	retention         = 10 * time.Minute // of an expired session, since nodes' clocks differ

	maxFailures   = 3   // of one challenge
	maxChallenges = 100 // in one session
	attempts      = 16  // at a change that conflicts with others
)

// Store keeps client sessions, each with its current challenge. Its methods are
// safe for concurrent use.
type Store struct {
	engine storage.Engine
	table  storage.Table[record]
}

// New returns a Store in e whose records have a MAC by key.
func New(e storage.Engine, key []byte) *Store {
	return &Store{engine: e, table: storage.NewTable[record](e, "client_sessions", key)}
}

// OpenRequest is a backend's request to open a session. Network or Type is
// required.
type OpenRequest struct {
	SigningAddress string // of the wallet that is to sign
	DepositAddress string // for the client's own use; of the same type of wallet
	Network        string // as wallet.NamedChain takes it
	Type           string // EVM, SOLANA or XRPL
	// ExternalUserID, if any, is the client's name for the wallet's user.
	ExternalUserID string
	// Credential is the ID of the client secret that authenticated the backend.
	Credential string
}

// Session is an open client session.
type Session struct {
	// ID is a capability: its holder may start challenges. Only Open returns it.
	ID             string      `json:"-"`
	Client         string      `json:"client"`               // Client.ID
	Credential     string      `json:"credential,omitempty"` // the ID of the client secret that opened it
	Type           wallet.Type `json:"type"`
	Network        string      `json:"network,omitempty"` // CAIP-2 identifier; empty: any of the client's
	SigningAddress string      `json:"signingAddress"`
	DepositAddress string      `json:"depositAddress,omitempty"`
	ExternalUserID string      `json:"externalUserId,omitempty"`
	// Account is the subject of the first account that was proven.
	Account string    `json:"account,omitempty"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
	Expires time.Time `json:"-"`
	// Challenge is the challengeId of the current challenge, empty if there is
	// none.
	Challenge string `json:"-"`
}

// HasChallenge reports whether a challengeId is that of the current challenge.
func (s *Session) HasChallenge(challengeID string) bool {
	return challengeID != "" && equal(challengeID, s.Challenge)
}

// record is the record of a session. Its key is a UUIDv7 of its creation.
type record struct {
	Session
	Secret  []byte   `json:"secret"`              // SHA-256 of the ID's random part
	Started int      `json:"started"`             // number of challenges so far, which is the number of the last
	Current *current `json:"challenge,omitempty"` // challenge, or nil
}

func (r *record) expires() time.Time {
	return exchange.Earlier(r.Updated.Add(idleLifetime), r.Created.Add(absoluteLifetime))
}

// session returns the session of a record without its ID.
func (r *record) session(key string) Session {
	s := r.Session
	s.Expires = r.expires()
	if r.Current != nil {
		s.Challenge = key + "." + r.Current.Nonce
	}
	return s
}

// Open opens a session.
func (s *Store) Open(ctx context.Context, client *exchange.Client, req OpenRequest, now time.Time) (Session, error) {
	opened, err := req.session(client)
	if err != nil {
		return Session{}, err
	}
	opened.Created, opened.Updated = now.UTC(), now.UTC()
	key, secret := storage.NewID(now), rand.Text()
	r := record{Session: opened, Secret: digest(secret)}
	w, err := s.table.Insert(key, r)
	if err == nil {
		err = s.engine.Commit(ctx, w)
	}
	if err != nil {
		return Session{}, err
	}
	out := r.session(key)
	out.ID = key + "." + secret
	return out, nil
}

func digest(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

func equal[T string | []byte](a, b T) bool {
	return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

// session returns the requested session, if the client may open it.
func (o OpenRequest) session(client *exchange.Client) (Session, error) {
	if client.Wallets == nil || !client.MayPresent(exchange.TypeWalletSignature) {
		return Session{}, exchange.Refuse(exchange.ReasonClientNotAllowed, fmt.Errorf("client %s is not registered for wallets", client.ID))
	}
	typ, network, err := o.chain(client.Wallets)
	if err != nil {
		return Session{}, err
	}
	signing, err := address(typ, network, o.SigningAddress)
	if err != nil {
		return Session{}, invalid("signingAddress is not an address of type "+string(typ), err)
	}
	deposit := ""
	if o.DepositAddress != "" {
		if deposit, err = address(typ, "", o.DepositAddress); err != nil {
			return Session{}, invalid("depositAddress is not an address of type "+string(typ), err)
		}
	}
	if err := o.checkUser(client); err != nil {
		return Session{}, err
	}
	return Session{
		Client: client.ID, Credential: o.Credential, Type: typ, Network: network,
		SigningAddress: signing, DepositAddress: deposit, ExternalUserID: o.ExternalUserID,
	}, nil
}

// chain returns the type of wallet, and the chain if the session is restricted to
// one.
func (o OpenRequest) chain(w *exchange.Wallets) (typ wallet.Type, network string, err error) {
	typ = wallet.Type(strings.ToUpper(o.Type))
	if o.Network == "" && o.Type == "" {
		o.Network, _ = wallet.SplitAccount(o.SigningAddress)
	}
	if o.Network == "" {
		if o.Type == "" {
			return "", "", refuse(exchange.ReasonParameterMissing, "signingNetwork or signingType is missing", nil)
		}
		if _, ok := firstChain(w, typ); !ok {
			return "", "", unsupported("signingType is not one of the client's chains, which are " + strings.Join(w.Chains, " "))
		}
		return typ, "", nil
	}
	chain, err := wallet.NamedChain("", o.Network)
	if err != nil { // it may mean a chain of the type alone
		chain, err = wallet.NamedChain(typ, o.Network)
	}
	if err != nil || !accepts(w, chain) {
		return "", "", unsupported("signingNetwork is not one of the client's chains, which are " + strings.Join(w.Chains, " "))
	}
	if o.Type != "" && typ != chain.Type() {
		return "", "", invalid("signingType is not that of signingNetwork", nil)
	}
	return chain.Type(), chain.String(), nil
}

// address returns the canonical form of an address, or of a CAIP-10 identifier on
// the network or, if there is none, on any chain of the type.
func address(typ wallet.Type, network, text string) (string, error) {
	chain, address := wallet.SplitAccount(text)
	if chain == "" {
		return wallet.ParseAddress(typ, address)
	}
	if network != "" {
		chain = network
	}
	on, err := wallet.NamedChain(typ, chain)
	if err != nil {
		return "", err
	}
	return wallet.AddressOn(on, text)
}

// checkUser validates ExternalUserID. A client that asserts an issuer's users
// cannot name users here: that issuer's rules decide about them.
func (o OpenRequest) checkUser(client *exchange.Client) error {
	const maxLength = 255
	switch {
	case o.ExternalUserID == "":
		return nil
	case client.AsIssuer != "":
		return invalid("externalUserId is not accepted from a client that asserts an issuer's users", nil)
	case !exchange.Printable(o.ExternalUserID, maxLength):
		return invalid("externalUserId must be at most 255 bytes without control characters", nil)
	}
	return nil
}

// Find returns the session of an ID, unless it has expired.
func (s *Store) Find(ctx context.Context, id string, now time.Time) (Session, error) {
	row, err := s.byID(ctx, id, now)
	if err != nil {
		return Session{}, err
	}
	return row.Value.session(row.Key), nil
}

func (s *Store) byID(ctx context.Context, id string, now time.Time) (storage.Row[record], error) {
	key, secret, _ := strings.Cut(id, ".")
	if len(key) != storage.IDSize {
		return storage.Row[record]{}, invalidSession("malformed ID")
	}
	row, err := s.active(ctx, key, now)
	if err != nil {
		return row, err
	}
	if !equal(digest(secret), row.Value.Secret) {
		return storage.Row[record]{}, invalidSession("the random part of the ID is wrong")
	}
	return row, nil
}

// active reads a record that has not expired.
func (s *Store) active(ctx context.Context, key string, now time.Time) (storage.Row[record], error) {
	row, err := s.table.Get(ctx, key)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return row, invalidSession("unknown ID")
	case err != nil:
		return row, err
	case !now.Before(row.Value.expires()):
		return storage.Row[record]{}, exchange.Refuse(exchange.ReasonClientSessionInvalid,
			exchange.Refuse(exchange.ReasonSessionEnded, errors.New("client session: it has expired")))
	}
	return row, nil
}

// Sweep deletes expired sessions, in commits of at most batch records, and
// returns their number.
func (s *Store) Sweep(ctx context.Context, now time.Time, batch int) (int, error) {
	return s.table.Sweep(ctx, storage.NewID(now.Add(-absoluteLifetime-retention)), batch)
}

func invalidSession(why string) error {
	return exchange.Refuse(exchange.ReasonClientSessionInvalid, errors.New("client session: "+why))
}

func unsupported(description string) error {
	return refuse(exchange.ReasonWalletNotSupported, description, nil)
}

func invalid(description string, cause error) error {
	return refuse(exchange.ReasonParameterInvalid, description, cause)
}

// refuse returns a refusal with a description for the client. Without a cause,
// the operator gets the description too.
func refuse(reason exchange.Reason, description string, cause error) error {
	if cause == nil {
		cause = errors.New(description)
	}
	return &exchange.Error{Reason: reason, Description: description, Err: cause}
}
