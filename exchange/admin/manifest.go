package admin

import (
	"context"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/exchange/registry"
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
	return planned(plan, problems, err)
}

func (a *api) apply(ctx context.Context, in *manifestRequest) (Plan, error) {
	now := a.now()
	plan, problems, err := a.cfg.Registry.Apply(ctx, in.Body, in.Prune, now, RevocationsOf(a.cfg.Sessions, now))
	if err == nil && len(problems) == 0 {
		a.revokeAgain(ctx, revocations(plan))
		for _, e := range Events(plan) {
			a.note(ctx, e)
		}
		a.forgetInvoices(ctx, plan)
	}
	return planned(plan, problems, err)
}

func planned(plan registry.Plan, problems []exchange.Problem, err error) (Plan, error) {
	if err == nil && len(problems) > 0 {
		err = invalid(problems)
	}
	out := Plan{Changes: make([]Change, len(plan))}
	for i, c := range plan {
		out.Changes[i] = Change{Action: string(c.Action), Kind: string(c.Kind), ID: c.ID, Diff: c.Diff}
	}
	return out, err
}

// Events returns the audit events of a plan that was applied, without time and
// address.
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
