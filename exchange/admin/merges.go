package admin

import (
	"context"
	"net/netip"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/storage"
)

func (a *api) merges() {
	handle(a, "planMerge", "POST /v1/merges:plan", "Show what merging a user into another would do", a.planMerge)
	handle(a, "merge", "POST /v1/merges", "Move a user's links to another user, delete the user and end its sessions", a.merge, created,
		description("It can be undone for 30 days. Users are never merged because of what they have in common, such as an e-mail address."))
	handle(a, "listMerges", "GET /v1/merges", "List the merges that can be undone, oldest first", func(ctx context.Context, _ *struct{}) (mergeList, error) {
		all, err := a.cfg.Users.Merges(ctx, "", a.now())
		return mergeList{all}, err
	})
	handle(a, "unmerge", "DELETE /v1/merges/{id}",
		"Undo a merge: the user exists again, with those of its links that are still the other user's", a.unmerge)
}

func (a *api) planMerge(ctx context.Context, in *body[MergeRequest]) (MergePlan, error) {
	p, err := a.cfg.Users.PlanMerge(ctx, in.Body.From, in.Body.Into)
	if err != nil {
		return MergePlan{}, a.missingSide(ctx, err, in.Body)
	}
	p.Links = nonNil(p.Links)
	return p, nil
}

func (a *api) merge(ctx context.Context, in *body[MergeRequest]) (Merge, error) {
	r := in.Body
	var m Merge
	err := a.revoking(ctx, func(writes []storage.Write) (err error) {
		m, err = a.cfg.Users.Merge(ctx, r.From, r.Into, r.Version, operator(ctx), a.now(), writes...)
		return err
	}, exchange.Revocation{Kind: exchange.RevocationUser, ID: r.From})
	if err != nil {
		return Merge{}, a.missingSide(ctx, err, r)
	}
	a.note(ctx, audit.Event{Name: "admin.user.merge", User: r.From, Into: r.Into})
	return m, nil
}

// missingSide names the one of the two users that does not exist.
func (a *api) missingSide(ctx context.Context, err error, r MergeRequest) error {
	for _, id := range []string{r.From, r.Into} {
		if _, findErr := a.cfg.Users.Find(ctx, id); findErr != nil {
			return a.missingUser(ctx, err, id)
		}
	}
	return err
}

// unmerge ends the sessions that the moved links got since the merge: they are of
// the user that the merge led to.
func (a *api) unmerge(ctx context.Context, in *byID) (Unmerged, error) {
	var list []exchange.Revocation
	done, err := a.cfg.Users.Unmerge(ctx, in.ID, a.now(), func(links []exchange.Link) ([]storage.Write, error) {
		list = nil
		for _, l := range links {
			list = append(list, exchange.Revocation{Kind: exchange.RevocationLink, ID: exchange.LinkKey(l.Issuer, l.Subject)})
		}
		return a.revocationWrites(ctx, list)
	})
	if err != nil {
		return Unmerged{}, missing(err, "merge", in.ID)
	}
	a.revokeAgain(ctx, list)
	a.note(ctx, audit.Event{Name: "admin.user.unmerge", User: done.Merge.From.ID, Into: done.Merge.Into})
	done.Restored, done.Since = nonNil(done.Restored), nonNil(done.Since)
	return done, nil
}

// operator names the caller. All operators have the same token, so they differ only
// by their address.
func operator(ctx context.Context) string {
	at, _ := ctx.Value(addressKey{}).(netip.Addr)
	if !at.IsValid() {
		return "admin"
	}
	return "admin at " + at.WithZone("").String()
}
