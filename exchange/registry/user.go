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
	return row.Value, nil
}

// Users are at most limit users in the order in which they were first seen,
// beginning at from, and where the next page begins, empty after the last. An
// empty from is the first page.
func (r *Registry) Users(ctx context.Context, from string, limit int) (users []exchange.User, next string, err error) {
	users, next, err = page(r.tables.users.Scan(ctx, from, "", limit+1), limit)
	if err != nil {
		return nil, "", fmt.Errorf("reading users: %w", err)
	}
	return users, next, nil
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

// Link is the link of an issuer's subject, or storage.ErrNotFound.
func (r *Registry) Link(ctx context.Context, issuerID, subject string) (exchange.Link, error) {
	key := exchange.LinkKey(issuerID, subject)
	link, err := r.tables.links.Get(ctx, key)
	if err != nil {
		return exchange.Link{}, linkFailed(issuerID, subject, err)
	}
	row, err := r.tables.userLinks.Get(ctx, userLinkKey(link.Value.User, key))
	if err != nil {
		return exchange.Link{}, linkFailed(issuerID, subject, err)
	}
	return row.Value, nil
}

func linkFailed(issuerID, subject string, err error) error {
	return fmt.Errorf("link of %s at issuer %q: %w", exchange.Quote(subject), issuerID, err)
}

// Disable keeps a user from every exchange, or with disabled false lets it in
// again, in one commit with writes. storage.ErrNotFound if there is no such
// user, storage.ErrConflict if somebody else changes it at the same time.
func (r *Registry) Disable(ctx context.Context, userID string, disabled bool, writes ...storage.Write) error {
	mine, err := r.disabling(ctx, userID, disabled)
	if err == nil {
		err = r.engine.Commit(ctx, slices.Concat(writes, mine)...)
	}
	if err != nil {
		return fmt.Errorf("changing user %q: %w", userID, err)
	}
	return nil
}

// disabling changes the user and all its links.
func (r *Registry) disabling(ctx context.Context, userID string, disabled bool) ([]storage.Write, error) {
	user, err := r.tables.users.Get(ctx, userID)
	if err != nil {
		return nil, err
	}
	user.Value.Disabled = disabled
	change, err := r.tables.users.Replace(user, user.Value)
	writes := []storage.Write{change}
	links, listErr := r.LinksOf(ctx, userID)
	if err := errors.Join(err, listErr); err != nil {
		return nil, err
	}
	for _, l := range links {
		link, err := r.tables.links.Get(ctx, exchange.LinkKey(l.Issuer, l.Subject))
		if errors.Is(err, storage.ErrNotFound) {
			err = storage.ErrConflict // it was there a moment ago
		}
		if err != nil {
			return nil, err
		}
		link.Value.Disabled = disabled
		change, err := r.tables.links.Replace(link, link.Value)
		if err != nil {
			return nil, err
		}
		writes = append(writes, change)
	}
	return writes, nil
}

// Unlink makes an issuer's subject unknown again, in one commit with writes;
// storage.ErrNotFound if it is. The user stays. Where a client creates users
// the subject becomes another one at its next exchange: to keep somebody out,
// disable the user.
func (r *Registry) Unlink(ctx context.Context, issuerID, subject string, writes ...storage.Write) error {
	row, err := r.tables.links.Get(ctx, exchange.LinkKey(issuerID, subject))
	if err != nil {
		return linkFailed(issuerID, subject, err)
	}
	mine := []storage.Write{
		r.tables.links.Delete(row),
		r.tables.userLinks.Remove(userLinkKey(row.Value.User, row.Key)),
	}
	if err := r.engine.Commit(ctx, slices.Concat(writes, mine)...); err != nil {
		return fmt.Errorf("removing the %w", linkFailed(issuerID, subject, err))
	}
	return nil
}
