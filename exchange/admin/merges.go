package admin

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/danielgtaylor/huma/v2"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/exchange/users"
	"cambio/storage"
)

func (a *api) merges() {
	handle(a, huma.Operation{
		OperationID: "planMerge", Method: http.MethodPost, Path: "/v1/merges:plan",
		Summary: "Say what merging a user into another would do",
	}, a.planMerge)
	handle(a, huma.Operation{
		OperationID: "merge", Method: http.MethodPost, Path: "/v1/merges", DefaultStatus: http.StatusCreated,
		Summary:     "Move a user's links to another user, delete the one and end its sessions",
		Description: "It can be undone for 30 days. Users are never merged because of what they have in common, such as an e-mail address.",
	}, a.merge)
	handle(a, huma.Operation{
		OperationID: "listMerges", Method: http.MethodGet, Path: "/v1/merges", Summary: "List the merges that can be undone, oldest first",
	}, func(ctx context.Context, _ *struct{}) (*answer[mergeList], error) {
		all, err := a.cfg.Users.Merges(ctx, "", a.now())
		return answering(mergeList{mergesOf(all)}), err
	})
	handle(a, huma.Operation{
		OperationID: "unmerge", Method: http.MethodDelete, Path: "/v1/merges/{id}", DefaultStatus: http.StatusOK,
		Summary: "Undo a merge: the user is there again, with those of its links that are still the other one's",
	}, a.unmerge)
}

func (a *api) planMerge(ctx context.Context, in *answer[MergeRequest]) (*answer[MergePlan], error) {
	p, err := a.cfg.Users.PlanMerge(ctx, in.Body.From, in.Body.Into)
	if err != nil {
		return nil, a.missingSide(ctx, err, in.Body)
	}
	return answering(MergePlan{p.From, p.Into, append([]exchange.Link{}, p.Links...), p.Version}), nil
}

func (a *api) merge(ctx context.Context, in *answer[MergeRequest]) (*answer[Merge], error) {
	r := in.Body
	var made users.Merge
	err := a.ending(ctx, func(writes []storage.Write) (err error) {
		made, err = a.cfg.Users.Merge(ctx, r.From, r.Into, r.Version, by(ctx), a.now(), writes...)
		return err
	}, exchange.Revocation{Kind: exchange.RevocationUser, ID: r.From})
	if err != nil {
		return nil, a.missingSide(ctx, err, r)
	}
	a.note(ctx, audit.Event{Name: "admin.user.merge", User: r.From, Into: r.Into})
	return answering(mergeOf(made)), nil
}

// missingSide says which of the two users is not there.
func (a *api) missingSide(ctx context.Context, err error, r MergeRequest) error {
	for _, id := range []string{r.From, r.Into} {
		if _, readErr := a.cfg.Users.Find(ctx, id); readErr != nil {
			return a.missingUser(ctx, refused(err), id)
		}
	}
	return refused(err)
}

// unmerge ends what the moved links bore since the merge: it speaks of the user
// that they led to.
func (a *api) unmerge(ctx context.Context, in *byID) (*answer[Unmerged], error) {
	var marks []exchange.Revocation
	done, err := a.cfg.Users.Unmerge(ctx, in.ID, a.now(), func(links []exchange.Link) ([]storage.Write, error) {
		marks = nil
		for _, l := range links {
			marks = append(marks, exchange.Revocation{Kind: exchange.RevocationLink, ID: exchange.LinkKey(l.Issuer, l.Subject)})
		}
		return a.markWrites(marks)
	})
	if err != nil {
		return nil, missing(refused(err), "merge", in.ID)
	}
	a.endAgain(ctx, marks)
	a.note(ctx, audit.Event{Name: "admin.user.unmerge", User: done.From.ID, Into: done.Into})
	return answering(Unmerged{
		Merge: mergeOf(done.Merge), Restored: append([]exchange.Link{}, done.Restored...), Kept: done.Kept,
		Since: append([]exchange.Link{}, done.Since...),
	}), nil
}

func mergeOf(m users.Merge) Merge {
	return Merge{ID: m.ID, From: m.From, Into: m.Into, Links: len(m.Links), Time: m.Time, Until: m.Time.Add(users.UndoWithin), By: m.By}
}

func mergesOf(all []users.Merge) []Merge {
	out := []Merge{}
	for _, m := range all {
		out = append(out, mergeOf(m))
	}
	return out
}

// by is who calls: everybody with the token is an operator, so all there is to
// tell them apart is where they call from.
func by(ctx context.Context) string {
	at, _ := ctx.Value(addressKey{}).(netip.Addr)
	if !at.IsValid() {
		return "admin"
	}
	return "admin at " + at.WithZone("").String()
}
