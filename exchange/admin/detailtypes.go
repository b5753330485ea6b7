package admin

import (
	"context"

	"cambio/exchange"
	"cambio/exchange/registry"
)

func (a *api) detailTypes() {
	handle(a, "listDetailTypes", "GET /v1/detail-types", "List the types of authorization_details (RFC 9396)", func(context.Context, *struct{}) (detailTypeList, error) {
		return detailTypeList{nonNil(a.cfg.Registry.Snapshot().Manifest().DetailTypes)}, nil
	})
	handle(a, "showDetailType", "GET /v1/detail-types/{id}", "Show a type of authorization_details", a.showDetailType)
	handleEmpty(a, "removeDetailType", "DELETE /v1/detail-types/{id}",
		"Remove a type of authorization_details; sessions that have it are refused their next refresh", a.remove(registry.KindDetailType))
}

func (a *api) showDetailType(_ context.Context, in *byID) (exchange.DetailType, error) {
	all := a.cfg.Registry.Snapshot().Manifest().DetailTypes
	return find(all, "detail type", in.ID, func(t exchange.DetailType) string { return t.Type })
}
