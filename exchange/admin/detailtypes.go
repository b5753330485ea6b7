package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/exchange/registry"
)

func (a *api) detailTypes() {
	handle(a, huma.Operation{
		OperationID: "listDetailTypes", Method: http.MethodGet, Path: "/v1/detail-types",
		Summary: "List the types of authorization_details (RFC 9396)",
	}, func(context.Context, *struct{}) (*answer[detailTypeList], error) {
		all := a.cfg.Registry.Snapshot().Manifest().DetailTypes
		return answering(detailTypeList{append([]exchange.DetailType{}, all...)}), nil
	})
	handle(a, huma.Operation{
		OperationID: "showDetailType", Method: http.MethodGet, Path: "/v1/detail-types/{id}",
		Summary: "Show a type of authorization_details",
	}, a.showDetailType)
	handle(a, huma.Operation{
		OperationID: "removeDetailType", Method: http.MethodDelete, Path: "/v1/detail-types/{id}", DefaultStatus: http.StatusNoContent,
		Summary: "Remove a type of authorization_details; sessions that have it are refused their next refresh",
	}, a.removeDetailType)
}

func (a *api) showDetailType(_ context.Context, in *byID) (*answer[exchange.DetailType], error) {
	for _, t := range a.cfg.Registry.Snapshot().Manifest().DetailTypes {
		if t.Type == in.ID {
			return answering(t), nil
		}
	}
	return nil, notFound("detail type", in.ID)
}

func (a *api) removeDetailType(ctx context.Context, in *byID) (*nothing, error) {
	if err := a.cfg.Registry.Remove(ctx, registry.KindDetailType, in.ID, a.now()); err != nil {
		return nil, missing(err, "detail type", in.ID)
	}
	a.note(ctx, audit.Event{Name: "admin.detail-type.remove", Key: in.ID})
	return nil, nil
}
