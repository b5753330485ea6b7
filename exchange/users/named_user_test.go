package users_test

import (
	"slices"
	"testing"

	"cambio/exchange"
)

// A proof with two identities: the account of a wallet, and the user that a backend
// names for it.
func TestWalletWithNamedUser(t *testing.T) {
	account, alice := exchange.Identity{Issuer: "wallet:app", ID: "xrpl:0:r1"}, exchange.Identity{Issuer: "client:app", ID: "alice"}
	for _, row := range []struct {
		name  string
		known [][]exchange.Identity // existing users, by their identities
		user  int                   // index in known of the resolved user; -1 for a new one
		code  exchange.Reason
	}{
		{"none is known", nil, -1, ""},
		{"the named user is known", [][]exchange.Identity{{alice}}, 0, ""},
		{"both are one user's", [][]exchange.Identity{{account, alice}}, 0, ""},
		{"they are two users'", [][]exchange.Identity{{account}, {alice}}, 0, exchange.ReasonLinkedElsewhere},
		{"the account is known, the name is not", [][]exchange.Identity{{account}}, 0, exchange.ReasonLinkedElsewhere},
		{"the account is known under another name", [][]exchange.Identity{{account, {Issuer: "client:app", ID: "bob"}}}, 0, exchange.ReasonLinkedElsewhere},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			var users []string
			for _, ids := range row.known {
				users = append(users, w.create(t, &exchange.Subject{Issuer: ids[0].Issuer, ID: ids[0].ID, Identities: ids[1:]}).ID)
			}
			named := alice
			named.FindsUser = true
			u, isNew, writes, err := w.Resolve(t.Context(), &exchange.Subject{Issuer: account.Issuer, ID: account.ID, Identities: []exchange.Identity{named}}, true, noon)
			if row.code != "" {
				if err == nil || exchange.AsError(err).Reason != row.code || len(writes) > 0 {
					t.Fatalf("user %s, %d writes, %v", u.ID, len(writes), err)
				}
				return
			}
			if err == nil {
				err = w.engine.Commit(t.Context(), writes...)
			}
			if err != nil || isNew != (row.user < 0) || !isNew && u.ID != users[row.user] {
				t.Fatalf("user %s, new %v, %v", u.ID, isNew, err)
			}
			links, err := w.LinksOf(t.Context(), u.ID)
			if err != nil || len(links) != 2 || !slices.ContainsFunc(links, func(l exchange.Link) bool { return l.Subject == "alice" }) {
				t.Errorf("links are %+v, %v", links, err)
			}
		})
	}
}
