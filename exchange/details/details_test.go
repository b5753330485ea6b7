package details_test

import (
	"encoding/json"
	"strings"
	"testing"

	"cambio/exchange"
	"cambio/exchange/details"
)

func declared(t testing.TB, schema string) exchange.DetailType {
	t.Helper()
	d := exchange.DetailType{Type: "payment", Scope: "pay"}
	if err := json.Unmarshal([]byte(schema), &d.Schema); err != nil {
		t.Fatal(err)
	}
	return d
}

func read(t testing.TB, text string) map[string]any {
	t.Helper()
	var detail map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&detail); err != nil {
		t.Fatal(err)
	}
	return detail
}

func TestSchemasAreClosed(t *testing.T) {
	const flat = `{"type":"object","properties":{"amount":{"type":"integer","minimum":1},"when":{"format":"date"}},"required":["amount"]}`
	const nested = `{"properties":{"to":{"properties":{"iban":{"type":"string"}}},"lines":{"items":{"properties":{"n":{}}}}}}`
	const combined = `{"allOf":[{"properties":{"a":{}}},{"$ref":"#/$defs/b"}],"$defs":{"b":{"properties":{"b":{"$ref":"#/$defs/c"}}},"c":{"properties":{"c":{}}}}}`
	for _, row := range []struct {
		name, schema, detail string
		good                 bool
	}{
		{"good", flat, `{"type":"payment","amount":1}`, true},
		{"a number that float64 cannot hold", flat, `{"type":"payment","amount":9007199254740993}`, true},
		{"a required member is missing", flat, `{"type":"payment"}`, false},
		{"of another kind", flat, `{"type":"payment","amount":"1"}`, false},
		{"out of bounds", flat, `{"type":"payment","amount":0}`, false},
		{"a format", flat, `{"type":"payment","amount":1,"when":"2026-11-21"}`, true},
		{"not that format", flat, `{"type":"payment","amount":1,"when":"tomorrow"}`, false},
		{"an unknown member", flat, `{"type":"payment","amount":1,"more":1}`, false},
		{"a member in another case", flat, `{"type":"payment","amount":1,"Amount":1}`, false},
		{"another type", flat, `{"type":"loan","amount":1}`, false},
		{"nested", nested, `{"type":"payment","to":{"iban":"x"},"lines":[{"n":1}]}`, true},
		{"an unknown member of a member", nested, `{"type":"payment","to":{"iban":"x","more":1}}`, false},
		{"an unknown member of an element", nested, `{"type":"payment","lines":[{"n":1},{"m":1}]}`, false},
		{"an unknown member of an undeclared object", nested, `{"type":"payment","lines":[{"n":{"m":1}}]}`, false},
		{"combined", combined, `{"type":"payment","a":1,"b":{"c":1}}`, true},
		{"an unknown member beside combined schemas", combined, `{"type":"payment","a":1,"d":1}`, false},
		{"an unknown member of a referenced schema", combined, `{"type":"payment","b":{"d":1}}`, false},
		{"open", `{"additionalProperties":true}`, `{"type":"payment","any":{"thing":1}}`, true},
		{"open to numbers", `{"additionalProperties":{"type":"number"}}`, `{"type":"payment","any":1}`, true},
		{"open to numbers, and none", `{"additionalProperties":{"type":"number"}}`, `{"type":"payment","any":"x"}`, false},
		{"open in one member", `{"properties":{"x":true}}`, `{"type":"payment","x":{"thing":1}}`, true},
		{"a type of its own", `{"properties":{"type":{"type":"string"},"n":{}}}`, `{"type":"payment","n":1}`, true},
		{"a schema that refers to itself", `{"properties":{"next":{"$ref":"#"}}}`, `{"type":"payment","next":{"type":"payment","next":{"type":"payment"}}}`, true},
		{"an unknown member far down", `{"properties":{"next":{"$ref":"#"}}}`, `{"type":"payment","next":{"type":"payment","next":{"m":1}}}`, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			kind, problems := details.Compile(declared(t, row.schema))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			err := kind.Schema.Check(read(t, row.detail))
			if (err == nil) != row.good {
				t.Errorf("got %v", err)
			}
			if err != nil && strings.ContainsAny(err.Error(), "\n\t") {
				t.Errorf("the reason is not one line: %q", err)
			}
		})
	}
}

func TestCompileRefusesSchemas(t *testing.T) {
	deep := strings.Repeat(`{"not":`, 40) + `{}` + strings.Repeat(`}`, 40)
	for _, row := range []struct{ name, schema, path, message string }{
		{"a keyword that is misspelt", `{"properties":{"a":{"maxLenght":1}}}`, "schema.properties.a.maxLenght", "did you mean maxLength?"},
		{"a member outside of properties", `{"amount":{"type":"integer"}}`, "schema.amount", "no keyword"},
		{"a keyword of a wrong kind", `{"type":7}`, "schema", "type"},
		{"an invalid pattern", `{"properties":{"a":{"pattern":"("}}}`, "schema", "("},
		{"properties that are a list", `{"properties":[]}`, "schema", "properties"},
		{"an older dialect", `{"$schema":"http://json-schema.org/draft-07/schema#"}`, "schema.$schema", "2020-12"},
		{"an older dialect within", `{"$defs":{"a":{"$id":"urn:a","$schema":"http://json-schema.org/draft-07/schema#"}}}`, "schema.$defs.a.$schema", "2020-12"},
		{"a reference elsewhere", `{"properties":{"a":{"$ref":"https://example.com/a.json"}}}`, "schema", "outside of the schema"},
		{"a reference to a file", `{"properties":{"a":{"$ref":"file:///etc/passwd"}}}`, "schema", "outside of the schema"},
		{"a reference to nothing", `{"properties":{"a":{"$ref":"#/$defs/a"}}}`, "schema", "$defs/a"},
		{"nested too deep", deep, "", "nested more"},
	} {
		t.Run(row.name, func(t *testing.T) {
			kind, problems := details.Compile(declared(t, row.schema))
			if kind != nil || len(problems) != 1 {
				t.Fatalf("got %v, %v", kind, problems)
			}
			if p := problems[0]; row.path != "" && p.Path != row.path || !strings.Contains(p.Message, row.message) {
				t.Errorf("got %v", p)
			}
		})
	}
}

// The registration is shown to operators as it was written.
func TestCompileDoesNotChangeRegistration(t *testing.T) {
	d := declared(t, `{"properties":{"a":{"properties":{}}}}`)
	before, _ := json.Marshal(d)
	if _, problems := details.Compile(d); len(problems) > 0 {
		t.Fatal(problems)
	}
	if after, _ := json.Marshal(d); string(before) != string(after) {
		t.Errorf("%s became %s", before, after)
	}
}

// FuzzSchemas checks that no schema and no detail makes the library panic, and that
// no schema without additional or unevaluated properties accepts an unknown member.
func FuzzSchemas(f *testing.F) {
	for _, s := range []string{
		`{"properties":{"a":{"type":"integer"}}}`, `{"allOf":[{"properties":{"a":{}}}]}`, `{"additionalProperties":true}`,
		`{"$ref":"#"}`, `{"properties":{"a":{"$ref":"#/properties/a"}}}`, `{"$dynamicRef":"#x"}`, `{"if":{},"then":{"required":["a"]}}`,
	} {
		f.Add(s, `{"type":"payment","a":1}`)
	}
	f.Fuzz(func(t *testing.T, schema, detail string) {
		d := exchange.DetailType{Type: "payment", Scope: "pay"}
		var members map[string]any
		if json.Unmarshal([]byte(schema), &d.Schema) != nil || json.Unmarshal([]byte(detail), &members) != nil || members == nil {
			return
		}
		kind, problems := details.Compile(d)
		if kind == nil || strings.Contains(strings.ToLower(schema), "propert") {
			if kind == nil && len(problems) == 0 {
				t.Error("neither compiled nor refused")
			}
			return
		}
		members["a member that no schema names"] = 1.0
		if kind.Schema.Check(members) == nil {
			t.Errorf("%s accepts an unknown member", schema)
		}
	})
}
