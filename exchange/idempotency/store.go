// Package idempotency stores responses to requests with an Idempotency-Key
// (draft-ietf-httpapi-idempotency-key-header) and replays them to clients that
// repeat a request because they did not receive its response.
package idempotency

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

const (
	// Lifetime is how long a stored response is replayed.
	Lifetime = 24 * time.Hour
	// LeaseTime is how long a lease excludes other requests with the same key.
	// A process that takes longer is assumed to have crashed.
	LeaseTime = time.Minute
	// MaxBody is the length in bytes of the longest body that is stored.
	MaxBody = 64 << 10
)

// Config configures a [Store]. All fields are required.
type Config struct {
	// RecordKey makes the MACs of records. NameKey makes those of keys and
	// fingerprints, which may be easy to guess. 32 bytes each.
	RecordKey, NameKey []byte
	// Seal and Unseal encrypt responses, since they contain tokens; name is
	// associated data.
	Seal   func(name string, plain []byte) ([]byte, error)
	Unseal func(name string, sealed []byte) ([]byte, error)
}

// Store keeps responses. Its methods are safe for concurrent use.
//
// A record's key is the day of the first request and a MAC of client and
// Idempotency-Key, so that the table is swept from its start. A lookup reads
// two days, and the next one in case another node's clock is ahead. A commit
// that adds a record demands that the other two days have none: of concurrent
// requests around midnight one wins.
type Store struct {
	engine storage.Engine
	table  storage.Table[record]
	cfg    Config

	// leased is the set of names of the leases in memory, at most one for each
	// request in flight.
	leased    sync.Map
	unwritten unwritten
}

// Request is a request with an Idempotency-Key.
type Request struct {
	// ID is the request_id, which is unique.
	ID string
	// Client is the client that chose Key. Keys of two clients are independent.
	Client, Key string
	// Fingerprint distinguishes requests: one with the same key and another
	// fingerprint is refused.
	Fingerprint [][]byte
	// Durable permits a lease in the store. Otherwise the lease is kept in
	// memory: an unauthenticated caller must not cause a write.
	Durable bool
}

// Response is a stored response.
type Response struct {
	Request string          `json:"request"` // request_id of the request that was executed
	Status  int             `json:"status"`  // of HTTP
	Reason  exchange.Reason `json:"reason,omitempty"`
	User    string          `json:"user,omitempty"`
	Session string          `json:"session,omitempty"`
	Body    string          `json:"body"` // JSON
}

// record is a lease until it has a response.
type record struct {
	Request     string    `json:"request"` // request_id
	At          time.Time `json:"at"`
	Fingerprint []byte    `json:"asked"`            // MAC
	Response    []byte    `json:"answer,omitempty"` // sealed
}

const tableName = "answers"

// New returns a Store in e.
func New(e storage.Engine, cfg Config) *Store {
	return &Store{engine: e, table: storage.NewTable[record](e, tableName, cfg.RecordKey), cfg: cfg}
}

// Lookup returns the stored response to a request, or otherwise a lease, which
// exactly one of concurrent requests with the same key gets. The caller must
// call [Lease.Store] or [Lease.Release] once. Lookup refuses a request whose key
// was used with another fingerprint (exchange.ReasonIdempotencyKeyReused), and
// one whose key is leased (exchange.ReasonIdempotencyKeyInProgress).
func (s *Store) Lookup(ctx context.Context, req Request, now time.Time) (*Response, *Lease, error) {
	l := s.lease(req, now)
	last, err := s.find(ctx, l)
	if err != nil {
		return nil, nil, err
	}
	ended := s.unwritten.find(l.name)
	if row := ended.instead(last); row != nil && now.Before(row.Value.At.Add(Lifetime)) {
		response, err := s.replay(row, l, now)
		if response != nil || err != nil {
			return response, nil, err
		}
	}
	l.expired = last
	if err := l.acquire(ctx, req.Durable); err != nil {
		return nil, nil, err
	}
	if req.Durable {
		s.unwritten.forget(ended)
		return nil, l, nil
	}
	// A response may have been stored, and its lease in memory released, since the
	// store was read.
	newer, err := s.find(ctx, l)
	if err == nil && s.unwritten.find(l.name) == ended && (newer == nil || last != nil && newer.Value.Request == last.Value.Request) {
		s.unwritten.forget(ended)
		return nil, l, nil
	}
	l.forget()
	if err != nil {
		return nil, nil, err
	}
	return s.Lookup(ctx, req, now)
}

// find returns the first of the records of l's keys, or nil if there is none.
func (s *Store) find(ctx context.Context, l *Lease) (*storage.Row[record], error) {
	for _, key := range l.keys {
		row, err := s.table.Get(ctx, key)
		if err == nil {
			return &row, nil
		}
		if !errors.Is(err, storage.ErrNotFound) {
			return nil, err
		}
	}
	return nil, nil
}

// replay returns the response in a record. It returns nil, nil if the record is a
// lease that has expired.
func (s *Store) replay(row *storage.Row[record], l *Lease, now time.Time) (*Response, error) {
	switch v := &row.Value; {
	case !hmac.Equal(v.Fingerprint, l.fingerprint):
		return nil, exchange.Refuse(exchange.ReasonIdempotencyKeyReused, fmt.Errorf("the key was used for request %s, which was a different one", v.Request))
	case v.Response != nil:
		return s.unseal(row)
	case now.Before(v.At.Add(LeaseTime)):
		return nil, inProgress("request " + v.Request + " is in progress")
	}
	return nil, nil
}

func inProgress(why string) error {
	return &exchange.Error{Reason: exchange.ReasonIdempotencyKeyInProgress, RetryAfter: time.Second, Err: errors.New(why)}
}

func (s *Store) unseal(row *storage.Row[record]) (*Response, error) {
	var response Response
	plain, err := s.cfg.Unseal(tableName+"/"+row.Key, row.Value.Response)
	if err == nil {
		err = json.Unmarshal(plain, &response)
	}
	if err != nil {
		return nil, fmt.Errorf("reading a stored response: %w", err)
	}
	return &response, nil
}

func (s *Store) seal(key string, response Response) ([]byte, error) {
	plain, err := json.Marshal(response)
	if err != nil {
		return nil, fmt.Errorf("encoding a response: %w", err)
	}
	return s.cfg.Seal(tableName+"/"+key, plain)
}

// Sweep deletes the records of days whose last response is older than
// [Lifetime], in commits of at most batch records, and returns their number. Before
// that it writes what could not be written.
func (s *Store) Sweep(ctx context.Context, now time.Time, batch int) (int, error) {
	if err := s.writeAgain(ctx, now); err != nil {
		return 0, err
	}
	return s.table.Sweep(ctx, storage.TimePrefix(day(now.Add(-Lifetime))), batch)
}

// day returns the start of t's day.
func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// lease returns the lease for a request, before it is acquired.
func (s *Store) lease(req Request, now time.Time) *Lease {
	var fingerprint []string
	for _, part := range req.Fingerprint {
		fingerprint = append(fingerprint, string(part))
	}
	l := &Lease{
		store: s, request: req.ID, at: now.UTC(),
		name:        base64.RawURLEncoding.EncodeToString(mac(s.cfg.NameKey, "name", req.Client, req.Key)),
		fingerprint: mac(s.cfg.NameKey, "fingerprint", fingerprint...),
	}
	for i, days := range []int{0, -1, 1} {
		l.keys[i] = storage.TimePrefix(day(now).AddDate(0, 0, days)) + l.name
	}
	return l
}

// mac returns the MAC of a purpose and of parts.
func mac(key []byte, purpose string, parts ...string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write(exchange.LengthPrefixed(append([]string{purpose}, parts...)...))
	return m.Sum(nil)
}

// Lease is the right to execute a request and to store its response.
type Lease struct {
	store       *Store
	name        string
	keys        [3]string // of the records of today, yesterday and tomorrow
	fingerprint []byte
	request     string // request_id
	at          time.Time
	expired     *storage.Row[record] // the record to replace, or nil
	stored      []byte               // the lease's own record, nil if it is in memory
}

// acquire acquires the lease, in the store or in memory.
func (l *Lease) acquire(ctx context.Context, durable bool) error {
	if !durable {
		if _, leased := l.store.leased.LoadOrStore(l.name, nil); leased {
			return inProgress("a request with the same key is in progress")
		}
		return nil
	}
	w, err := l.insert(ctx, nil)
	if errors.Is(err, storage.ErrConflict) {
		return inProgress("a concurrent request acquired the lease")
	}
	if err == nil {
		l.stored = w.Value
	}
	return err
}

// forget ends a lease in memory.
func (l *Lease) forget() {
	if l.stored == nil {
		l.store.leased.Delete(l.name)
	}
}

// insert commits l's record if none of the three days has one, apart from the
// expired one.
func (l *Lease) insert(ctx context.Context, response []byte) (storage.Write, error) {
	table := l.store.table
	w, err := table.Insert(l.keys[0], l.record(response))
	if err != nil {
		return w, err
	}
	writes := []storage.Write{w}
	for _, key := range l.keys[1:] {
		absent := table.Remove(key)
		absent.If = storage.IfAbsent
		writes = append(writes, absent)
	}
	if l.expired != nil {
		unchanged := table.Delete(*l.expired)
		for i := range writes {
			if writes[i].Key == unchanged.Key {
				writes[i].If, writes[i].Old = unchanged.If, unchanged.Old
			}
		}
	}
	return w, l.store.engine.Commit(ctx, writes...)
}

func (l *Lease) record(response []byte) record {
	return record{Request: l.request, At: l.at, Fingerprint: l.fingerprint, Response: response}
}

// Store makes the response the one that repeated requests get. It is durable when
// Store returns nil, unless the lease expired and another request acquired it:
// then that request's response counts, and this one is dropped. If it could not be
// written, repeated requests get it from memory until a sweep has written it.
func (l *Lease) Store(ctx context.Context, response Response) error {
	defer l.forget()
	if len(response.Body) > MaxBody {
		return errors.Join(fmt.Errorf("a response of %d bytes is too long to store", len(response.Body)), l.Release(ctx))
	}
	response.Request = l.request
	sealed, err := l.store.seal(l.keys[0], response)
	if err != nil {
		return err
	}
	if err := l.write(ctx, sealed); err != nil {
		l.store.unwritten.keep(&end{l, sealed})
		return err
	}
	return nil
}

// write commits the lease's record with its response.
func (l *Lease) write(ctx context.Context, sealed []byte) error {
	if l.stored == nil {
		_, err := l.insert(ctx, sealed)
		return unlessLost(err)
	}
	w, err := l.store.table.Put(l.keys[0], l.record(sealed))
	if err != nil {
		return err
	}
	return l.replace(ctx, w)
}

// Release ends the lease without a response: the next request is executed, also if
// that could not be written.
func (l *Lease) Release(ctx context.Context) error {
	defer l.forget()
	if l.stored == nil {
		return nil
	}
	err := l.remove(ctx)
	if err != nil {
		l.store.unwritten.keep(&end{lease: l})
	}
	return err
}

func (l *Lease) remove(ctx context.Context) error {
	return l.replace(ctx, l.store.table.Remove(l.keys[0]))
}

// replace commits w if the lease's record is still there.
func (l *Lease) replace(ctx context.Context, w storage.Write) error {
	w.If, w.Old = storage.IfEqual, l.stored
	return unlessLost(l.store.engine.Commit(ctx, w))
}

// unlessLost returns err, or nil if it means that the lease was lost.
func unlessLost(err error) error {
	if errors.Is(err, storage.ErrConflict) {
		return nil
	}
	return err
}

// ParseKey parses the value of an Idempotency-Key header: the draft's string
// (RFC 9651 §3.3.3) without parameters, or the bare text that most clients send.
// Two lines of the header that a proxy joined (RFC 9110 §5.3) are neither.
func ParseKey(value string) (key string, ok bool) {
	if quoted, found := strings.CutPrefix(value, `"`); found {
		key, ok = unquote(quoted)
	} else {
		key, ok = value, !strings.ContainsAny(value, ` ",`)
	}
	outside := func(r rune) bool { return r < ' ' || r > '~' }
	return key, ok && len(key) >= 1 && len(key) <= 255 && !strings.ContainsFunc(key, outside)
}

// unquote parses what follows the opening quotation mark of a string.
func unquote(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), i == len(s)-1
		case s[i] != '\\':
		case i+1 == len(s) || s[i+1] != '"' && s[i+1] != '\\':
			return "", false
		default:
			i++
		}
		b.WriteByte(s[i])
	}
	return "", false
}
