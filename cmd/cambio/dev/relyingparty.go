package dev

import (
	"net/url"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// relyingParty is the one client of the provider. It implements op.Client.
type relyingParty struct{ redirectURIs []string }

func (relyingParty) GetID() string                       { return ClientID }
func (rp relyingParty) RedirectURIs() []string           { return rp.redirectURIs }
func (relyingParty) PostLogoutRedirectURIs() []string    { return nil }
func (relyingParty) ApplicationType() op.ApplicationType { return op.ApplicationTypeUserAgent }
func (relyingParty) AuthMethod() oidc.AuthMethod         { return oidc.AuthMethodNone }
func (relyingParty) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}
func (relyingParty) GrantTypes() []oidc.GrantType         { return []oidc.GrantType{oidc.GrantTypeCode} }
func (relyingParty) AccessTokenType() op.AccessTokenType  { return op.AccessTokenTypeBearer }
func (relyingParty) IDTokenLifetime() time.Duration       { return time.Hour }
func (relyingParty) DevMode() bool                        { return true } // http redirect URIs on loopback
func (relyingParty) IDTokenUserinfoClaimsAssertion() bool { return true }
func (relyingParty) ClockSkew() time.Duration             { return 0 }
func (relyingParty) RestrictAdditionalIdTokenScopes() func([]string) []string {
	return slices.Clone[[]string]
}
func (relyingParty) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return slices.Clone[[]string]
}
func (relyingParty) IsScopeAllowed(string) bool { return false } // beyond the standard ones

func (relyingParty) LoginURL(authRequestID string) string {
	return "/login?" + url.Values{"authRequestID": {authRequestID}}.Encode()
}
