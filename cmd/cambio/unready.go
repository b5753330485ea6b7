package main

import (
	"cambio/exchange"
	"cambio/exchange/admin"
)

// A registration can be sound and yet of no use before something else is done,
// of which nothing but a refusal would speak later.

// warnUnready tells of clients that cannot yet do what they are registered for.
// That one has no secret yet is no fault: it is made once the server runs.
func (a *app) warnUnready() error {
	mails := 0
	for _, client := range a.users.Snapshot().Manifest().Clients {
		if bySecret(&client) && len(client.Secrets) == 0 {
			a.log.Info("a client has no secret and is refused", "client", client.ID, "hint", "cambio client rotate "+client.ID)
		}
		if client.MayPresent(exchange.TypeOTP) {
			mails++
		}
	}
	if mails > 0 && a.mail == nil {
		a.log.Warn("no codes can be mailed", "clients", mails, "hint", "set mail.host and mail.from")
	}
	return nil
}

// hintSecrets tells how clients that a manifest added get their first secret.
func (c *cli) hintSecrets(plan admin.Plan, clients []exchange.Client) {
	added := map[string]bool{}
	for _, change := range plan.Changes {
		added[change.ID] = change.Action == admin.ActionAdd && change.Kind == "client" || added[change.ID]
	}
	for _, client := range clients {
		if added[client.ID] && bySecret(&client) {
			c.say("hint", "client "+client.ID+" has no secret yet; make one with: cambio client rotate "+client.ID)
		}
	}
}

func bySecret(c *exchange.Client) bool {
	return c.Auth == exchange.AuthSecretBasic || c.Auth == exchange.AuthSecretPost
}
