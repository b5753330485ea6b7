package dev

import "github.com/zitadel/oidc/v3/pkg/oidc"

// user is a user of the provider. Its password is its name.
type user struct {
	name          string
	fullName      string
	email         string
	emailVerified bool
}

// demoUsers returns two users that differ in what matters to a relying party: bob's
// e-mail address is unverified.
func demoUsers() map[string]user { // name → user
	return map[string]user{
		"alice": {"alice", "Alice Adams", "alice@example.com", true},
		"bob":   {"bob", "Bob Brown", "bob@example.com", false},
	}
}

// describe fills info with the claims of the user that the scopes allow.
func (u user) describe(info *oidc.UserInfo, scopes []string) {
	for _, scope := range scopes {
		switch scope {
		case oidc.ScopeOpenID:
			info.Subject = u.name
		case oidc.ScopeEmail:
			info.Email, info.EmailVerified = u.email, oidc.Bool(u.emailVerified)
		case oidc.ScopeProfile:
			info.Name, info.PreferredUsername = u.fullName, u.name
		}
	}
}
