package challenge

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/exchange/wallet"
	"cambio/storage"
)

// WalletKind is the kind of the challenges that wallets answer, among [Spenders].
const WalletKind = "wallet"

// WalletChallenge is a message that a wallet is asked to sign.
type WalletChallenge struct {
	ID      string // challengeId
	Name    string // for Proof.Challenge: names it among all challenges, tells nobody its ID
	Account wallet.Account
	Message string
	Format  string
	Expires time.Time
	// Session is the one that it was started in.
	Session ClientSession
}

// walletChallenge is the current challenge in the record of its session.
type walletChallenge struct {
	Account wallet.Account `json:"account"`
	Nonce   string         `json:"nonce"`
	Message string         `json:"message"`
	Expires time.Time      `json:"expires"`
	Tries   int            `json:"tries,omitempty"` // that failed
}

// Answering is which wallet says that it will sign.
type Answering struct {
	Address string
	Type    string // EVM, SOLANA or XRPL
	Chain   string // CAIP-2 identifier or its reference; empty: the session's or the client's first
}

// Start makes the challenge of a session, in the place of the one before it. Its
// errors are of type *exchange.Error.
func (s *ClientSessions) Start(ctx context.Context, id string, client *exchange.Client, a Answering, now time.Time) (WalletChallenge, error) {
	for range attempts {
		c, err := s.start(ctx, id, client, a, now)
		if !errors.Is(err, storage.ErrConflict) {
			return c, err
		}
	}
	return WalletChallenge{}, exchange.Refuse(exchange.ReasonOverloaded, errors.New("a client session changes all the time"))
}

func (s *ClientSessions) start(ctx context.Context, id string, client *exchange.Client, a Answering, now time.Time) (WalletChallenge, error) {
	var none WalletChallenge
	row, err := s.byID(ctx, id, now)
	if err != nil {
		return none, err
	}
	next := row.Value
	if err := next.openedBy(client); err != nil {
		return none, err
	}
	account, err := next.account(client.Wallets, a)
	if err != nil {
		return none, err
	}
	if next.Started == mostStarts {
		return none, exchange.Refuse(exchange.ReasonTooManyFailures, errors.New("too many challenges in one client session"))
	}
	next.Updated, next.Started = now.UTC(), next.Started+1
	m := message(client.Wallets, account, row.Key, now)
	if end := next.expires(); end.Before(m.Expires) {
		m.Expires = end
	}
	next.Challenge = &walletChallenge{Account: account, Nonce: m.Nonce, Message: m.String(), Expires: m.Expires}
	w, err := s.table.Replace(row, next)
	if err == nil {
		err = s.engine.Commit(ctx, w)
	}
	if err != nil {
		return none, unstored("starting a challenge", err)
	}
	return next.challenge(row.Key), nil
}

// message is a new one for an account. Everything in it but the account is ours
// or the operator's.
func message(w *exchange.Wallets, account wallet.Account, session string, now time.Time) wallet.Message {
	return wallet.Message{
		Domain: w.Domain, URI: w.URI, Statement: w.Statement, Account: account,
		Nonce: rand.Text(), IssuedAt: now, Expires: now.Add(walletChallengeLife).UTC(), RequestID: session,
	}
}

// challenge is the current challenge, of which there is one.
func (r *clientSession) challenge(key string) WalletChallenge {
	c := r.Challenge
	return WalletChallenge{
		ID: key + "." + c.Nonce, Name: WalletKind + "/" + key + "/" + strconv.Itoa(r.Started),
		Account: c.Account, Message: c.Message, Format: wallet.Message{Account: c.Account}.Format(), Expires: c.Expires,
		Session: r.shown(key),
	}
}

// openedBy wants a session that the client opened, by a secret that it still has.
func (r *clientSession) openedBy(client *exchange.Client) error {
	switch {
	case r.Client != client.ID:
		return gone("it is another client's")
	case client.Wallets == nil:
		return gone("the client is not registered for wallets any more")
	case r.Credential != "" && !slices.ContainsFunc(client.Secrets, func(s exchange.ClientSecret) bool { return s.ID == r.Credential }):
		return gone("the secret that opened it was revoked")
	}
	return nil
}

// account is which account is to be proven: that of the session's address.
func (r *clientSession) account(w *exchange.Wallets, a Answering) (wallet.Account, error) {
	typ := wallet.Type(strings.ToUpper(a.Type))
	if typ != r.Type {
		return wallet.Account{}, invalid("walletType is not that of the client session", nil)
	}
	chain, err := r.chain(w, a.Chain)
	if err != nil {
		return wallet.Account{}, err
	}
	account, err := wallet.ParseAccount(chain, a.Address)
	if err != nil {
		return wallet.Account{}, invalid("walletAddress is no address of type "+string(typ), err)
	}
	if account.Address != r.SigningAddress {
		return wallet.Account{}, invalid("walletAddress is not the signingAddress of the client session", nil)
	}
	return account, nil
}

// chain is the one that is asked for, if it is one of the client's, and the
// session's where that is for one alone.
func (r *clientSession) chain(w *exchange.Wallets, asked string) (wallet.Chain, error) {
	id := r.Network
	if asked != "" {
		if !strings.Contains(asked, ":") {
			asked = namespaces[r.Type] + ":" + asked
		}
		if id != "" && asked != id {
			return wallet.Chain{}, invalid("chainId is not the signingNetwork of the client session", nil)
		}
		id = asked
	}
	if id == "" {
		chain, ok := firstChain(w, r.Type)
		if !ok {
			return chain, unsupported("walletType is none of the client's chains")
		}
		return chain, nil
	}
	chain, err := wallet.ParseChain(id)
	if err != nil || chain.Type() != r.Type || !accepts(w, chain) {
		return wallet.Chain{}, unsupported("chainId is none of the client's chains")
	}
	return chain, nil
}

// namespaces is type → namespace (CAIP-2).
var namespaces = map[wallet.Type]string{wallet.EVM: "eip155", wallet.Solana: "solana", wallet.XRPL: "xrpl"}

// firstChain is the first of the client's chains of a type.
func firstChain(w *exchange.Wallets, typ wallet.Type) (wallet.Chain, bool) {
	for _, id := range w.Chains {
		if chain, err := wallet.ParseChain(id); err == nil && chain.Type() == typ {
			return chain, true
		}
	}
	return wallet.Chain{}, false
}

func accepts(w *exchange.Wallets, chain wallet.Chain) bool {
	return slices.Contains(w.Chains, chain.String())
}

// Challenge is the challenge of a challengeId, for a client. One that is unknown,
// another client's, expired, spent, replaced or dead is refused alike, as
// exchange.ReasonChallengeInvalid.
func (s *ClientSessions) Challenge(ctx context.Context, challengeID string, client *exchange.Client, now time.Time) (WalletChallenge, error) {
	key, nonce, _ := strings.Cut(challengeID, ".")
	row, err := s.current(ctx, key, now)
	if err != nil {
		return WalletChallenge{}, err
	}
	if subtle.ConstantTimeCompare([]byte(nonce), []byte(row.Value.Challenge.Nonce)) != 1 {
		return WalletChallenge{}, dead(errors.New("a newer one took its place, or it never was"))
	}
	if err := row.Value.openedBy(client); err != nil {
		return WalletChallenge{}, dead(err)
	}
	if !accepts(client.Wallets, row.Value.Challenge.Account.Chain) {
		return WalletChallenge{}, unsupported("the chain is none of the client's any more")
	}
	return row.Value.challenge(row.Key), nil
}

// current reads the record of a session whose challenge lives.
func (s *ClientSessions) current(ctx context.Context, key string, now time.Time) (storage.Row[clientSession], error) {
	if len(key) != storage.IDSize {
		return storage.Row[clientSession]{}, dead(errors.New("it is the name of none"))
	}
	row, err := s.alive(ctx, key, now)
	if refused, ok := errors.AsType[*exchange.Error](err); ok && refused.Reason == exchange.ReasonClientSessionInvalid {
		return row, dead(err)
	}
	if err != nil {
		return row, err
	}
	c := row.Value.Challenge
	switch {
	case c == nil:
		return row, dead(errors.New("it was used, or answered wrongly too often"))
	case !now.Before(c.Expires):
		return row, dead(errors.New("it has expired"))
	}
	return row, nil
}

// named reads the record of a session whose current challenge has a name.
func (s *ClientSessions) named(ctx context.Context, name string, now time.Time) (storage.Row[clientSession], error) {
	key, number, _ := strings.Cut(name, "/")
	row, err := s.current(ctx, key, now)
	if err == nil && strconv.Itoa(row.Value.Started) != number {
		err = dead(errors.New("a newer one took its place"))
	}
	return row, err
}

// Failed counts a bad signature for a challenge, in a commit of its own: the last
// one that is let kills it.
func (s *ClientSessions) Failed(ctx context.Context, c WalletChallenge, now time.Time) error {
	name := strings.TrimPrefix(c.Name, WalletKind+"/")
	for range attempts {
		row, err := s.named(ctx, name, now)
		if refused, ok := errors.AsType[*exchange.Error](err); ok && refused.Reason == exchange.ReasonChallengeInvalid {
			return nil // it is dead already
		}
		if err != nil {
			return err
		}
		if err = s.count(ctx, row); !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	return exchange.Refuse(exchange.ReasonOverloaded, errors.New("a client session changes all the time"))
}

func (s *ClientSessions) count(ctx context.Context, row storage.Row[clientSession]) error {
	next, c := row.Value, *row.Value.Challenge
	if c.Tries++; c.Tries < mostTries {
		next.Challenge = &c
	} else {
		next.Challenge = nil
	}
	w, err := s.table.Replace(row, next)
	if err == nil {
		err = s.engine.Commit(ctx, w)
	}
	if err != nil {
		return unstored("counting a try", err)
	}
	return nil
}

// Spend is [Spender] for the challenges that wallets answer. The account that
// was proven first is remembered: it tells whose session it is.
func (s *ClientSessions) Spend(ctx context.Context, name string, now time.Time) ([]storage.Write, error) {
	row, err := s.named(ctx, name, now)
	if err != nil {
		return nil, err
	}
	next := row.Value
	if next.Account == "" {
		next.Account = next.Challenge.Account.String()
	}
	next.Challenge, next.Updated = nil, now.UTC()
	w, err := s.table.Replace(row, next)
	if err != nil {
		return nil, fmt.Errorf("spending a challenge: %w", err)
	}
	return []storage.Write{w}, nil
}

func dead(why error) error {
	return exchange.Refuse(exchange.ReasonChallengeInvalid, fmt.Errorf("wallet challenge: %w", why))
}
