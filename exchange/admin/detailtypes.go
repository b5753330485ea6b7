package admin

import (
	"context"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/exchange/registry"
)

func (a *api) detailTypes() {
	handle(a, "listDetailTypes", "GET /v1/detail-types", "List the types of authorization_details (RFC 9396)", func(context.Context, *struct{}) (detailTypeList, error) {
		return detailTypeList{nonNil(a.cfg.Registry.Snapshot().Manifest().DetailTypes)}, nil
	})
	handle(a, "showDetailType", "GET /v1/detail-types/{id}", "Show a type of authorization_details", a.showDetailType)
	handleEmpty(a, "removeDetailType", "DELETE /v1/detail-types/{id}",
		"Remove a type of authorization_details; sessions that have it are refused their next refresh", a.removeDetailType)
}

func (a *api) showDetailType(_ context.Context, in *byID) (exchange.DetailType, error) {
	all := a.cfg.Registry.Snapshot().Manifest().DetailTypes
	return find(all, "detail type", in.ID, func(t exchange.DetailType) string { return t.Type })
}

func (a *api) removeDetailType(ctx context.Context, in *byID) error {
	if err := a.cfg.Registry.Remove(ctx, registry.KindDetailType, in.ID, a.now()); err != nil {
		return missing(err, "detail type", in.ID)
	}
	a.note(ctx, audit.Event{Name: "admin.detail-type.remove", Key: in.ID})
	return nil
}
