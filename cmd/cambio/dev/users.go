package dev

import "github.com/zitadel/oidc/v3/pkg/oidc"

// user is somebody who can log in at the provider with the own name as
// password.
type user struct {
	name          string
	fullName      string
	email         string
	emailVerified bool
}

// demoUsers differ in what matters to a relying party: bob's e-mail address
// is a claim that nobody verified.
func demoUsers() map[string]user { // name → user
	return map[string]user{
		"alice": {"alice", "Alice Adams", "alice@example.com", true},
		"bob":   {"bob", "Bob Brown", "bob@example.com", false},
	}
}

// describe fills info with what the scopes allow to say about the user.
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
