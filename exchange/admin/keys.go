package admin

import (
	"context"
	"net/http"

	"cambio/exchange/audit"
)

func (a *api) keys() {
	handle(a, "listKeys", "GET /v1/keys", "List the server's signing keys", func(context.Context, *struct{}) (keyList, error) {
		return a.signingKeys(), nil
	})
	handle(a, "rotateKeys", "POST /v1/keys:rotate", "Sign with the next key from now on", a.rotateKeys)
	handleEmpty(a, "revokeKey", "DELETE /v1/keys/{id}", "Revoke a key; the tokens that it signed are invalid", a.revokeKey)
	handleEmpty(a, "confirmClock", "POST /v1/clock:confirm", "Confirm that the wall clock is right", a.confirmClock)
}

func (a *api) signingKeys() keyList {
	out := keyList{[]SigningKey{}}
	for _, k := range a.cfg.Keys.List() {
		out.Keys = append(out.Keys, SigningKey(k))
	}
	return out
}

func (a *api) rotateKeys(ctx context.Context, _ *struct{}) (keyList, error) {
	if err := a.cfg.Keys.Rotate(ctx, a.now()); err != nil {
		return keyList{}, err
	}
	a.note(ctx, audit.Event{Name: "admin.key.rotate"})
	return a.signingKeys(), nil
}

func (a *api) revokeKey(ctx context.Context, in *byID) error {
	if err := a.cfg.Keys.Revoke(ctx, in.ID, a.now()); err != nil {
		return missing(err, "key", in.ID)
	}
	a.note(ctx, audit.Event{Name: "admin.key.revoke", Key: in.ID})
	return nil
}

func (a *api) confirmClock(ctx context.Context, _ *struct{}) error {
	if !a.cfg.ConfirmClock() {
		return refused(http.StatusConflict, "the clock is trusted already")
	}
	a.note(ctx, audit.Event{Name: "admin.clock.confirm"})
	return nil
}
