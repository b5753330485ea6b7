package challenge

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// Limits of one request.
const (
	mostCodes   = 5 // that it sends, to whatever addresses
	mostAnswers = 5 // to one code
)

// mailCode is the current code of a request.
type mailCode struct {
	Secret  []byte    `json:"secret"`  // hash of the random part of its ID
	Address string    `json:"address"` // canonical
	MAC     string    `json:"mac"`     // of the code
	Expires time.Time `json:"expires"`
	Tries   int       `json:"tries,omitempty"`
}

// Code is a new code on its way to an address.
type Code struct {
	ID      string // emailId
	Code    string
	Address string    // canonical
	Expires time.Time // of the code
	Again   time.Time // when another one may be asked for
	record  string
	n       int
	at      time.Time
}

// Mail makes a code for an address, or for the one that the client said if that
// is empty. The code before it, if any, counts no more. It is the caller's to
// send, and to say [Requests.Unsent] if that fails.
func (r *Requests) Mail(ctx context.Context, client *exchange.Client, id, address string, now time.Time) (Code, error) {
	record, rest, ok := split(id)
	if !ok || len(rest) != 1 {
		return Code{}, unproven("the request ID is malformed")
	}
	for range attempts {
		row, err := r.read(ctx, client, record, rest[0], func(v *request) []byte { return v.Secret })
		if err != nil {
			return Code{}, err
		}
		code, err := r.mail(ctx, row, address, now)
		if !errors.Is(err, storage.ErrConflict) {
			return code, unavailable("making a code", err)
		}
	}
	return Code{}, exchange.Refuse(exchange.ReasonOverloaded, storage.ErrConflict)
}

func (r *Requests) mail(ctx context.Context, row storage.Row[request], address string, now time.Time) (Code, error) {
	v := row.Value
	if address == "" {
		address = v.Email
	}
	switch {
	case !v.Expires.After(now):
		return Code{}, unproven("the request has expired")
	case address == "":
		return Code{}, &exchange.Error{Reason: exchange.ReasonParameterMissing, Description: "emailAddress is missing"}
	case v.Codes >= mostCodes:
		return Code{}, &exchange.Error{Reason: exchange.ReasonMailTooSoon, Description: "too many codes for this request; make another", Err: errors.New("the request is at its limit")}
	}
	counted, err := r.mails.sends(ctx, address, now)
	if err != nil {
		return Code{}, err
	}
	v.Codes++
	code, secret := newCode(), newSecret(16)
	v.Code = &mailCode{Secret: digest([]byte(secret)), Address: address, MAC: r.codeMAC(row.Key, v.Codes, code), Expires: now.Add(codeLife).UTC()}
	change, err := r.table.Replace(row, v)
	if err == nil {
		err = r.engine.Commit(ctx, append(counted, change)...)
	}
	return Code{
		ID: fmt.Sprintf("%s.%d.%s", row.Key, v.Codes, secret), Code: code, Address: address,
		Expires: v.Code.Expires, Again: now.Add(spacing).UTC(), record: row.Key, n: v.Codes, at: now,
	}, err
}

// Unsent says that a code did not leave: it counts no more, and not against the
// address's five in an hour.
func (r *Requests) Unsent(ctx context.Context, c Code, now time.Time) error {
	for range attempts {
		row, err := r.table.Get(ctx, c.record)
		if err != nil {
			return unavailable("taking a code back", err)
		}
		writes, err := r.mails.unsent(ctx, c.Address, c.at, now)
		if err != nil {
			return err
		}
		if v := row.Value; v.Codes == c.n && v.Code != nil {
			v.Code = nil
			change, err := r.table.Replace(row, v)
			if err != nil {
				return err
			}
			writes = append(writes, change)
		}
		if err := r.engine.Commit(ctx, writes...); !errors.Is(err, storage.ErrConflict) {
			return unavailable("taking a code back", err)
		}
	}
	return storage.ErrConflict
}

// newCode is six digits.
func newCode() string {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return fmt.Sprintf("%06d", n)
}

func (r *Requests) codeMAC(record string, n int, code string) string {
	return r.mac("mail code", record, strconv.Itoa(n), code)
}

// Proven is what a one-time token or a code proves.
type Proven struct {
	Key       string // subject of the auth key
	Signer    string // exchange.KeyID of who signed the request
	Address   string // canonical; of a code
	Challenge string // what to spend
	// MovesFrom is the user who gave a code too, so that the key may be taken
	// from it.
	MovesFrom string
}

// Reply is what somebody answers to a code, and perhaps to one that was sent to
// the address of the key's user so far, by another request for the same key.
type Reply struct {
	ID, Code                 string
	PreviousID, PreviousCode string // both or neither
}

// ProveCode checks the answer to a code. The code is the caller's to spend, by
// Challenge, in the commit that makes use of it.
func (r *Requests) ProveCode(ctx context.Context, client *exchange.Client, a Reply, now time.Time) (Proven, error) {
	row, n, err := r.try(ctx, client, a.ID, a.Code, now)
	if err != nil {
		return Proven{}, err
	}
	p := Proven{Key: row.Value.Key, Signer: row.Value.Signer, Address: row.Value.Code.Address, Challenge: challengeName(row.Key, n)}
	if a.PreviousID == "" {
		return p, nil
	}
	before, n, err := r.try(ctx, client, a.PreviousID, a.PreviousCode, now)
	if err != nil {
		return Proven{}, err
	}
	if before.Key == row.Key || before.Value.Key != row.Value.Key {
		return Proven{}, unproven("the previous code is not of another request for the same key")
	}
	p.Challenge += "/" + challengeName(before.Key, n)
	p.MovesFrom, err = r.user(ctx, exchange.Namespace(exchange.TypeOTP, client.ID), before.Value.Code.Address, now)
	return p, err
}

// try counts a try and then looks whether it is right: of many at once no more
// are looked at than are counted.
func (r *Requests) try(ctx context.Context, client *exchange.Client, id, code string, now time.Time) (storage.Row[request], int, error) {
	var none storage.Row[request]
	record, rest, ok := split(id)
	if !ok || len(rest) != 2 {
		return none, 0, unproven("the e-mail ID is malformed")
	}
	for range attempts {
		row, err := r.read(ctx, client, record, rest[1], func(v *request) []byte {
			if v.Code == nil || strconv.Itoa(v.Codes) != rest[0] {
				return nil
			}
			return v.Code.Secret
		})
		if err != nil {
			return none, 0, err
		}
		err = r.count(ctx, row, now)
		if errors.Is(err, storage.ErrConflict) {
			continue
		}
		if err != nil {
			return none, 0, unavailable("counting a try", err)
		}
		if !same([]byte(row.Value.Code.MAC), []byte(r.codeMAC(record, row.Value.Codes, code))) {
			return none, 0, exchange.Refuse(exchange.ReasonCodeWrong, fmt.Errorf("try %d of %d", row.Value.Code.Tries+1, mostAnswers))
		}
		return row, row.Value.Codes, nil
	}
	return none, 0, exchange.Refuse(exchange.ReasonOverloaded, storage.ErrConflict)
}

func (r *Requests) count(ctx context.Context, row storage.Row[request], now time.Time) error {
	v, code := row.Value, *row.Value.Code
	if !code.Expires.After(now) || code.Tries >= mostAnswers {
		return unproven("the code has expired, or was tried too often")
	}
	writes, err := r.mails.tries(ctx, code.Address, now)
	if err != nil {
		return err
	}
	code.Tries++
	v.Code = &code
	change, err := r.table.Replace(row, v)
	if err != nil {
		return err
	}
	return r.engine.Commit(ctx, append(writes, change)...)
}

// RequestKind is the kind of the challenges of Requests among [Spenders].
const RequestKind = "request"

// challengeName names the nth code of a record, or, as the 0th, its one-time
// token.
func challengeName(record string, n int) string {
	return RequestKind + "/" + record + "/" + strconv.Itoa(n)
}

// Spend implements [Spender] for what a Proven names: <record>/<n>, or two of
// them, the second one with its kind before it.
func (r *Requests) Spend(ctx context.Context, name string, now time.Time) ([]storage.Write, error) {
	var writes []storage.Write
	for one := range strings.SplitSeq(name, "/"+RequestKind+"/") {
		w, err := r.spend(ctx, one, now)
		if err != nil {
			return nil, err
		}
		writes = append(writes, w)
	}
	return writes, nil
}

func (r *Requests) spend(ctx context.Context, name string, now time.Time) (storage.Write, error) {
	record, n, _ := strings.Cut(name, "/")
	row, err := r.table.Get(ctx, record)
	if errors.Is(err, storage.ErrNotFound) {
		return storage.Write{}, unproven("there is no such request")
	}
	if err != nil {
		return storage.Write{}, unavailable("reading a request", err)
	}
	v := row.Value
	token := n == "0" && v.Token != nil && v.Expires.After(now)
	code := v.Code != nil && n == strconv.Itoa(v.Codes) && v.Code.Expires.After(now)
	if !token && !code {
		return storage.Write{}, unproven("it is spent, expired or replaced")
	}
	v.Token, v.Code = nil, nil
	return r.table.Replace(row, v)
}
