// Package details compiles the JSON Schemas (2020-12) that types of
// authorization_details are registered with (RFC 9396 §2.1). A schema is
// compiled when it is written; it fetches nothing, then or later.
package details

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"cambio/exchange"
)

// Compile makes a type ready. Its schema is closed first: see [exchange.DetailType].
// Problems have paths relative to the type.
func Compile(t exchange.DetailType) (*exchange.DetailKind, []exchange.Problem) {
	doc, err := document(t)
	if err != nil {
		return nil, []exchange.Problem{{Path: "schema", Message: err.Error()}}
	}
	c := closer{}
	c.whole("schema", doc, 0)
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	named(doc, t.Type)
	compiled, err := compile(doc)
	if err != nil {
		return nil, []exchange.Problem{{Path: "schema", Message: reason(err)}}
	}
	return &exchange.DetailKind{Type: &t, Schema: schema{compiled}}, nil
}

// document is the schema as the library reads one, a copy.
func document(t exchange.DetailType) (map[string]any, error) {
	text, err := json.Marshal(t.Schema)
	if err != nil {
		return nil, fmt.Errorf("is not JSON: %w", err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("is not JSON: %w", err)
	}
	object, ok := doc.(map[string]any)
	if !ok {
		return nil, errors.New("is not an object")
	}
	return object, nil
}

// named has details say what type they are of, which few schemas repeat.
func named(doc map[string]any, typ string) {
	if doc["properties"] == nil {
		doc["properties"] = map[string]any{}
	}
	properties, ok := doc["properties"].(map[string]any)
	if _, said := properties["type"]; ok && !said {
		properties["type"] = map[string]any{"const": typ}
	}
}

func compile(doc map[string]any) (*jsonschema.Schema, error) {
	const name = "urn:cambio:detail-type"
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.UseLoader(nowhere{})
	if err := c.AddResource(name, doc); err != nil {
		return nil, err
	}
	return c.Compile(name)
}

// nowhere loads nothing: a schema is all that an operator wrote.
type nowhere struct{}

func (nowhere) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s is elsewhere; a $ref stays within the schema", exchange.Quote(url))
}

// schema is an [exchange.DetailSchema].
type schema struct{ compiled *jsonschema.Schema }

func (s schema) Check(detail map[string]any) error {
	if err := s.compiled.Validate(detail); err != nil {
		return errors.New(reason(err))
	}
	return nil
}

// reason is what the library says, in one line and without its headline.
func reason(err error) string {
	text := err.Error()
	if _, causes, more := strings.Cut(text, "\n"); more {
		text = causes
	}
	return strings.Join(strings.Fields(text), " ")
}
