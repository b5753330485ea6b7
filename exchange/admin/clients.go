package admin

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/exchange/registry"
	"cambio/storage"
)

func (a *api) clients() {
	handle(a, huma.Operation{
		OperationID: "listClients", Method: http.MethodGet, Path: "/v1/clients", Summary: "List the clients",
	}, func(ctx context.Context, _ *struct{}) (*answer[clientList], error) {
		all := append([]exchange.Client{}, a.cfg.Registry.Snapshot().Manifest().Clients...)
		for i := range all {
			if err := a.cfg.Registry.LastUses(ctx, &all[i]); err != nil {
				return nil, err
			}
		}
		return answering(clientList{all}), nil
	})
	handle(a, huma.Operation{
		OperationID: "showClient", Method: http.MethodGet, Path: "/v1/clients/{id}", Summary: "Show a client",
	}, func(ctx context.Context, in *byID) (*answer[exchange.Client], error) {
		c, err := a.findClient(in.ID)
		if err == nil {
			err = a.cfg.Registry.LastUses(ctx, &c)
		}
		return answering(c), err
	})
	handle(a, huma.Operation{
		OperationID: "removeClient", Method: http.MethodDelete, Path: "/v1/clients/{id}", DefaultStatus: http.StatusNoContent,
		Summary: "Remove a client and end its sessions",
	}, a.removeClient)
}

func (a *api) findClient(id string) (exchange.Client, error) {
	for _, c := range a.cfg.Registry.Snapshot().Manifest().Clients {
		if c.ID == id {
			return c, nil
		}
	}
	return exchange.Client{}, notFound("client", id)
}

func (a *api) removeClient(ctx context.Context, in *byID) (*nothing, error) {
	err := a.ending(ctx, func(writes []storage.Write) error {
		return a.cfg.Registry.Remove(ctx, registry.KindClient, in.ID, a.now(), writes...)
	}, clientMarks(in.ID)...)
	if err != nil {
		return nil, missing(err, "client", in.ID)
	}
	a.note(ctx, audit.Event{Name: "admin.client.remove", Client: in.ID})
	a.forgetInvoices(ctx, registry.Plan{{Action: registry.Remove, Kind: registry.KindClient, ID: in.ID}})
	return nil, nil
}

// secretID is a request about one secret of a client.
type secretID struct {
	Client string `path:"id"`
	Secret string `path:"secret"`
}

func (a *api) secrets() {
	handle(a, huma.Operation{
		OperationID: "listSecrets", Method: http.MethodGet, Path: "/v1/clients/{id}/secrets",
		Summary: "List a client's secrets without themselves",
	}, a.listSecrets)
	handle(a, huma.Operation{
		OperationID: "rotateSecret", Method: http.MethodPost, Path: "/v1/clients/{id}/secrets", DefaultStatus: http.StatusCreated,
		Summary: "Make a client's next secret; the one before expires in 24 hours",
	}, a.rotateSecret)
	handle(a, huma.Operation{
		OperationID: "revokeSecret", Method: http.MethodDelete, Path: "/v1/clients/{id}/secrets/{secret}", DefaultStatus: http.StatusNoContent,
		Summary: "End a client's secret at once",
	}, a.revokeSecret)
}

func (a *api) listSecrets(ctx context.Context, in *byID) (*answer[secretList], error) {
	c, err := a.findClient(in.ID)
	if err == nil {
		err = a.cfg.Registry.LastUses(ctx, &c)
	}
	if err != nil {
		return nil, err
	}
	out := secretList{[]Secret{}}
	for _, s := range c.Secrets {
		out.Secrets = append(out.Secrets, Secret{ID: s.ID, Created: s.Created, Expires: s.Expires, LastUsed: s.LastUsed})
	}
	return answering(out), nil
}

// rotateSecret holds the lock so that the newest ID is that of its secret.
func (a *api) rotateSecret(ctx context.Context, in *byID) (*answer[NewSecret], error) {
	a.rotating.Lock()
	defer a.rotating.Unlock()
	c, err := a.findClient(in.ID)
	if err != nil {
		return nil, err
	}
	if c.Auth != exchange.AuthSecretBasic && c.Auth != exchange.AuthSecretPost {
		return nil, &refusal{status: http.StatusConflict, detail: fmt.Sprintf(
			"client %s does not authenticate by a secret; its auth would be %s or %s", c.ID, exchange.AuthSecretBasic, exchange.AuthSecretPost)}
	}
	secret, err := a.cfg.Registry.NewSecret(ctx, in.ID, a.now())
	if err != nil {
		return nil, err
	}
	if c, err = a.findClient(in.ID); err != nil {
		return nil, err
	}
	id := c.Secrets[len(c.Secrets)-1].ID
	a.note(ctx, audit.Event{Name: "admin.secret.rotate", Client: in.ID, Key: id})
	return answering(NewSecret{ID: id, Secret: secret}), nil
}

func (a *api) revokeSecret(ctx context.Context, in *secretID) (*nothing, error) {
	if _, err := a.findClient(in.Client); err != nil {
		return nil, err
	}
	if err := a.cfg.Registry.RevokeSecret(ctx, in.Client, in.Secret, a.now()); err != nil {
		return nil, missing(err, "secret of client "+in.Client, in.Secret)
	}
	a.note(ctx, audit.Event{Name: "admin.secret.revoke", Client: in.Client, Key: in.Secret})
	return nil, nil
}
