package admin

import (
	"context"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/exchange/registry"
	"cambio/storage"
)

func (a *api) clients() {
	handle(a, "listClients", "GET /v1/clients", "List the clients", a.listClients)
	handle(a, "showClient", "GET /v1/clients/{id}", "Show a client", func(ctx context.Context, in *byID) (exchange.Client, error) {
		return a.clientWithUses(ctx, in.ID)
	})
	handleEmpty(a, "removeClient", "DELETE /v1/clients/{id}", "Remove a client and end its sessions", a.removeClient)
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

func (a *api) removeClient(ctx context.Context, in *byID) error {
	err := a.revoking(ctx, func(writes []storage.Write) error {
		return a.cfg.Registry.Remove(ctx, registry.KindClient, in.ID, a.now(), writes...)
	}, clientRevocations(in.ID)...)
	if err != nil {
		return missing(err, "client", in.ID)
	}
	a.note(ctx, audit.Event{Name: "admin.client.remove", Client: in.ID})
	a.forgetInvoices(ctx, registry.Plan{{Action: registry.Remove, Kind: registry.KindClient, ID: in.ID}})
	return nil
}
