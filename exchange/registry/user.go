package registry

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"cambio/exchange"
	"cambio/storage"
)

// User is the user of an ID, or storage.ErrNotFound.
func (r *Registry) User(ctx context.Context, id string) (exchange.User, error) {
	row, err := r.tables.users.Get(ctx, id)
	if err != nil {
		return exchange.User{}, fmt.Errorf("user %q: %w", id, err)
	}
	return row.Value.User, nil
}

// Users are at most limit users in the order in which they were first seen,
// beginning at from, and where the next page begins, empty after the last. An
// empty from is the first page.
func (r *Registry) Users(ctx context.Context, from string, limit int) (users []exchange.User, next string, err error) {
	rows, next, err := page(r.tables.users.Scan(ctx, from, "", limit+1), limit)
	if err != nil {
		return nil, "", fmt.Errorf("reading users: %w", err)
	}
	for _, row := range rows {
		users = append(users, row.User)
	}
	return users, next, nil
}

// lookMost is how many links one call of UsersAt looks at. It is for operators
// and rare; an index by issuer would cost every first exchange a write.
const lookMost = 20_000

// UsersAt are those of Users that are linked to a subject of an issuer. A page
// can be empty though others follow.
func (r *Registry) UsersAt(ctx context.Context, issuerID, from string, limit int) (users []exchange.User, next string, err error) {
	looked, last, found := 0, "", ""
	for row, err := range r.tables.userLinks.Scan(ctx, from, "", 0) {
		if err != nil {
			return nil, "", fmt.Errorf("reading links: %w", err)
		}
		l := row.Value
		if l.User != last && (len(users) == limit || looked >= lookMost) {
			return users, l.User, nil
		}
		looked, last = looked+1, l.User
		if l.Issuer != issuerID || l.User == found {
			continue
		}
		found = l.User
		u, err := r.User(ctx, l.User)
		if err == nil {
			users = append(users, u)
		} else if !errors.Is(err, storage.ErrNotFound) { // deleted meanwhile
			return nil, "", err
		}
	}
	return users, "", nil
}

// Links pages through the links of all users, in the order of these.
func (r *Registry) Links(ctx context.Context, from string, limit int) (links []exchange.Link, next string, err error) {
	links, next, err = page(r.tables.userLinks.Scan(ctx, from, "", limit+1), limit)
	if err != nil {
		return nil, "", fmt.Errorf("reading links: %w", err)
	}
	return links, next, nil
}

// page collects limit rows of a scan that yields one more if there is one.
func page[T any](rows iter.Seq2[storage.Row[T], error], limit int) (out []T, next string, err error) {
	for row, err := range rows {
		if err != nil {
			return nil, "", err
		}
		if len(out) == limit {
			return out, row.Key, nil
		}
		out = append(out, row.Value)
	}
	return out, "", nil
}

// LinksOf are the links of a user.
func (r *Registry) LinksOf(ctx context.Context, userID string) ([]exchange.Link, error) {
	var out []exchange.Link
	after := userID + "0" // the byte after '/'
	for row, err := range r.tables.userLinks.Scan(ctx, userLinkKey(userID, ""), after, 0) {
		if err != nil {
			return nil, fmt.Errorf("links of user %q: %w", userID, err)
		}
		out = append(out, row.Value)
	}
	return out, nil
}

func userLinkKey(user, link string) string { return user + "/" + link }

// Disable keeps a user from every exchange, or with disabled false lets it in
// again, in one commit with writes. storage.ErrNotFound if there is no such
// user, storage.ErrConflict if somebody else keeps changing it at the same time.
func (r *Registry) Disable(ctx context.Context, userID string, disabled bool, writes ...storage.Write) error {
	err := r.insist(ctx, writes, func() ([]storage.Write, error) { return r.disabling(ctx, userID, disabled) })
	if err != nil {
		return fmt.Errorf("changing user %q: %w", userID, err)
	}
	return nil
}

// insist commits what decide makes of what is stored, together with writes. It
// decides anew if an exchange of the user's was faster: somebody who logs in
// again and again must not hold an operator off.
func (r *Registry) insist(ctx context.Context, writes []storage.Write, decide func() ([]storage.Write, error)) error {
	const attempts = 16
	var err error
	for range attempts {
		var mine []storage.Write
		if mine, err = decide(); err == nil {
			err = r.engine.Commit(ctx, slices.Concat(writes, mine)...)
		}
		if !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	return err
}

// disabling changes the user and all its links.
func (r *Registry) disabling(ctx context.Context, userID string, disabled bool) ([]storage.Write, error) {
	user, err := r.tables.users.Get(ctx, userID)
	if err != nil {
		return nil, err
	}
	next := user.Value.changed()
	next.Disabled = disabled
	change, err := r.tables.users.Replace(user, next)
	links, listErr := r.linkRows(ctx, userID)
	if err := errors.Join(err, listErr); err != nil {
		return nil, err
	}
	writes := []storage.Write{change}
	for _, link := range links {
		change, err := r.tables.links.Replace(link, linkRecord{User: userID, Disabled: disabled})
		if err != nil {
			return nil, err
		}
		writes = append(writes, change)
	}
	return writes, nil
}

// linkRows are the records of a user's links as exchanges read them.
func (r *Registry) linkRows(ctx context.Context, userID string) ([]storage.Row[linkRecord], error) {
	links, err := r.LinksOf(ctx, userID)
	if err != nil {
		return nil, err
	}
	rows := make([]storage.Row[linkRecord], 0, len(links))
	for _, l := range links {
		row, err := r.tables.links.Get(ctx, exchange.LinkKey(l.Issuer, l.Subject))
		if errors.Is(err, storage.ErrNotFound) || err == nil && row.Value.User != userID {
			err = storage.ErrConflict // it was the user's a moment ago
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// RemoveUser deletes a user, its links and what is kept of users that were
// merged into it, in one commit with writes. A subject that was linked to it is
// unknown again: where a client creates users, it becomes another one at its
// next exchange. storage.ErrNotFound if there is no such user.
func (r *Registry) RemoveUser(ctx context.Context, userID string, writes ...storage.Write) error {
	err := r.insist(ctx, writes, func() ([]storage.Write, error) { return r.removing(ctx, userID) })
	if err != nil {
		return fmt.Errorf("deleting user %q: %w", userID, err)
	}
	return nil
}

func (r *Registry) removing(ctx context.Context, userID string) ([]storage.Write, error) {
	user, err := r.tables.users.Get(ctx, userID)
	if err != nil {
		return nil, err
	}
	links, linkErr := r.linkRows(ctx, userID)
	merges, mergeErr := r.mergeRows(ctx, userID)
	if err := errors.Join(linkErr, mergeErr); err != nil {
		return nil, err
	}
	writes := []storage.Write{r.tables.users.Delete(user)}
	for _, link := range links {
		writes = append(writes, r.tables.links.Delete(link), r.tables.userLinks.Remove(userLinkKey(userID, link.Key)))
	}
	for _, m := range merges {
		writes = append(writes, r.tables.merges.Delete(m))
	}
	return writes, nil
}
