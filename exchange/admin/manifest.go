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
	return planned(plan, problems, err)
}

func (a *api) apply(ctx context.Context, in *manifestRequest) (Plan, error) {
	now := a.now()
	plan, problems, err := a.cfg.Registry.Apply(ctx, in.Body, in.Prune, now, RevocationsOf(a.cfg.Sessions, now))
	if err == nil && len(problems) == 0 {
		a.revokeAgain(ctx, revocations(plan))
		a.applied(ctx, plan)
	}
	return planned(plan, problems, err)
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
	for _, e := range Events(plan) {
		a.note(ctx, e)
	}
	a.forgetInvoices(ctx, plan)
}

func planned(plan registry.Plan, problems []exchange.Problem, err error) (Plan, error) {
	if err == nil && len(problems) > 0 {
		err = invalid(problems)
	}
	return Plan{nonNil(plan)}, err
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
