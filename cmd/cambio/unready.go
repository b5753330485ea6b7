package main

import (
	"cambio/exchange"
	"cambio/exchange/admin"
	"cambio/exchange/registry"
)

// A sound registration can need a further step before it is of use. Without a
// hint, the first sign of that would be a refused request.

// warnUnready logs which clients cannot yet do what they are registered for.
// A missing secret is no fault: it is created once the server runs.
func (a *app) warnUnready() {
	mails := 0
	for _, client := range a.Registry.Snapshot().Manifest().Clients {
		if client.Auth.BySecret() && len(client.Secrets) == 0 {
			a.log.Info("a client has no secret, so its requests are refused", "client", client.ID, "hint", "cambio client rotate "+client.ID)
		}
		if client.MayPresent(exchange.TypeOTP) {
			mails++
		}
	}
	if mails > 0 && a.mail == nil {
		a.log.Warn("no codes can be mailed", "clients", mails, "hint", "set mail.host and mail.from")
	}
}

// hintSecrets says how clients that a manifest added get their first secret.
func (c *cli) hintSecrets(plan admin.Plan, clients []exchange.Client) {
	added := map[string]bool{}
	for _, change := range plan.Changes {
		added[change.ID] = change.Action == registry.Add && change.Kind == registry.KindClient || added[change.ID]
	}
	for _, client := range clients {
		if added[client.ID] && client.Auth.BySecret() {
			c.say("hint", "client "+client.ID+" has no secret yet; create one with: cambio client rotate "+client.ID)
		}
	}
}
