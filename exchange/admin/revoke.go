package admin

import (
	"context"
	"time"

	"cambio/exchange"
	"cambio/exchange/registry"
	"cambio/exchange/session"
	"cambio/storage"
)

// revoking commits revocations together with a change. A concurrent exchange that
// read its user before that commit and responded after it has a session that is
// younger than the revocations, so they are then moved to a later time.
func (a *api) revoking(ctx context.Context, change func([]storage.Write) error, list ...exchange.Revocation) error {
	writes, err := revocationWrites(a.cfg.Sessions, a.now(), list)
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

func revocationWrites(sessions *session.Store, now time.Time, list []exchange.Revocation) ([]storage.Write, error) {
	var writes []storage.Write
	for _, r := range list {
		r.Time = now
		w, err := sessions.RevocationWrite(r)
		if err != nil {
			return nil, err
		}
		writes = append(writes, w)
	}
	return writes, nil
}

// RevocationsOf returns what [registry.Registry.Apply] commits together with a
// plan: the revocations of what came from the issuers, clients and keys that it
// removes.
func RevocationsOf(sessions *session.Store, now time.Time) func(registry.Plan) ([]storage.Write, error) {
	return func(plan registry.Plan) ([]storage.Write, error) {
		return revocationWrites(sessions, now, revocations(plan))
	}
}

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
