package admin

import (
	"context"
	"strings"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/exchange/registry"
	"cambio/storage"
)

type manifestRequest struct {
	Prune bool `query:"prune" doc:"Remove the registrations that the manifest does not declare"`
	Body  exchange.Manifest
}

func (a *api) manifest() {
	handle(a, "plan", "POST /v1/manifest:plan", "Show what applying a manifest would change", a.plan, maxBytes(maxManifest))
	handle(a, "apply", "POST /v1/manifest:apply", "Register what a manifest declares, all or nothing", a.apply, maxBytes(maxManifest))
}

func (a *api) plan(ctx context.Context, in *manifestRequest) (Plan, error) {
	plan, problems, err := a.cfg.Registry.Plan(ctx, in.Body, in.Prune, a.now())
	return a.planned(plan, problems, err)
}

func (a *api) apply(ctx context.Context, in *manifestRequest) (Plan, error) {
	plan, problems, err := Apply(ctx, a.cfg, in.Body, in.Prune)
	return a.planned(plan, problems, err)
}

// Apply does what a call of the API does, for a manifest from another source: it
// calls [registry.Registry.Apply], ends the sessions that came from what is removed,
// and audits. Of cfg it uses Registry, Sessions, Invoices, Audit, Logger and Now.
//
// Each check can refuse the plan before anything is changed.
func Apply(ctx context.Context, cfg Config, m exchange.Manifest, prune bool, checks ...func(registry.Plan) error) (registry.Plan, []exchange.Problem, error) {
	a := newAPI(cfg)
	plan, problems, err := cfg.Registry.Apply(ctx, m, prune, a.now(), func(p registry.Plan) ([]storage.Write, error) {
		for _, check := range checks {
			if err := check(p); err != nil {
				return nil, err
			}
		}
		return a.revocationWrites(ctx, revocations(p))
	})
	if err == nil && len(problems) == 0 {
		a.revokeAgain(ctx, revocations(plan))
		a.applied(ctx, plan)
	}
	return plan, problems, err
}

// remove returns the handler that removes a registration and ends the sessions that
// came from it.
func (a *api) remove(kind registry.Kind) func(context.Context, *byID) error {
	return func(ctx context.Context, in *byID) error {
		plan := registry.Plan{{Action: registry.Remove, Kind: kind, ID: in.ID}}
		err := a.revoking(ctx, func(writes []storage.Write) error {
			return a.cfg.Registry.Remove(ctx, kind, in.ID, a.now(), writes...)
		}, revocations(plan)...)
		if err != nil {
			return missing(err, strings.ReplaceAll(string(kind), "-", " "), in.ID)
		}
		a.applied(ctx, plan)
		return nil
	}
}

// applied does what follows the commit of a plan.
func (a *api) applied(ctx context.Context, plan registry.Plan) {
	for _, c := range plan {
		if c.Action != registry.Unchanged {
			a.note(ctx, event(c))
		}
	}
	a.forgetInvoices(ctx, plan)
}

func (a *api) planned(plan registry.Plan, problems []exchange.Problem, err error) (Plan, error) {
	if err == nil && len(problems) > 0 {
		err = invalid(problems)
	}
	out := Plan{Changes: nonNil(plan)}
	if a.cfg.Trust != "" && plan.Changes() {
		out.Warning = "the server applies " + a.cfg.Trust + " at every start and reload, which undoes what that file does not declare; change it there too"
	}
	return out, err
}

// event returns the audit event of a change.
func event(c registry.Change) audit.Event {
	e := audit.Event{Name: "admin." + string(c.Kind) + "." + string(c.Action)}
	switch c.Kind {
	case registry.KindIssuer:
		e.Issuer = c.ID
	case registry.KindClient:
		e.Client = c.ID
	default:
		e.Key = c.ID
	}
	return e
}
