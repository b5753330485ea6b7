package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"cambio/exchange/audit"
)

func (a *api) keys() {
	handle(a, huma.Operation{
		OperationID: "listKeys", Method: http.MethodGet, Path: "/v1/keys", Summary: "List the keys that sign our tokens",
	}, func(context.Context, *struct{}) (*answer[keyList], error) {
		return answering(a.signingKeys()), nil
	})
	handle(a, huma.Operation{
		OperationID: "rotateKeys", Method: http.MethodPost, Path: "/v1/keys:rotate",
		Summary: "Sign with the next key from now on",
	}, a.rotateKeys)
	handle(a, huma.Operation{
		OperationID: "revokeKey", Method: http.MethodDelete, Path: "/v1/keys/{id}", DefaultStatus: http.StatusNoContent,
		Summary: "Withdraw a key; what it signed counts no more",
	}, a.revokeKey)
}

func (a *api) signingKeys() keyList {
	out := keyList{[]SigningKey{}}
	for _, k := range a.cfg.Keys.List() {
		out.Keys = append(out.Keys, SigningKey{
			ID: k.ID, Algorithm: k.Algorithm, State: k.State,
			Created: k.Created, Activated: k.Activated, Retires: k.Retires,
		})
	}
	return out
}

func (a *api) rotateKeys(ctx context.Context, _ *struct{}) (*answer[keyList], error) {
	if err := a.cfg.Keys.Rotate(ctx, a.now()); err != nil {
		return nil, err
	}
	a.note(ctx, audit.Event{Name: "admin.key.rotate"})
	return answering(a.signingKeys()), nil
}

func (a *api) revokeKey(ctx context.Context, in *byID) (*nothing, error) {
	if err := a.cfg.Keys.Revoke(ctx, in.ID, a.now()); err != nil {
		return nil, missing(err, "key", in.ID)
	}
	a.note(ctx, audit.Event{Name: "admin.key.revoke", Key: in.ID})
	return nil, nil
}
