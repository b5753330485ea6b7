package keylogin

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// Limits of one mailbox, across logins and clients.
const (
	window         = time.Hour
	spacing        = 30 * time.Second // between two codes
	maxWindowCodes = 5
)

// limits counts codes of each mailbox. Wrong codes count for their login alone, so
// that those of other callers do not keep the mailbox's user out; that few codes are
// sent bounds how many can be tried.
//
// Other callers can still request all codes of an hour. Two reserves remain for a login
// that is known to be of the mailbox's user: one if its auth key is linked to that
// user, and one if its client has the mailbox linked and requested none of the
// codes. Without the second condition any of a client's users could tell by a sixth
// request whether the mailbox has a user.
//
// Keys begin with an hour, so that the table is swept from its start. An event is
// written to the records of its hour and of the next, so an hour's record has all
// events of the window that ends in it, and two concurrent events around the full
// hour conflict.
type limits struct {
	table storage.Table[hour]
	name  func(address string) string // MAC
}

// hour is a record. Times are in Unix milliseconds, in ascending order.
type hour struct {
	Sent  []int64 `json:"sent,omitempty"`  // codes
	Asked int64   `json:"asked,omitempty"` // the last code that was requested, sent or not
	// Clients is client → its last code; Reserved the last one of a linked auth key
	// beyond the limit.
	Clients  map[string]int64 `json:"clients,omitempty"`
	Reserved int64            `json:"reserved,omitempty"`
}

// requester is the login for which a code is requested.
type requester struct {
	client string
	linked bool // the client has the mailbox linked to a user
	ofUser bool // the login's auth key is linked to the same user
}

// countCode returns writes that count a code for an address, or refuses as
// exchange.ReasonMailTooSoon.
func (l limits) countCode(ctx context.Context, address string, from requester, now time.Time) ([]storage.Write, error) {
	at := now.UnixMilli()
	reserved := false // the code is of the reserve of a linked auth key
	return l.count(ctx, address, now, func(h *hour) time.Duration {
		wait := untilBelow(h.Sent, maxWindowCodes, now)
		_, asked := h.Clients[from.client]
		reserved = reserved || wait > 0 && from.ofUser && h.Reserved == 0
		if reserved || from.linked && !asked {
			wait = 0
		}
		return max(wait, time.UnixMilli(h.Asked).Add(spacing).Sub(now))
	}, func(h *hour) {
		h.Sent, h.Asked = append(h.Sent, at), at
		if reserved {
			h.Reserved = at
		}
		if h.Clients == nil {
			h.Clients = map[string]int64{}
		}
		h.Clients[from.client] = at
	})
}

// uncountCode returns writes that remove a code counted at a time, because it was
// not sent. The spacing to the next code remains.
func (l limits) uncountCode(ctx context.Context, address string, at, now time.Time) ([]storage.Write, error) {
	sent := at.UnixMilli()
	return l.count(ctx, address, now, func(*hour) time.Duration { return 0 }, func(h *hour) {
		if i := slices.Index(h.Sent, sent); i >= 0 {
			h.Sent = slices.Delete(h.Sent, i, i+1)
		}
		maps.DeleteFunc(h.Clients, func(_ string, last int64) bool { return last == sent })
		if h.Reserved == sent {
			h.Reserved = 0
		}
	})
}

func (l limits) count(ctx context.Context, address string, now time.Time, wait func(*hour) time.Duration, event func(*hour)) ([]storage.Write, error) {
	name := l.name(mailbox(address))
	start := now.Truncate(window)
	var writes []storage.Write
	for _, at := range []time.Time{start, start.Add(window)} {
		key := storage.TimePrefix(at) + name
		row, err := l.table.Get(ctx, key)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return nil, err
		}
		h := row.Value
		h.dropOld(now)
		if w := wait(&h); w > 0 {
			return nil, &exchange.Error{Reason: exchange.ReasonMailTooSoon, RetryAfter: w, Err: errors.New("the mailbox has reached its limit")}
		}
		event(&h)
		var w storage.Write
		if err != nil {
			w, err = l.table.Insert(key, h)
		} else {
			w, err = l.table.Replace(row, h)
		}
		if err != nil {
			return nil, err
		}
		writes = append(writes, w)
	}
	return writes, nil
}

// dropOld drops what is older than a window.
func (h *hour) dropOld(now time.Time) {
	old := func(at int64) bool { return !time.UnixMilli(at).Add(window).After(now) }
	h.Sent = slices.DeleteFunc(h.Sent, old)
	maps.DeleteFunc(h.Clients, func(_ string, last int64) bool { return old(last) })
	if old(h.Reserved) {
		h.Reserved = 0
	}
}

// untilBelow returns the time until fewer than most of times are in the window.
func untilBelow(times []int64, most int, now time.Time) time.Duration {
	if len(times) < most {
		return 0
	}
	return time.UnixMilli(times[len(times)-most]).Add(window).Sub(now)
}

// Address returns the canonical form of a mail address, to which codes are sent,
// by which users are known and limits count. It is lower case, also the local
// part: of two mailboxes that differ only in case, only the lower-case one can
// be proven, since the code is sent there.
//
// Address accepts a dot-atom (RFC 5322 §3.2.3) of at most 64 bytes and a host
// name of at least two labels (RFC 5321 §4.1.2), 254 bytes together, in ASCII:
// other names in their ASCII form (RFC 5891 §4.4). Quoted local parts, comments
// and address literals are refused, because two spellings of one mailbox would
// be limited separately.
func Address(text string) (canonical string, ok bool) {
	local, domain, found := strings.Cut(text, "@")
	if !found || len(text) > 254 || len(local) > 64 || !isDotAtom(local) || !isHostName(domain) {
		return "", false
	}
	return strings.ToLower(text), true
}

func isDotAtom(local string) bool {
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" || strings.ContainsFunc(atom, func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r) }) {
			return false
		}
	}
	return true
}

func isHostName(domain string) bool {
	labels := strings.Split(domain, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, func(r rune) bool { return !isAlphanumeric(r) && r != '-' }) {
			return false
		}
	}
	top := labels[len(labels)-1] // an IP address ends in digits
	return len(labels) > 1 && strings.ContainsFunc(top, func(r rune) bool { return r > '9' })
}

func isAlphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

// mailbox returns the address without its tag (RFC 5233 §1): limits count all
// tags of a mailbox together.
func mailbox(address string) string {
	local, domain, _ := strings.Cut(address, "@")
	if plain, _, tagged := strings.Cut(local, "+"); tagged && plain != "" {
		local = plain
	}
	return local + "@" + domain
}

// Mask returns a canonical address in a form that is recognizable to its owner
// but does not reveal it.
func Mask(address string) string {
	local, domain, _ := strings.Cut(address, "@")
	if len(local) < 3 {
		return "***@" + domain
	}
	return local[:1] + "***@" + domain
}
