package walletlogin

import (
	"cmp"
	"context"
	"crypto/rand"
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

// Kind is the kind of the challenges of a Store among replay.Spenders.
const Kind = "wallet"

// Challenge is a message that a wallet is asked to sign.
type Challenge struct {
	ID      string // challengeId, a secret
	Name    string // identifies the challenge, but does not reveal its ID
	Account wallet.Account
	Message string
	Format  string
	Expires time.Time
	Session Session // the one that the challenge was started in
}

// current is the current challenge in the record of its session.
type current struct {
	Account  wallet.Account `json:"account"`
	Nonce    string         `json:"nonce"`
	Message  string         `json:"message"`
	Expires  time.Time      `json:"expires"`
	Failures int            `json:"tries,omitempty"`
}

// StartRequest is a request for a challenge for a wallet.
type StartRequest struct {
	Address string
	Type    string // EVM, SOLANA or XRPL
	Chain   string // as wallet.NamedChain takes it; empty: the session's or the client's first
	Origin  string // of the page that requests the signature, if any
}

// Start makes a challenge for the session of an ID. It replaces the session's
// current one.
func (s *Store) Start(ctx context.Context, id string, client *exchange.Client, req StartRequest, now time.Time) (c Challenge, err error) {
	err = storage.Retry(ctx, attempts, func() error {
		c, err = s.start(ctx, id, client, req, now)
		return err
	})
	return c, err
}

func (s *Store) start(ctx context.Context, id string, client *exchange.Client, req StartRequest, now time.Time) (Challenge, error) {
	row, err := s.byID(ctx, id, now)
	if err != nil {
		return Challenge{}, err
	}
	next := row.Value
	if err := next.checkClient(client); err != nil {
		return Challenge{}, err
	}
	account, err := next.account(client.Wallets, req)
	if err != nil {
		return Challenge{}, err
	}
	if next.Started == maxChallenges {
		return Challenge{}, exchange.Refuse(exchange.ReasonTooManyFailures, errors.New("too many challenges in one client session"))
	}
	next.Updated, next.Started = now.UTC(), next.Started+1
	m := message(client.Wallets, req.Origin, account, row.Key, now)
	m.Expires = exchange.Earlier(m.Expires, next.expires())
	next.Current = &current{Account: account, Nonce: m.Nonce, Message: m.String(), Expires: m.Expires}
	if err := s.replace(ctx, row, next); err != nil {
		return Challenge{}, err
	}
	return next.challenge(row.Key), nil
}

func (s *Store) replace(ctx context.Context, row storage.Row[record], next record) error {
	w, err := s.table.Replace(row, next)
	if err != nil {
		return err
	}
	return s.engine.Commit(ctx, w)
}

// message returns a new message. Apart from the account, its fields come from the
// server or the operator.
func message(w *exchange.Wallets, origin string, account wallet.Account, session string, now time.Time) wallet.Message {
	domain, uri := w.Page(origin)
	return wallet.Message{
		Domain: domain, URI: uri, Statement: w.Statement, Account: account,
		Nonce: rand.Text(), IssuedAt: now, Expires: now.Add(challengeLifetime).UTC(), RequestID: session,
	}
}

// challenge returns the current challenge, which must not be nil.
func (r *record) challenge(key string) Challenge {
	c := r.Current
	return Challenge{
		ID: key + "." + c.Nonce, Name: Kind + "/" + key + "/" + strconv.Itoa(r.Started),
		Account: c.Account, Message: c.Message, Format: wallet.Message{Account: c.Account}.Format(), Expires: c.Expires,
		Session: r.session(key),
	}
}

// checkClient checks that the client opened the session, with a secret that is
// still registered.
func (r *record) checkClient(client *exchange.Client) error {
	switch {
	case r.Client != client.ID:
		return invalidSession("it belongs to client " + r.Client)
	case client.Wallets == nil:
		return invalidSession("the client is no longer registered for wallets")
	case r.Credential != "" && !slices.ContainsFunc(client.Secrets, func(s exchange.ClientSecret) bool { return s.ID == r.Credential }):
		return invalidSession("the client secret that opened it was revoked")
	}
	return nil
}

// account returns the account to be proven, which is of the session's address.
func (r *record) account(w *exchange.Wallets, req StartRequest) (wallet.Account, error) {
	typ := wallet.Type(strings.ToUpper(req.Type))
	if typ != r.Type {
		return wallet.Account{}, invalid("walletType is not that of the client session", nil)
	}
	named, _ := wallet.SplitAccount(req.Address)
	chain, err := r.chain(w, cmp.Or(req.Chain, named))
	if err != nil {
		return wallet.Account{}, err
	}
	address, err := wallet.AddressOn(chain, req.Address)
	if err != nil {
		return wallet.Account{}, invalid("walletAddress is not an address of type "+string(typ), err)
	}
	if address != r.SigningAddress {
		return wallet.Account{}, invalid("walletAddress is not the signingAddress of the client session", nil)
	}
	return wallet.Account{Chain: chain, Address: address}, nil
}

// chain returns the requested chain, which must be one of the client's and the
// session's, or otherwise the session's or the client's first.
func (r *record) chain(w *exchange.Wallets, requested string) (wallet.Chain, error) {
	id := r.Network
	if requested != "" {
		chain, err := wallet.NamedChain(r.Type, requested)
		switch {
		case err != nil:
			return chain, unsupported("chainId is not one of the client's chains")
		case id != "" && chain.String() != id:
			return chain, invalid("chainId is not the signingNetwork of the client session", nil)
		}
		id = chain.String()
	}
	if id == "" {
		chain, ok := firstChain(w, r.Type)
		if !ok {
			return chain, unsupported("walletType is not one of the client's chains")
		}
		return chain, nil
	}
	chain, err := wallet.ParseChain(id)
	if err != nil || chain.Type() != r.Type || !accepts(w, chain) {
		return wallet.Chain{}, unsupported("chainId is not one of the client's chains")
	}
	return chain, nil
}

// firstChain returns the first of the client's chains of a type.
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

// Challenge returns the challenge of a challengeId, for a client. A challenge
// that is unknown, another client's, expired, used, replaced or attempted too
// often is refused as exchange.ReasonChallengeInvalid in every case.
func (s *Store) Challenge(ctx context.Context, challengeID string, client *exchange.Client, now time.Time) (Challenge, error) {
	key, nonce, _ := strings.Cut(challengeID, ".")
	row, err := s.withChallenge(ctx, key, now)
	if err != nil {
		return Challenge{}, err
	}
	if !equal(nonce, row.Value.Current.Nonce) {
		return Challenge{}, invalidChallenge(errors.New("it was replaced, or never issued"))
	}
	if err := row.Value.checkClient(client); err != nil {
		return Challenge{}, invalidChallenge(err)
	}
	if !accepts(client.Wallets, row.Value.Current.Account.Chain) {
		return Challenge{}, unsupported("the chain is no longer one of the client's")
	}
	return row.Value.challenge(row.Key), nil
}

// withChallenge reads the record of a session whose challenge can be used.
func (s *Store) withChallenge(ctx context.Context, key string, now time.Time) (storage.Row[record], error) {
	if len(key) != storage.IDSize {
		return storage.Row[record]{}, invalidChallenge(errors.New("malformed challenge name"))
	}
	row, err := s.active(ctx, key, now)
	switch c := row.Value.Current; {
	case err != nil && exchange.AsError(err).Reason == exchange.ReasonClientSessionInvalid:
		return row, invalidChallenge(err)
	case err != nil:
		return row, err
	case c == nil:
		return row, invalidChallenge(errors.New("it was used, or attempted too often"))
	case !now.Before(c.Expires):
		return row, invalidChallenge(errors.New("it has expired"))
	}
	return row, nil
}

// ProvenAs returns the name of the challenge for Proof.Challenge, with the subject
// that the response to it proves.
func (c *Challenge) ProvenAs(subject string) string { return c.Name + "/" + subject }

// byName reads the record of a session by the name of its current challenge. What
// follows the name is ignored.
func (s *Store) byName(ctx context.Context, name string, now time.Time) (storage.Row[record], error) {
	key, rest, _ := strings.Cut(name, "/")
	number, _, _ := strings.Cut(rest, "/")
	row, err := s.withChallenge(ctx, key, now)
	if err == nil && strconv.Itoa(row.Value.Started) != number {
		err = invalidChallenge(errors.New("it was replaced"))
	}
	return row, err
}

// CountFailure counts a wrong signature for a challenge, in a commit of its own.
// After the third the challenge is invalid.
func (s *Store) CountFailure(ctx context.Context, c Challenge, now time.Time) error {
	err := storage.Retry(ctx, attempts, func() error {
		row, err := s.byName(ctx, strings.TrimPrefix(c.Name, Kind+"/"), now)
		if err != nil {
			return err
		}
		next, counted := row.Value, *row.Value.Current
		next.Current = nil
		if counted.Failures++; counted.Failures < maxFailures {
			next.Current = &counted
		}
		return s.replace(ctx, row, next)
	})
	if err != nil && exchange.AsError(err).Reason == exchange.ReasonChallengeInvalid {
		return nil // already invalid
	}
	return err
}

// Spend implements replay.Spender, for a name of [Challenge.ProvenAs]. The first
// subject that is proven is recorded in the session.
func (s *Store) Spend(ctx context.Context, name string, now time.Time) ([]storage.Write, error) {
	row, err := s.byName(ctx, name, now)
	if err != nil {
		return nil, err
	}
	next := row.Value
	if next.Account == "" {
		next.Account = cmp.Or(subjectOf(name), next.Current.Account.String())
	}
	next.Current, next.Updated = nil, now.UTC()
	w, err := s.table.Replace(row, next)
	return []storage.Write{w}, err
}

// subjectOf returns the subject in a name of [Challenge.ProvenAs], if it has one.
func subjectOf(name string) string {
	_, rest, _ := strings.Cut(name, "/")
	_, subject, _ := strings.Cut(rest, "/")
	return subject
}

func invalidChallenge(why error) error {
	return exchange.Refuse(exchange.ReasonChallengeInvalid, fmt.Errorf("wallet challenge: %w", why))
}
