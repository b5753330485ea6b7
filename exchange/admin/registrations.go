package admin

import (
	"context"
	"net/http"

	"cambio/exchange"
	"cambio/exchange/audit"
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
		return Preview{}, refused(http.StatusConflict, "the issuer's registration cannot be used; apply a valid one")
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
	shown.Keys = shown.Keys.WithSecrets(func([]exchange.SharedSecret) []exchange.SharedSecret { return nil })
	return a.describe(ctx, shown, compiled.Keys)
}

// describe fails with 502: the fault is the issuer's, and the operator must learn
// of it.
func (a *api) describe(ctx context.Context, i exchange.Issuer, set exchange.KeySet) (Preview, error) {
	keys, err := a.cfg.Describe(ctx, set)
	if err != nil {
		return Preview{}, refused(http.StatusBadGateway, "%v", err)
	}
	return Preview{Issuer: i, Keys: nonNil(keys)}, nil
}

func (a *api) clients() {
	handle(a, "listClients", "GET /v1/clients", "List the clients", a.listClients)
	handle(a, "showClient", "GET /v1/clients/{id}", "Show a client", func(ctx context.Context, in *byID) (exchange.Client, error) {
		return a.clientWithUses(ctx, in.ID)
	})
	handleEmpty(a, "removeClient", "DELETE /v1/clients/{id}", "Remove a client and end its sessions", a.remove(registry.KindClient))
}

func (a *api) findClient(id string) (exchange.Client, error) {
	return find(a.cfg.Registry.Snapshot().Manifest().Clients, "client", id, func(c exchange.Client) string { return c.ID })
}

// clientWithUses returns a client with the last uses of its secrets.
func (a *api) clientWithUses(ctx context.Context, id string) (exchange.Client, error) {
	c, err := a.findClient(id)
	if err == nil {
		err = a.cfg.Registry.LastUses(ctx, &c)
	}
	return c, err
}

func (a *api) listClients(ctx context.Context, _ *struct{}) (clientList, error) {
	all := nonNil(a.cfg.Registry.Snapshot().Manifest().Clients)
	for i := range all {
		if err := a.cfg.Registry.LastUses(ctx, &all[i]); err != nil {
			return clientList{}, err
		}
	}
	return clientList{all}, nil
}

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

// secretID is a request about one secret of a client.
type secretID struct {
	Client string `path:"id"`
	Secret string `path:"secret"`
}

func (a *api) secrets() {
	handle(a, "listSecrets", "GET /v1/clients/{id}/secrets", "List a client's secrets, without their values", a.listSecrets)
	handle(a, "rotateSecret", "POST /v1/clients/{id}/secrets", "Generate a client's next secret; the previous one expires in 24 hours", a.rotateSecret, created)
	handleEmpty(a, "revokeSecret", "DELETE /v1/clients/{id}/secrets/{secret}", "Revoke a client's secret at once", a.revokeSecret)
}

func (a *api) listSecrets(ctx context.Context, in *byID) (secretList, error) {
	c, err := a.clientWithUses(ctx, in.ID)
	out := secretList{[]Secret{}}
	for _, s := range c.Secrets {
		out.Secrets = append(out.Secrets, Secret{ID: s.ID, Created: s.Created, Expires: s.Expires, LastUsed: s.LastUsed})
	}
	return out, err
}

func (a *api) rotateSecret(ctx context.Context, in *byID) (NewSecret, error) {
	c, err := a.findClient(in.ID)
	if err != nil {
		return NewSecret{}, err
	}
	if !c.Auth.BySecret() {
		return NewSecret{}, refused(http.StatusConflict, "client %s does not authenticate by a secret; set its auth to %s or %s",
			c.ID, exchange.AuthSecretBasic, exchange.AuthSecretPost)
	}
	id, secret, err := a.cfg.Registry.NewSecret(ctx, in.ID, a.now())
	if err != nil {
		return NewSecret{}, err
	}
	a.note(ctx, audit.Event{Name: "admin.secret.rotate", Client: in.ID, Key: id})
	return NewSecret{ID: id, Secret: secret}, nil
}

func (a *api) revokeSecret(ctx context.Context, in *secretID) error {
	if _, err := a.findClient(in.Client); err != nil {
		return err
	}
	if err := a.cfg.Registry.RevokeSecret(ctx, in.Client, in.Secret, a.now()); err != nil {
		return missing(err, "secret of client "+in.Client, in.Secret)
	}
	a.note(ctx, audit.Event{Name: "admin.secret.revoke", Client: in.Client, Key: in.Secret})
	return nil
}
