package admin

import (
	"context"

	"cambio/exchange"
	"cambio/exchange/registry"
)

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
