package registry

import (
	"bytes"
	"crypto/hmac"
	"fmt"

	"cambio/exchange"
)

// The secret of a client's webhook is kept as issuers' shared secrets are:
// sealed, and never shown again.

// webhook is where a client has one, nil if it has none.
func webhook(c exchange.Client) *exchange.Webhook {
	if c.Checkout == nil {
		return nil
	}
	return c.Checkout.Webhook
}

// withWebhookSecret is c with another secret. What it shares with c stays.
func withWebhookSecret(c exchange.Client, s exchange.SharedSecret) exchange.Client {
	checkout, hook := *c.Checkout, *c.Checkout.Webhook
	hook.Secret = s
	checkout.Webhook = &hook
	c.Checkout = &checkout
	return c
}

// webhookSecret is the plain secret of a stored client's webhook, nil if there
// is none or it cannot be unsealed.
func (r *Registry) webhookSecret(stored exchange.Client) []byte {
	hook := webhook(stored)
	if hook == nil {
		return nil
	}
	plain, err := r.cfg.Unseal(webhookSeal(stored.ID), hook.Secret.Sealed)
	if err != nil {
		return nil
	}
	return plain
}

// completedClient is a declared client whose webhook's secret has a value and
// an ID: see [Registry.completed].
func (r *Registry) completedClient(c, stored exchange.Client) exchange.Client {
	hook := webhook(c)
	if hook == nil {
		return c
	}
	s := hook.Secret
	if s.Value == "" && s.ID != "" && webhook(stored) != nil && webhook(stored).Secret.ID == s.ID {
		s.Value = string(r.webhookSecret(stored))
	}
	if s.ID == "" && s.Value != "" {
		s.ID = fmt.Sprintf("%x", r.mac("webhook secret", c.ID, s.Value)[:8])
	}
	return withWebhookSecret(c, s)
}

// sealedClient is a client with a plain secret as it is to be stored. A secret
// that is already stored keeps its seal.
func (r *Registry) sealedClient(c, stored exchange.Client) (exchange.Client, error) {
	hook := webhook(c)
	if hook == nil {
		return c, nil
	}
	s := exchange.SharedSecret{ID: hook.Secret.ID}
	if plain := r.webhookSecret(stored); plain != nil && hmac.Equal(plain, []byte(hook.Secret.Value)) {
		s.Sealed = webhook(stored).Secret.Sealed
		return withWebhookSecret(c, s), nil
	}
	var err error
	if s.Sealed, err = r.cfg.Seal(webhookSeal(c.ID), []byte(hook.Secret.Value)); err != nil {
		return c, fmt.Errorf("sealing the webhook's secret of client %q: %w", c.ID, err)
	}
	return withWebhookSecret(c, s), nil
}

// webhookSeal ties the seal to its client.
func webhookSeal(client string) string { return fmt.Sprintf("client %q webhook", client) }

// withoutWebhookSecret is a client to show: of the secret there is the ID.
func withoutWebhookSecret(c exchange.Client) exchange.Client {
	if hook := webhook(c); hook != nil {
		return withWebhookSecret(c, exchange.SharedSecret{ID: hook.Secret.ID})
	}
	return c
}

// clientLeaves shows a placeholder for the webhook's secret: the same as in
// other when the secret is.
func clientLeaves(c, other exchange.Client) []leaf {
	c.Secrets = nil
	hook, was := webhook(c), webhook(other)
	if hook == nil {
		return leaves(c)
	}
	shown := exchange.SharedSecret{ID: hook.Secret.ID, Value: "(secret)"}
	if was != nil && !bytes.Equal(was.Secret.Sealed, hook.Secret.Sealed) {
		shown.Value = "(another secret)"
	}
	return leaves(withWebhookSecret(c, shown))
}
