package e2e

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// api accepts access tokens like the README's sample, in every algorithm.
type api struct {
	audience string
	verifier *op.AccessTokenVerifier
}

// newAPI returns an API that trusts issuer and fetches its keys for a new kid.
func newAPI(issuer, audience string, client *http.Client) *api {
	keys := rp.NewRemoteKeySet(client, issuer+"/.well-known/jwks.json")
	algorithms := op.WithSupportedAccessTokenSigningAlgorithms("ES256", "RS256", "EdDSA")
	return &api{audience, op.NewAccessTokenVerifier(issuer, keys, algorithms)}
}

func (a *api) verify(ctx context.Context, token string) (*oidc.AccessTokenClaims, error) {
	claims, err := op.VerifyAccessToken[*oidc.AccessTokenClaims](ctx, token, a.verifier)
	if err == nil && !slices.Contains(claims.Audience, a.audience) {
		err = errors.New("the token is for another API")
	}
	return claims, err
}
