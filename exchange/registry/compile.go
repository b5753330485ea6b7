package registry

import (
	"context"

	"cambio/exchange"
)

// compileIssuer compiles an issuer with its secrets in plain. The CompiledIssuer
// refers to the record, in which they are sealed.
func (r *Registry) compileIssuer(record *issuerRecord) (*exchange.CompiledIssuer, []exchange.Problem) {
	plain, problems := r.unsealed(record.Issuer)
	if len(problems) > 0 {
		return nil, problems
	}
	c, problems := r.cfg.CompileIssuer(plain)
	if c != nil {
		c.Issuer = &record.Issuer
	}
	return c, problems
}

func (r *Registry) compileClient(record *clientRecord) (*exchange.CompiledClient, []exchange.Problem) {
	c, problems := r.cfg.CompileClient(record.Client)
	if c == nil {
		return nil, problems
	}
	c = c.WithClient(&record.Client)
	for _, s := range webhookSecrets(record.Client) {
		_, c.WebhookSecret = r.webhookSecrets(record.Client.ID, record.Client).find(s.ID)
		if len(c.WebhookSecret) == 0 {
			closeKeys(c.Keys)
			return nil, []exchange.Problem{{Path: "checkout.webhook.secret", Message: "the stored secret cannot be unsealed"}}
		}
	}
	return c, nil
}

func (r *Registry) compileDetail(record *detailRecord) (*exchange.DetailKind, []exchange.Problem) {
	c, problems := r.cfg.CompileDetail(record.Type)
	if c != nil {
		c.Type = &record.Type
	}
	return c, problems
}

func closeKeys(k exchange.KeySet) {
	if k != nil {
		k.Close()
	}
}

// Warm compiles the issuers that no request has needed so far, one after the
// other, so that no request has to. It returns when that is done or ctx ends.
func (r *Registry) Warm(ctx context.Context) {
	for _, i := range r.Snapshot().issuers {
		if ctx.Err() != nil {
			return
		}
		i.value()
	}
}
