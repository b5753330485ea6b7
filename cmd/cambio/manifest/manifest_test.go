package manifest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const issuer = "issuers:\n- {id: a, url: https://a.example, audiences: [app]}\n"

// Each row differs from an accepted manifest in one fact.
func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"short": "hunter2\n", "empty": "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct{ name, text, want string }{
		{"accepted", issuer, ""},
		{"empty lists", "issuers: []\nclients: []", ""},
		{"an empty file", "", "declares nothing"},
		{"an empty mapping", "{}", "declares nothing"},
		{"a key without a list", "issuers:\n", "declares nothing"},
		{"an unknown field", "issuer: []", `1:1: unknown field "issuer"`},
		{"no audiences", "issuers:\n- {id: a, url: https://a.example}", "2:4: issuers[0].audiences: is missing"},
		{"a condition that does not compile", strings.Replace(issuer, "[app]", "[app], claimValidationRules: [{expression: claims.}]", 1), "expression: "},
		{"a key that does not parse", strings.Replace(issuer, "[app]", "[app], keys: {pem: nonsense}", 1), "issuers[0].keys: PEM: not PEM"},
		{"a missing secret file", strings.Replace(issuer, "[app]", "[app], keys: {secrets: [{id: s, valueFile: absent}]}", 1), "valueFile: open "},
		{"a secret in two places", strings.Replace(issuer, "[app]", "[app], keys: {secrets: [{id: s, value: x, valueFile: short}]}", 1), "valueFile: value and valueFile are both set; remove one"},
		{"a short secret", strings.Replace(issuer, "[app]", "[app], keys: {secrets: [{id: s, valueFile: short}]}", 1), "keys.secrets[0].value"},
		{"an empty secret file", strings.Replace(issuer, "[app]", "[app], keys: {secrets: [{id: s, valueFile: empty}]}", 1), "empty is empty; make a secret with: openssl rand -hex 32"},
		{"a secret by an ID that is none", strings.Replace(issuer, "[app]", "[app], keys: {secrets: [{id: A B}]}", 1), "keys.secrets[0].id"},
		{"two secrets with one ID", strings.Replace(issuer, "[app]", "[app], keys: {secrets: [{id: s}, {id: s}]}", 1), "keys.secrets[1].id"},
		{"a secret by ID alone, which a server keeps", strings.Replace(issuer, "[app]", "[app], keys: {secrets: [{id: s}]}", 1), ""},
		{"a schema with an unknown keyword", "detailTypes:\n- {type: t, scope: s, schema: {type: object, minumum: 1}}", "detailTypes[0].schema.minumum"},
		{"a client's key that does not parse", "clients:\n- {id: c, auth: private_key_jwt, audiences: [api], keys: {jwks: '{}x'}}", "clients[0].keys"},
	} {
		t.Run(row.name, func(t *testing.T) {
			name := filepath.Join(dir, "trust.yaml")
			if err := os.WriteFile(name, []byte(row.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Read(name, nil)
			if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
				t.Errorf("got %v, want %q", err, row.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Error("the error repeats a secret")
			}
		})
	}
}

func TestRefuseReferences(t *testing.T) {
	for text, want := range map[string]string{
		issuer + "clients: [{id: c, issuers: [a], audiences: [api]}]":        "",
		issuer + "clients: [{id: c, issuers: [b], audiences: [api]}]":        `clients[0].issuers[0]: no issuer has the id "b"`,
		issuer + "clients: [{id: c, audiences: [api], detailTypes: [loan]}]": `clients[0].detailTypes[0]: no detail type is called "loan"`,
	} {
		f, err := Read("-", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.RefuseReferences(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
