package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/exchange/registry"
	"cambio/exchange/session"
	"cambio/storage"
)

type manifestRequest struct {
	Prune bool `query:"prune" doc:"Remove what the manifest does not name"`
	Body  exchange.Manifest
}

func (a *api) manifest() {
	handle(a, huma.Operation{
		OperationID: "plan", Method: http.MethodPost, Path: "/v1/manifest:plan", MaxBodyBytes: maxManifest,
		Summary: "Say what applying a manifest would change",
	}, a.plan)
	handle(a, huma.Operation{
		OperationID: "apply", Method: http.MethodPost, Path: "/v1/manifest:apply", MaxBodyBytes: maxManifest,
		Summary: "Register what a manifest declares, all of it or nothing",
	}, a.apply)
}

func (a *api) plan(ctx context.Context, in *manifestRequest) (*answer[Plan], error) {
	plan, problems, err := a.cfg.Registry.Plan(ctx, in.Body, in.Prune, a.now())
	return planned(plan, problems, err)
}

func (a *api) apply(ctx context.Context, in *manifestRequest) (*answer[Plan], error) {
	now := a.now()
	plan, problems, err := a.cfg.Registry.Apply(ctx, in.Body, in.Prune, now, RevocationsOf(a.cfg.Sessions, now))
	if err == nil && len(problems) == 0 {
		a.endAgain(ctx, marks(plan))
		a.noteChanges(ctx, plan)
		a.forgetInvoices(ctx, plan)
	}
	return planned(plan, problems, err)
}

func planned(plan registry.Plan, problems []exchange.Problem, err error) (*answer[Plan], error) {
	if err != nil {
		return nil, err
	}
	if len(problems) > 0 {
		return nil, invalid(problems)
	}
	out := Plan{Changes: make([]Change, len(plan))}
	for i, c := range plan {
		out.Changes[i] = Change{Action: string(c.Action), Kind: string(c.Kind), ID: c.ID, Diff: c.Diff}
	}
	return answering(out), nil
}

func (a *api) noteChanges(ctx context.Context, plan registry.Plan) {
	for _, e := range Events(plan) {
		a.note(ctx, e)
	}
}

// Events are the audit events of a plan that was applied, but for when and by
// whom.
func Events(plan registry.Plan) []audit.Event {
	var out []audit.Event
	for _, c := range plan {
		if c.Action == registry.Unchanged {
			continue
		}
		e := audit.Event{Name: "admin." + string(c.Kind) + "." + string(c.Action)}
		switch c.Kind {
		case registry.KindIssuer:
			e.Issuer = c.ID
		case registry.KindClient:
			e.Client = c.ID
		default:
			e.Key = c.ID
		}
		out = append(out, e)
	}
	return out
}

// RevocationsOf is what [registry.Registry.Apply] commits with a plan: marks that end
// what was born from the issuers, clients and keys that it takes away.
func RevocationsOf(sessions *session.Store, now time.Time) func(registry.Plan) ([]storage.Write, error) {
	return func(plan registry.Plan) ([]storage.Write, error) {
		var writes []storage.Write
		for _, m := range marks(plan) {
			m.Time = now
			w, err := sessions.RevocationWrite(m)
			if err != nil {
				return nil, err
			}
			writes = append(writes, w)
		}
		return writes, nil
	}
}

func marks(plan registry.Plan) []exchange.Revocation {
	var out []exchange.Revocation
	for _, c := range plan {
		switch {
		case c.Action == registry.Remove && c.Kind == registry.KindIssuer:
			out = append(out, exchange.Revocation{Kind: exchange.RevocationIssuer, ID: c.ID})
		case c.Action == registry.Remove && c.Kind == registry.KindClient:
			out = append(out, clientMarks(c.ID)...)
		}
		for _, key := range c.RevokedKeys {
			out = append(out, exchange.Revocation{Kind: exchange.RevocationKey, ID: c.ID + "/" + key})
		}
	}
	return out
}

// clientMarks end what was born at a client, and what others made of the tokens
// of its own users.
func clientMarks(id string) []exchange.Revocation {
	out := []exchange.Revocation{{Kind: exchange.RevocationClient, ID: id}}
	for _, namespace := range exchange.Namespaces(id) {
		out = append(out, exchange.Revocation{Kind: exchange.RevocationIssuer, ID: namespace})
	}
	return out
}
