package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/exchange/registration"
	"cambio/exchange/registry"
	"cambio/storage"
)

// byID is a request about one thing.
type byID struct {
	ID string `path:"id"`
}

func (a *api) issuers() {
	handle(a, huma.Operation{
		OperationID: "listIssuers", Method: http.MethodGet, Path: "/v1/issuers", Summary: "List the issuers",
	}, func(context.Context, *struct{}) (*answer[issuerList], error) {
		all := a.cfg.Registry.Snapshot().Manifest().Issuers
		return answering(issuerList{append([]exchange.Issuer{}, all...)}), nil
	})
	handle(a, huma.Operation{
		OperationID: "showIssuer", Method: http.MethodGet, Path: "/v1/issuers/{id}", Summary: "Show an issuer",
	}, func(_ context.Context, in *byID) (*answer[exchange.Issuer], error) {
		i, err := a.findIssuer(in.ID)
		return answering(i), err
	})
	handle(a, huma.Operation{
		OperationID: "showIssuerKeys", Method: http.MethodGet, Path: "/v1/issuers/{id}/keys",
		Summary: "Show an issuer and the keys it publishes at the moment",
	}, a.issuerKeys)
	handle(a, huma.Operation{
		OperationID: "previewIssuer", Method: http.MethodPost, Path: "/v1/issuers:preview", MaxBodyBytes: maxManifest,
		Summary: "Fetch the keys of an issuer that is not registered",
	}, a.preview)
	handle(a, huma.Operation{
		OperationID: "removeIssuer", Method: http.MethodDelete, Path: "/v1/issuers/{id}", DefaultStatus: http.StatusNoContent,
		Summary: "Trust an issuer no longer and end the sessions born from it",
	}, a.removeIssuer)
}

func (a *api) findIssuer(id string) (exchange.Issuer, error) {
	for _, i := range a.cfg.Registry.Snapshot().Manifest().Issuers {
		if i.ID == id {
			return i, nil
		}
	}
	return exchange.Issuer{}, notFound("issuer", id)
}

func (a *api) issuerKeys(ctx context.Context, in *byID) (*answer[Preview], error) {
	i, err := a.findIssuer(in.ID)
	if err != nil {
		return nil, err
	}
	trust := a.cfg.Registry.Snapshot().Issuer(in.ID)
	if trust == nil {
		return nil, &refusal{status: http.StatusConflict, detail: "the issuer's registration cannot be used; apply a sound one"}
	}
	return a.describe(ctx, i, trust.Keys)
}

func (a *api) preview(ctx context.Context, in *answer[exchange.Issuer]) (*answer[Preview], error) {
	if err := refuseIssuer(registration.LintIssuer(&in.Body)); err != nil {
		return nil, err
	}
	trust, problems := a.cfg.Compile(in.Body)
	if err := refuseIssuer(problems); err != nil {
		return nil, err
	}
	defer trust.Keys.Close()
	shown := in.Body
	shown.Keys.Secrets = nil
	return a.describe(ctx, shown, trust.Keys)
}

// refuseIssuer is about paths that are relative to an issuer.
func refuseIssuer(problems []exchange.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	for i := range problems {
		problems[i].Path = "$." + problems[i].Path
	}
	return invalid(problems)
}

// describe fails as a gateway does: what is wrong is the issuer's, and the
// operator is the one to be told.
func (a *api) describe(ctx context.Context, i exchange.Issuer, set exchange.KeySet) (*answer[Preview], error) {
	keys, err := a.cfg.Describe(ctx, set)
	if err != nil {
		return nil, &refusal{status: http.StatusBadGateway, detail: err.Error()}
	}
	return answering(Preview{Issuer: i, Keys: append([]IssuerKey{}, keys...)}), nil
}

func (a *api) removeIssuer(ctx context.Context, in *byID) (*nothing, error) {
	err := a.ending(ctx, func(writes []storage.Write) error {
		return a.cfg.Registry.Remove(ctx, registry.KindIssuer, in.ID, a.now(), writes...)
	}, exchange.Revocation{Kind: exchange.RevocationIssuer, ID: in.ID})
	if err != nil {
		return nil, missing(err, "issuer", in.ID)
	}
	a.note(ctx, audit.Event{Name: "admin.issuer.remove", Issuer: in.ID})
	return nil, nil
}
