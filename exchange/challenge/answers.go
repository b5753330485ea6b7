package challenge

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

const (
	// AnswerLifetime is how long a request that is repeated gets the answer that
	// it got first.
	AnswerLifetime = 24 * time.Hour
	// AnswerLease is how long whoever began to answer a request has it to
	// themselves. Whoever takes longer must have crashed.
	AnswerLease = time.Minute
	// MostAnswer is how many bytes a body has that is kept.
	MostAnswer = 64 << 10
)

// AnswersConfig is how answers are kept. All fields are required.
type AnswersConfig struct {
	// RecordKey makes the MACs of records, NameKey those that stand for what a
	// client chose and asked: it may have few bits to guess. 32 bytes each.
	RecordKey, NameKey []byte
	// Seal and Unseal encrypt what is kept, since tokens are in it; name is
	// authenticated with it.
	Seal   func(name string, plain []byte) ([]byte, error)
	Unseal func(name string, sealed []byte) ([]byte, error)
}

// Answers keeps the answers to requests that came with an Idempotency-Key
// (draft-ietf-httpapi-idempotency-key-header), for those who repeat one because
// they never read its answer. Its methods are safe for concurrent use.
//
// A record's key is the day of the first request and a MAC of client and
// Idempotency-Key, so that the table is swept from its start and a record is
// found by looking at two days, and at the next one for the sake of a node whose
// clock is ahead. A commit that adds a record demands that the other days have
// none: of many who begin at midnight, one wins.
type Answers struct {
	engine storage.Engine
	table  storage.Table[reply]
	cfg    AnswersConfig

	mu sync.Mutex
	// begun are the names of the requests under way that reserved nothing in the
	// store. There are no more of them than requests in flight.
	begun map[string]bool
}

// Keyed is a request with an Idempotency-Key.
type Keyed struct {
	// ID is the request_id, no two alike.
	ID string
	// Client chose the key: those of two clients never meet.
	Client, Key string
	// Asked is what is asked for. A request of the same key that asks for
	// something else is refused.
	Asked [][]byte
	// Durable says that a reservation may be stored before anything is done.
	// Without, it is kept in memory: it stands to be proven who asks.
	Durable bool
}

// Answer is what a request got.
type Answer struct {
	Request string          `json:"request"` // request_id of the request that got it first
	Status  int             `json:"status"`  // of HTTP
	Reason  exchange.Reason `json:"reason,omitempty"`
	User    string          `json:"user,omitempty"`
	Session string          `json:"session,omitempty"`
	Body    string          `json:"body"` // JSON
}

// reply is a record: a reservation until it has an answer.
type reply struct {
	// Request is the request_id of whoever answers or has answered.
	Request string    `json:"request"`
	At      time.Time `json:"at"`
	Asked   []byte    `json:"asked"` // MAC
	Answer  []byte    `json:"answer,omitempty"`
}

// NewAnswers keeps answers in e.
func NewAnswers(e storage.Engine, cfg AnswersConfig) *Answers {
	return &Answers{
		engine: e, table: storage.NewTable[reply](e, answersTable, cfg.RecordKey), cfg: cfg, begun: map[string]bool{},
	}
}

const answersTable = "answers"

// Begin answers what a request got before, or else a reservation: of all who
// ask with one key exactly one has it, and keeps or releases it. It refuses a
// request whose key came with another one (exchange.ReasonIdempotencyKeyReused)
// and one that somebody else is answering (ReasonIdempotencyKeyInProgress).
func (a *Answers) Begin(ctx context.Context, k Keyed, now time.Time) (*Answer, *Reservation, error) {
	r := a.reservation(k, now)
	last, err := a.last(ctx, r)
	if err != nil {
		return nil, nil, unkept("looking for an answer", err)
	}
	if last != nil && now.Before(last.Value.At.Add(AnswerLifetime)) {
		answer, err := a.repeat(last, r, now)
		if answer != nil || err != nil {
			return answer, nil, err
		}
	}
	r.last = last
	if err := r.begin(ctx, k.Durable); err != nil {
		return nil, nil, err
	}
	if !k.Durable {
		if kept, err := a.keptSince(ctx, r); kept || err != nil {
			r.forget()
			if err != nil {
				return nil, nil, err
			}
			return a.Begin(ctx, k, now)
		}
	}
	return nil, r, nil
}

// keptSince says whether an answer was kept between r's look at the store and
// its reservation in memory, by one whose own was over by then.
func (a *Answers) keptSince(ctx context.Context, r *Reservation) (bool, error) {
	last, err := a.last(ctx, r)
	if err != nil {
		return false, unkept("looking for an answer", err)
	}
	return last != nil && (r.last == nil || last.Value.Request != r.last.Value.Request), nil
}

// last is the record of r's name, nil if there is none.
func (a *Answers) last(ctx context.Context, r *Reservation) (*storage.Row[reply], error) {
	for _, key := range r.keys {
		row, err := a.table.Get(ctx, key)
		if err == nil {
			return &row, nil
		}
		if !errors.Is(err, storage.ErrNotFound) {
			return nil, err
		}
	}
	return nil, nil
}

// repeat is the answer in a record. It is nil without an error if there is
// none, and whoever meant to give one must be gone.
func (a *Answers) repeat(last *storage.Row[reply], r *Reservation, now time.Time) (*Answer, error) {
	switch v := &last.Value; {
	case !bytes.Equal(v.Asked, r.asked):
		return nil, exchange.Refuse(exchange.ReasonIdempotencyKeyReused, fmt.Errorf("request %s asked for something else", v.Request))
	case v.Answer != nil:
		return a.unseal(last)
	case now.Before(v.At.Add(AnswerLease)):
		return nil, inProgress("request " + v.Request + " is being answered")
	}
	return nil, nil
}

func inProgress(why string) error {
	return &exchange.Error{Reason: exchange.ReasonIdempotencyKeyInProgress, RetryAfter: time.Second, Err: errors.New(why)}
}

func (a *Answers) unseal(row *storage.Row[reply]) (*Answer, error) {
	plain, err := a.cfg.Unseal(answersTable+"/"+row.Key, row.Value.Answer)
	if err != nil {
		return nil, fmt.Errorf("reading an answer: %w", err)
	}
	var answer Answer
	if err := json.Unmarshal(plain, &answer); err != nil {
		return nil, fmt.Errorf("reading an answer: %w", err)
	}
	return &answer, nil
}

func (a *Answers) seal(key string, answer Answer) ([]byte, error) {
	plain, err := json.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("writing an answer: %w", err)
	}
	return a.cfg.Seal(answersTable+"/"+key, plain)
}

// unkept is err, with a reason if the store takes nothing at the moment.
func unkept(doing string, err error) error {
	err = fmt.Errorf("%s: %w", doing, err)
	if storage.Unavailable(err) {
		return exchange.Refuse(exchange.ReasonStoreUnavailable, err)
	}
	return err
}

// Sweep forgets the days of which every answer is older than [AnswerLifetime],
// in commits of at most batch records, and answers how many records they had.
func (a *Answers) Sweep(ctx context.Context, now time.Time, batch int) (int, error) {
	return a.table.Sweep(ctx, stamp(day(now.Add(-AnswerLifetime))), batch)
}

// day is when the day of t begins.
func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// reservation is what k would reserve.
func (a *Answers) reservation(k Keyed, now time.Time) *Reservation {
	name := base64.RawURLEncoding.EncodeToString(macOf(a.cfg.NameKey, "name", []byte(k.Client), []byte(k.Key)))
	r := &Reservation{answers: a, name: name, asked: macOf(a.cfg.NameKey, "asked", k.Asked...), request: k.ID, at: now.UTC()}
	for i, days := range []int{0, -1, 1} {
		r.keys[i] = stamp(day(now).AddDate(0, 0, days)) + name
	}
	return r
}
