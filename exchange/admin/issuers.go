package admin

import (
	"context"
	"net/http"

	"cambio/exchange"
	"cambio/exchange/registration"
	"cambio/exchange/registry"
)

func (a *api) issuers() {
	handle(a, "listIssuers", "GET /v1/issuers", "List the issuers", func(context.Context, *struct{}) (issuerList, error) {
		return issuerList{nonNil(a.cfg.Registry.Snapshot().Manifest().Issuers)}, nil
	})
	handle(a, "showIssuer", "GET /v1/issuers/{id}", "Show an issuer", func(_ context.Context, in *byID) (exchange.Issuer, error) {
		return a.findIssuer(in.ID)
	})
	handle(a, "showIssuerKeys", "GET /v1/issuers/{id}/keys", "Show an issuer and the keys it publishes now", a.issuerKeys)
	handle(a, "previewIssuer", "POST /v1/issuers:preview", "Fetch the keys of an issuer without registering it", a.preview, maxBytes(maxManifest))
	handleEmpty(a, "removeIssuer", "DELETE /v1/issuers/{id}", "Remove an issuer and end the sessions that came from it", a.remove(registry.KindIssuer))
}

func (a *api) findIssuer(id string) (exchange.Issuer, error) {
	return find(a.cfg.Registry.Snapshot().Manifest().Issuers, "issuer", id, func(i exchange.Issuer) string { return i.ID })
}

func (a *api) issuerKeys(ctx context.Context, in *byID) (Preview, error) {
	i, err := a.findIssuer(in.ID)
	if err != nil {
		return Preview{}, err
	}
	compiled := a.cfg.Registry.Snapshot().Issuer(in.ID)
	if compiled == nil {
		return Preview{}, &refusal{status: http.StatusConflict, detail: "the issuer's registration cannot be used; apply a valid one"}
	}
	return a.describe(ctx, i, compiled.Keys)
}

func (a *api) preview(ctx context.Context, in *body[exchange.Issuer]) (Preview, error) {
	problems := registration.LintIssuer(&in.Body)
	var compiled *exchange.CompiledIssuer
	if len(problems) == 0 {
		compiled, problems = a.cfg.Compile(in.Body)
	}
	if len(problems) > 0 {
		for i := range problems { // whose paths are relative to the issuer
			problems[i].Path = "$." + problems[i].Path
		}
		return Preview{}, invalid(problems)
	}
	defer compiled.Keys.Close()
	shown := in.Body
	shown.Keys.Secrets = nil
	return a.describe(ctx, shown, compiled.Keys)
}

// describe fails with 502: the fault is the issuer's, and the operator must learn
// of it.
func (a *api) describe(ctx context.Context, i exchange.Issuer, set exchange.KeySet) (Preview, error) {
	keys, err := a.cfg.Describe(ctx, set)
	if err != nil {
		return Preview{}, &refusal{status: http.StatusBadGateway, detail: err.Error()}
	}
	return Preview{Issuer: i, Keys: nonNil(keys)}, nil
}
