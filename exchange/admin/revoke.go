package admin

import (
	"context"

	"cambio/exchange"
	"cambio/exchange/registry"
	"cambio/storage"
)

// revoking commits revocations together with a change. A concurrent exchange that
// read its user before that commit and responded after it has a session that is
// younger than the revocations, so they are then moved to a later time.
func (a *api) revoking(ctx context.Context, change func([]storage.Write) error, list ...exchange.Revocation) error {
	writes, err := a.revocationWrites(ctx, list)
	if err == nil {
		err = change(writes)
	}
	if err == nil {
		a.revokeAgain(ctx, list)
	}
	return err
}

// revokeAgain moves revocations to now. The change is committed already, so a
// failure is only logged.
func (a *api) revokeAgain(ctx context.Context, list []exchange.Revocation) {
	now := a.now()
	for i := range list {
		list[i].Time = now
	}
	if err := a.cfg.Sessions.Revoke(ctx, list...); err != nil {
		a.log.ErrorContext(ctx, "revoking the sessions that were created during a change", "error", err)
	}
}

func (a *api) revocationWrites(ctx context.Context, list []exchange.Revocation) ([]storage.Write, error) {
	var writes []storage.Write
	now := a.now()
	for _, r := range list {
		r.Time = now
		w, err := a.cfg.Sessions.RevocationWrite(ctx, r)
		if err != nil {
			return nil, err
		}
		writes = append(writes, w)
	}
	return writes, nil
}

// revocations returns the revocations of what came from the issuers, clients and
// keys that a plan removes.
func revocations(plan registry.Plan) []exchange.Revocation {
	var out []exchange.Revocation
	for _, c := range plan {
		switch {
		case c.Action == registry.Remove && c.Kind == registry.KindIssuer:
			out = append(out, exchange.Revocation{Kind: exchange.RevocationIssuer, ID: c.ID})
		case c.Action == registry.Remove && c.Kind == registry.KindClient:
			out = append(out, clientRevocations(c.ID)...)
		}
		for _, key := range c.RevokedKeys {
			out = append(out, exchange.Revocation{Kind: exchange.RevocationKey, ID: c.ID + "/" + key})
		}
	}
	return out
}

// clientRevocations revoke the sessions of a client, and those that other clients
// got for tokens of its first-party users.
func clientRevocations(id string) []exchange.Revocation {
	out := []exchange.Revocation{{Kind: exchange.RevocationClient, ID: id}}
	for _, namespace := range exchange.Namespaces(id) {
		out = append(out, exchange.Revocation{Kind: exchange.RevocationIssuer, ID: namespace})
	}
	return out
}
