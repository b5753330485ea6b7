package session

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// The sessions of a user are found by an index (table user_sessions), whose keys are
// the user, the client and the session, in the order of creation. An entry is
// written with its session, and deleted with it or with its own revocation.

func userPrefix(user, client string) string { return user + "/" + client + "/" }

func userKey(s *exchange.Session) string { return userPrefix(s.User, s.Client) + s.ID }

// Bounds of what one creation does to make room: entries that it reads beyond the
// client's limit, and sessions that it ends. Creations at once can exceed the limit
// by their number; later ones make up for that.
const (
	roomRead  = 256
	roomEnded = 64
)

// makeRoom returns the writes that end the user's oldest sessions at a client, so
// that with one more it has no more than the client's limit, and their IDs. Below
// the limit it reads nothing but the index.
func (s *Store) makeRoom(ctx context.Context, sess *exchange.Session, now time.Time) (writes []storage.Write, ended []string, err error) {
	limit := s.most(sess.Client)
	ids, err := s.indexed(ctx, userPrefix(sess.User, sess.Client), limit+roomRead)
	if err != nil || len(ids) < limit {
		return nil, nil, err
	}
	active, writes, err := s.active(ctx, sess, ids, now)
	if err != nil {
		return nil, nil, err
	}
	for _, id := range active[:min(max(0, len(active)+1-limit), roomEnded)] {
		// Creations at once end the same session; none of them is to fail.
		w, err := s.revocations.Put(revocationKey(exchange.RevocationSession, id), revocation{Time: now})
		if err != nil {
			return nil, nil, err
		}
		writes = append(writes, w, s.userSessions.Remove(userPrefix(sess.User, sess.Client)+id))
		ended = append(ended, id)
	}
	return writes, ended, nil
}

// indexed returns the IDs of at most limit entries of the index, oldest first.
func (s *Store) indexed(ctx context.Context, prefix string, limit int) ([]string, error) {
	var ids []string
	for r, err := range s.engine.Scan(ctx, userSessionsTable, prefix, prefix+"~", limit) {
		if err != nil {
			return nil, fmt.Errorf("reading the sessions of a user: %w", err)
		}
		ids = append(ids, strings.TrimPrefix(r.Key, prefix))
	}
	return ids, nil
}

// active returns those of a user's sessions at a client that are active, and the
// deletions of the other entries.
func (s *Store) active(ctx context.Context, sess *exchange.Session, ids []string, now time.Time) (active []string, useless []storage.Write, err error) {
	for _, id := range ids {
		row, err := s.sessions.Get(ctx, id)
		if err == nil {
			err = s.checkActive(ctx, &row.Value, now)
		}
		refused, ok := errors.AsType[*exchange.Error](err)
		switch {
		case err == nil || errors.Is(err, storage.ErrCorrupt) || ok && refused.Reason.Temporary():
			active = append(active, id)
		case ok || errors.Is(err, storage.ErrNotFound):
			useless = append(useless, s.userSessions.Remove(userPrefix(sess.User, sess.Client)+id))
		default:
			return nil, nil, err
		}
	}
	return active, useless, nil
}

// newID returns the ID of a session. Those of one millisecond ascend, too: the oldest
// session of a user is the one with the least ID.
func (s *Store) newID(now time.Time) string {
	const tail = 12 // hexadecimal digits of a UUID after its last hyphen
	s.ids.Lock()
	defer s.ids.Unlock()
	id := storage.NewID(now)
	if last := s.lastID; id <= last && storage.CreatedAt(id).Equal(storage.CreatedAt(last)) {
		head := len(last) - tail
		if n, err := strconv.ParseUint(last[head:], 16, 64); err == nil && n < 1<<(4*tail)-1 {
			id = fmt.Sprintf("%s%0*x", last[:head], tail, n+1)
		}
	}
	s.lastID = id
	return id
}
