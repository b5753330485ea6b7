// Package details compiles the JSON Schemas (2020-12) of registered types of
// authorization_details (RFC 9396 §2.1). A schema is compiled when it is
// registered, and never fetches another.
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

// Compile compiles a type after closing its schema; see [exchange.DetailType].
// Paths of problems are relative to the type.
func Compile(t exchange.DetailType) (*exchange.DetailKind, []exchange.Problem) {
	doc, err := document(t)
	if err != nil {
		return nil, []exchange.Problem{{Path: "schema", Message: err.Error()}}
	}
	c := closer{}
	c.close("schema", doc, 0)
	if len(c.Problems) > 0 {
		return nil, c.Problems
	}
	addType(doc, t.Type)
	compiled, err := compile(doc)
	if err != nil {
		return nil, []exchange.Problem{{Path: "schema", Message: reason(err)}}
	}
	return &exchange.DetailKind{Type: &t, Schema: schema{compiled}}, nil
}

// document returns a copy of the schema, with the numbers that the library needs.
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

// addType declares the member type, which few schemas do.
func addType(doc map[string]any, typ string) {
	if doc["properties"] == nil {
		doc["properties"] = map[string]any{}
	}
	properties, ok := doc["properties"].(map[string]any)
	if _, declared := properties["type"]; ok && !declared {
		properties["type"] = map[string]any{"const": typ}
	}
}

func compile(doc map[string]any) (*jsonschema.Schema, error) {
	const name = "urn:cambio:detail-type"
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.UseLoader(noLoader{})
	if err := c.AddResource(name, doc); err != nil {
		return nil, err
	}
	return c.Compile(name)
}

// noLoader refuses to load any other schema.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s is outside of the schema; a $ref must stay within it", exchange.Quote(url))
}

// schema is an [exchange.DetailSchema].
type schema struct{ compiled *jsonschema.Schema }

func (s schema) Check(detail map[string]any) error {
	if err := s.compiled.Validate(detail); err != nil {
		return errors.New(reason(err))
	}
	return nil
}

// reason returns the library's message in one line and without its headline.
func reason(err error) string {
	text := err.Error()
	if _, causes, more := strings.Cut(text, "\n"); more {
		text = causes
	}
	return strings.Join(strings.Fields(text), " ")
}
