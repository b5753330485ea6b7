package challenge

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"cambio/exchange"
	"cambio/exchange/wallet"
	"cambio/storage"
)

// Lifetimes of client sessions and of the challenges in them.
const (
	clientSessionIdle     = 10 * time.Minute
	clientSessionAbsolute = time.Hour
	walletChallengeLife   = 5 * time.Minute
)

const (
	mostTries  = 3   // bad signatures for one challenge
	mostStarts = 100 // challenges in one client session
	// attempts is how often a commit that lost to another is decided anew.
	attempts = 16
)

// ClientSessions are what backends open so that a wallet may prove one account,
// each with the challenge that its wallet is asked to sign at the moment. Its
// methods are safe for concurrent use.
type ClientSessions struct {
	engine storage.Engine
	table  storage.Table[clientSession]
}

// NewClientSessions keeps records in e, each with a MAC by key.
func NewClientSessions(e storage.Engine, key []byte) *ClientSessions {
	return &ClientSessions{engine: e, table: storage.NewTable[clientSession](e, "client_sessions", key)}
}

// Opening is what a backend says of the session that it opens. One of Network
// and Type is needed.
type Opening struct {
	SigningAddress string // of the wallet that is to sign
	DepositAddress string // the client's own business; of the same type of wallet
	Network        string // a CAIP-2 identifier, or what the network is called
	Type           string // EVM, SOLANA or XRPL
	// ExternalUserID, if any, says whose wallet it is: one of the users that the
	// client speaks of.
	ExternalUserID string
	// Credential is the ID of the client's secret that the backend showed.
	Credential string
}

// ClientSession is an open session.
type ClientSession struct {
	// ID is the capability: whoever has it may start challenges. Only Open
	// answers it.
	ID             string
	Client         string // Client.ID
	Credential     string // the ID of the client's secret that opened it
	Type           wallet.Type
	Network        string // CAIP-2 identifier, empty where any of the client's will do
	SigningAddress string
	DepositAddress string
	ExternalUserID string
	// Account is the CAIP-10 identifier of the first account that was proven.
	Account string
	// Challenge is the challengeId of the current challenge, empty if there is
	// none.
	Challenge                 string
	Created, Updated, Expires time.Time
}

// Has says whether a challengeId is that of the session's current challenge.
func (s *ClientSession) Has(challengeID string) bool {
	return challengeID != "" && subtle.ConstantTimeCompare([]byte(challengeID), []byte(s.Challenge)) == 1
}

// clientSession is the record of a session, by a UUIDv7 of its birth.
type clientSession struct {
	Client         string      `json:"client"`
	Credential     string      `json:"credential,omitempty"`
	Secret         []byte      `json:"secret"` // SHA-256 of the ID's random part
	Type           wallet.Type `json:"type"`
	Network        string      `json:"network,omitempty"`
	SigningAddress string      `json:"signingAddress"`
	DepositAddress string      `json:"depositAddress,omitempty"`
	ExternalUserID string      `json:"externalUserId,omitempty"`
	Account        string      `json:"account,omitempty"`
	Created        time.Time   `json:"created"`
	Updated        time.Time   `json:"updated"`
	Started        int         `json:"started"` // challenges so far; the last one's number
	// Challenge is nil when there is none, or none any more.
	Challenge *walletChallenge `json:"challenge,omitempty"`
}

func (r *clientSession) expires() time.Time {
	idle, absolute := r.Updated.Add(clientSessionIdle), r.Created.Add(clientSessionAbsolute)
	if idle.Before(absolute) {
		return idle
	}
	return absolute
}

func (r *clientSession) shown(key string) ClientSession {
	s := ClientSession{
		Client: r.Client, Credential: r.Credential, Type: r.Type, Network: r.Network, SigningAddress: r.SigningAddress, DepositAddress: r.DepositAddress,
		ExternalUserID: r.ExternalUserID, Account: r.Account, Created: r.Created, Updated: r.Updated, Expires: r.expires(),
	}
	if r.Challenge != nil {
		s.Challenge = key + "." + r.Challenge.Nonce
	}
	return s
}

// Open makes a session of a client. Its errors are of type *exchange.Error.
func (s *ClientSessions) Open(ctx context.Context, client *exchange.Client, o Opening, now time.Time) (ClientSession, error) {
	record, err := o.record(client)
	if err != nil {
		return ClientSession{}, err
	}
	random := make([]byte, 32)
	rand.Read(random)
	record.Secret = digest(random)
	record.Created, record.Updated = now.UTC(), now.UTC()
	key := storage.NewID(now)
	w, err := s.table.Insert(key, record)
	if err == nil {
		err = s.engine.Commit(ctx, w)
	}
	if err != nil {
		return ClientSession{}, unstored("opening a client session", err)
	}
	shown := record.shown(key)
	shown.ID = key + "." + base64.RawURLEncoding.EncodeToString(random)
	return shown, nil
}

func digest(random []byte) []byte {
	sum := sha256.Sum256(random)
	return sum[:]
}

// record is what is kept of an opening that is fit for the client.
func (o Opening) record(client *exchange.Client) (clientSession, error) {
	var none clientSession
	if client.Wallets == nil || !client.MayPresent(exchange.TypeWalletSignature) {
		return none, exchange.Refuse(exchange.ReasonClientNotAllowed, fmt.Errorf("client %s is not registered for wallets", client.ID))
	}
	typ, network, err := o.chain(client.Wallets)
	if err != nil {
		return none, err
	}
	signing, err := wallet.ParseAddress(typ, o.SigningAddress)
	if err != nil {
		return none, invalid("signingAddress is no address of type "+string(typ), err)
	}
	deposit := ""
	if o.DepositAddress != "" {
		if deposit, err = wallet.ParseAddress(typ, o.DepositAddress); err != nil {
			return none, invalid("depositAddress is no address of type "+string(typ), err)
		}
	}
	if err := o.user(client); err != nil {
		return none, err
	}
	return clientSession{
		Client: client.ID, Credential: o.Credential, Type: typ, Network: network,
		SigningAddress: signing, DepositAddress: deposit, ExternalUserID: o.ExternalUserID,
	}, nil
}

// networks is what backends call networks → their CAIP-2 identifiers.
var networks = map[string]string{
	"ETHEREUM": "eip155:1", "OPTIMISM": "eip155:10", "BSC": "eip155:56", "POLYGON": "eip155:137",
	"BASE": "eip155:8453", "ARBITRUM": "eip155:42161", "AVALANCHE": "eip155:43114",
	"XRPL": "xrpl:0", "SOLANA": "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp",
}

// chain is the type of wallet, and the chain if the session is for one alone.
func (o Opening) chain(w *exchange.Wallets) (wallet.Type, string, error) {
	if o.Network == "" {
		typ := wallet.Type(strings.ToUpper(o.Type))
		if o.Type == "" {
			return "", "", describe(exchange.ReasonParameterMissing, "signingNetwork or signingType is missing", nil)
		}
		if _, ok := firstChain(w, typ); !ok {
			return "", "", unsupported("signingType is none of the client's chains, which are " + strings.Join(w.Chains, " "))
		}
		return typ, "", nil
	}
	chain, err := wallet.ParseChain(cmp.Or(networks[strings.ToUpper(o.Network)], o.Network))
	if err != nil || !accepts(w, chain) {
		return "", "", unsupported("signingNetwork is none of the client's chains, which are " + strings.Join(w.Chains, " "))
	}
	if o.Type != "" && wallet.Type(strings.ToUpper(o.Type)) != chain.Type() {
		return "", "", invalid("signingType is not that of signingNetwork", nil)
	}
	return chain.Type(), chain.String(), nil
}

// user checks the name of a user. Where the client speaks of an issuer's users,
// those come in by that issuer's conditions alone.
func (o Opening) user(client *exchange.Client) error {
	const most = 255
	id := o.ExternalUserID
	switch {
	case id == "":
		return nil
	case client.AsIssuer != "":
		return invalid("externalUserId is not taken here from a client that speaks of an issuer's users", nil)
	case len(id) > most || !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl):
		return invalid("externalUserId must be at most 255 bytes without control characters", nil)
	}
	return nil
}

// Find is the session of an ID. It is gone when it has expired, and when the
// client's secret that opened it was taken away.
func (s *ClientSessions) Find(ctx context.Context, id string, now time.Time) (ClientSession, error) {
	row, err := s.byID(ctx, id, now)
	if err != nil {
		return ClientSession{}, err
	}
	return row.Value.shown(row.Key), nil
}

func (s *ClientSessions) byID(ctx context.Context, id string, now time.Time) (storage.Row[clientSession], error) {
	key, text, _ := strings.Cut(id, ".")
	random, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(key) != storage.IDSize || base64.RawURLEncoding.EncodeToString(random) != text {
		return storage.Row[clientSession]{}, gone("it is no ID of one")
	}
	row, err := s.alive(ctx, key, now)
	if err != nil {
		return row, err
	}
	if subtle.ConstantTimeCompare(digest(random), row.Value.Secret) != 1 {
		return storage.Row[clientSession]{}, gone("the ID is not that of the session")
	}
	return row, nil
}

// alive reads a record that has not expired.
func (s *ClientSessions) alive(ctx context.Context, key string, now time.Time) (storage.Row[clientSession], error) {
	row, err := s.table.Get(ctx, key)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return row, gone("there is none")
	case err != nil:
		return row, unstored("reading a client session", err)
	case !now.Before(row.Value.expires()):
		return storage.Row[clientSession]{}, gone("it has expired")
	}
	return row, nil
}

// Sweep forgets sessions that are over, in commits of at most batch records, and
// answers how many they were.
func (s *ClientSessions) Sweep(ctx context.Context, now time.Time, batch int) (int, error) {
	const stamp = 13 // of a UUIDv7's characters, which are its time
	return s.table.Sweep(ctx, storage.NewID(now.Add(-clientSessionAbsolute - Retention))[:stamp], batch)
}

func gone(why string) error {
	return exchange.Refuse(exchange.ReasonClientSessionInvalid, errors.New("client session: "+why))
}

func unsupported(description string) error {
	return describe(exchange.ReasonWalletNotSupported, description, nil)
}

func invalid(description string, cause error) error {
	return describe(exchange.ReasonParameterInvalid, description, cause)
}

// describe is a refusal with a text for the client, which is the operator's too
// where there is no other.
func describe(reason exchange.Reason, description string, cause error) error {
	if cause == nil {
		cause = errors.New(description)
	}
	return &exchange.Error{Reason: reason, Description: description, Err: cause}
}

// unstored is err as a refusal, if the store takes nothing at the moment.
func unstored(doing string, err error) error {
	err = fmt.Errorf("%s: %w", doing, err)
	if storage.Unavailable(err) {
		return exchange.Refuse(exchange.ReasonStoreUnavailable, err)
	}
	return err
}
