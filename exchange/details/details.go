// Package details compiles the JSON Schemas (2020-12) of registered types of
// authorization_details (RFC 9396 §2.1). A schema is compiled when it is
// registered, and never fetches another.
package details

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cambio/exchange"
	"cambio/exchange/registration"

	"github.com/santhosh-tekuri/jsonschema/v6"
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

// The keywords of JSON Schema 2020-12, by what they apply to.
var (
	// children apply one schema to members or elements of the instance,
	// childLists several, in an object or array.
	children   = []string{"items", "additionalProperties", "unevaluatedProperties", "unevaluatedItems"}
	childLists = []string{"properties", "patternProperties", "prefixItems"}
	// inPlace and inPlaceLists apply schemas to the instance itself.
	inPlace      = []string{"not", "if", "then", "else", "propertyNames", "contains"}
	inPlaceLists = []string{"$defs", "dependentSchemas", "allOf", "anyOf", "oneOf"}
	// plain have no schemas.
	plain = []string{
		"$id", "$schema", "$ref", "$anchor", "$dynamicRef", "$dynamicAnchor", "$comment",
		"type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum",
		"maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "maxContains", "minContains",
		"maxProperties", "minProperties", "required", "dependentRequired", "format",
		"title", "description", "default", "deprecated", "readOnly", "writeOnly", "examples",
	}
)

// closer closes a schema: it makes every object refuse the members that its schema
// does not name, unless the schema has a keyword for them. It adds
// unevaluatedProperties, because additionalProperties does not see the members that
// allOf, anyOf or $ref name. It adds it once for each instance, not to schemas that
// are applied in place.
type closer struct{ exchange.Problems }

// close closes the outermost schema that applies to an instance.
func (c *closer) close(path string, s any, depth int) {
	object, ok := s.(map[string]any)
	if !ok {
		return // true and false are complete
	}
	c.closeChildren(path, object, depth)
	_, additional := object["additionalProperties"]
	_, unevaluated := object["unevaluatedProperties"]
	if !additional && !unevaluated {
		object["unevaluatedProperties"] = false
	}
}

// closeChildren closes the schemas of members and elements.
func (c *closer) closeChildren(path string, s any, depth int) {
	object, ok := s.(map[string]any)
	if !ok {
		return
	}
	const deepest = 32
	if depth == deepest {
		c.Add(path, "is nested more than %d deep", deepest)
		return
	}
	// In other versions the keyword that closes a schema has no meaning.
	const dialect = "https://json-schema.org/draft/2020-12/schema"
	if v, set := object["$schema"]; set && v != dialect {
		c.Add(path+".$schema", "must be %s, or absent", dialect)
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		at, v := path+"."+name, object[name]
		switch {
		case slices.Contains(children, name):
			c.close(at, v, depth+1)
		case slices.Contains(childLists, name):
			each(at, v, depth, c.close)
		case slices.Contains(inPlace, name):
			c.closeChildren(at, v, depth+1)
		case slices.Contains(inPlaceLists, name):
			each(at, v, depth, c.closeChildren)
		case !slices.Contains(plain, name) && !strings.HasPrefix(name, "x-"):
			// Validators ignore it, which cannot be what the operator means.
			known := slices.Concat(plain, children, childLists, inPlace, inPlaceLists)
			c.Add(at, "%s is no keyword of JSON Schema 2020-12%s", exchange.Quote(name), registration.DidYouMean(name, known))
		}
	}
}

// each calls do for the schemas in an object or array. Other values are left for
// the compiler to refuse.
func each(path string, v any, depth int, do func(string, any, int)) {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			do(path+"."+name, v[name], depth+1)
		}
	case []any:
		for i, s := range v {
			do(fmt.Sprintf("%s[%d]", path, i), s, depth+1)
		}
	}
}
