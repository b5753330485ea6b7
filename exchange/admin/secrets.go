package admin

import (
	"context"
	"fmt"
	"net/http"

	"cambio/exchange"
	"cambio/exchange/audit"
)

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
		return NewSecret{}, &refusal{status: http.StatusConflict, detail: fmt.Sprintf(
			"client %s does not authenticate by a secret; set its auth to %s or %s", c.ID, exchange.AuthSecretBasic, exchange.AuthSecretPost)}
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
