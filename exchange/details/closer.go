package details

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cambio/exchange"
	"cambio/exchange/registration"
)

// Keywords (JSON Schema 2020-12) by what their values are.
var (
	// elsewhere have schemas that judge another place: a member or an element.
	membersElsewhere = []string{"properties", "patternProperties"}
	schemasElsewhere = []string{"items", "additionalProperties", "unevaluatedProperties", "unevaluatedItems"}
	listsElsewhere   = []string{"prefixItems"}
	// here have schemas that judge the same place as the schema they are in.
	membersHere = []string{"$defs", "dependentSchemas"}
	schemasHere = []string{"not", "if", "then", "else", "propertyNames", "contains"}
	listsHere   = []string{"allOf", "anyOf", "oneOf"}
	// plain have no schemas.
	plain = []string{
		"$id", "$schema", "$ref", "$anchor", "$dynamicRef", "$dynamicAnchor", "$comment",
		"type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum",
		"maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "maxContains", "minContains",
		"maxProperties", "minProperties", "required", "dependentRequired", "format",
		"title", "description", "default", "deprecated", "readOnly", "writeOnly", "examples",
	}
)

// closer closes a schema: wherever it judges an object it refuses the members
// that it does not name, unless it says so itself. unevaluatedProperties does
// that where additionalProperties would not see what allOf, anyOf or $ref name,
// so it goes once to each place and not into the schemas that share one.
type closer struct{ problems []exchange.Problem }

func (c *closer) add(path, format string, args ...any) {
	c.problems = append(c.problems, exchange.Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

// whole closes the one schema that judges a place.
func (c *closer) whole(path string, s any, depth int) {
	object, ok := s.(map[string]any)
	if !ok {
		return // true and false say what they mean
	}
	c.within(path, object, depth)
	_, additional := object["additionalProperties"]
	_, unevaluated := object["unevaluatedProperties"]
	if !additional && !unevaluated {
		object["unevaluatedProperties"] = false
	}
}

// within closes what a schema says of other places than its own.
func (c *closer) within(path string, s any, depth int) {
	object, ok := s.(map[string]any)
	if !ok {
		return
	}
	const deepest = 32
	if depth == deepest {
		c.add(path, "is nested more than %d deep", deepest)
		return
	}
	c.dialect(path, object)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		at, v := path+"."+name, object[name]
		switch {
		case slices.Contains(membersElsewhere, name):
			c.each(at, v, depth, c.whole)
		case slices.Contains(schemasElsewhere, name):
			c.whole(at, v, depth+1)
		case slices.Contains(listsElsewhere, name):
			c.each(at, v, depth, c.whole)
		case slices.Contains(membersHere, name), slices.Contains(listsHere, name):
			c.each(at, v, depth, c.within)
		case slices.Contains(schemasHere, name):
			c.within(at, v, depth+1)
		case !slices.Contains(plain, name) && !strings.HasPrefix(name, "x-"):
			c.unknown(at, name)
		}
	}
}

// each calls do for the schemas in an object or array. What is neither is for
// the compiler to refuse.
func (c *closer) each(path string, v any, depth int, do func(string, any, int)) {
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

// dialect refuses other versions, in which the keyword that closes a schema
// means nothing.
func (c *closer) dialect(path string, object map[string]any) {
	const known = "https://json-schema.org/draft/2020-12/schema"
	if v, said := object["$schema"]; said && v != known {
		c.add(path+".$schema", "must be %s, or absent", known)
	}
}

// unknown refuses a keyword that validators ignore: somebody meant something
// by it.
func (c *closer) unknown(path, name string) {
	known := slices.Concat(plain, membersElsewhere, schemasElsewhere, listsElsewhere, membersHere, schemasHere, listsHere)
	c.add(path, "%s is no keyword of JSON Schema 2020-12%s", exchange.Quote(name), registration.DidYouMean(name, known))
}
