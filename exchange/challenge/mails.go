package challenge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// Limits of one mailbox, whoever asks and whatever for: a new code, another
// request or another client begins nothing anew.
const (
	window      = time.Hour
	spacing     = 30 * time.Second // between two codes
	mostMails   = 5                // codes in a window
	mostReplies = 10               // answers in a window, right ones too
)

// mails counts what happens to mailboxes. Keys begin with an hour, so that the
// table is swept from its start; what happens in an hour is written to its
// record and to that of the next, so that the record of an hour knows all of the
// window that ends in it, and of two events at the turn of an hour one sees the
// other.
type mails struct {
	table storage.Table[hour]
	name  func(address string) string // MAC
}

// hour is a record: times in Unix milliseconds, the oldest first.
type hour struct {
	Sent  []int64 `json:"sent,omitempty"`  // codes
	Asked int64   `json:"asked,omitempty"` // the last code that was asked for, sent or not
	Tries []int64 `json:"tries,omitempty"` // answers
}

// sends answers writes that count a code for an address, or refuses as
// exchange.ReasonMailTooSoon.
func (m mails) sends(ctx context.Context, address string, now time.Time) ([]storage.Write, error) {
	return m.count(ctx, address, now, func(h *hour) time.Duration {
		wait := time.UnixMilli(h.Asked).Add(spacing).Sub(now)
		return max(wait, full(h.Sent, mostMails, now), full(h.Tries, mostReplies, now))
	}, func(h *hour) { h.Sent, h.Asked = append(h.Sent, now.UnixMilli()), now.UnixMilli() })
}

// tries is sends for an answer.
func (m mails) tries(ctx context.Context, address string, now time.Time) ([]storage.Write, error) {
	return m.count(ctx, address, now,
		func(h *hour) time.Duration { return full(h.Tries, mostReplies, now) },
		func(h *hour) { h.Tries = append(h.Tries, now.UnixMilli()) })
}

// unsent answers writes that forget a code counted at a time, which did not
// leave. The spacing stays.
func (m mails) unsent(ctx context.Context, address string, at, now time.Time) ([]storage.Write, error) {
	return m.count(ctx, address, now, func(*hour) time.Duration { return 0 }, func(h *hour) {
		if i := slices.Index(h.Sent, at.UnixMilli()); i >= 0 {
			h.Sent = slices.Delete(h.Sent, i, i+1)
		}
	})
}

func (m mails) count(ctx context.Context, address string, now time.Time, wait func(*hour) time.Duration, event func(*hour)) ([]storage.Write, error) {
	name := m.name(mailbox(address))
	start := now.Truncate(window)
	var writes []storage.Write
	for _, at := range []time.Time{start, start.Add(window)} {
		row, err := m.table.Get(ctx, stamp(at)+name)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return nil, unavailable("counting mails", err)
		}
		h := row.Value
		h.forget(now)
		if w := wait(&h); w > 0 {
			return nil, &exchange.Error{Reason: exchange.ReasonMailTooSoon, RetryAfter: w, Err: errors.New("the mailbox is at its limit")}
		}
		event(&h)
		var w storage.Write
		if row.Key == "" {
			w, err = m.table.Insert(stamp(at)+name, h)
		} else {
			w, err = m.table.Replace(row, h)
		}
		if err != nil {
			return nil, fmt.Errorf("counting mails: %w", err)
		}
		writes = append(writes, w)
	}
	return writes, nil
}

// forget drops what is older than a window.
func (h *hour) forget(now time.Time) {
	old := func(at int64) bool { return !time.UnixMilli(at).Add(window).After(now) }
	h.Sent, h.Tries = slices.DeleteFunc(h.Sent, old), slices.DeleteFunc(h.Tries, old)
}

// full is how long it takes until there are fewer than most.
func full(times []int64, most int, now time.Time) time.Duration {
	if len(times) < most {
		return 0
	}
	return time.UnixMilli(times[len(times)-most]).Add(window).Sub(now)
}
