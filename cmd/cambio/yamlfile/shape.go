package yamlfile

import (
	"encoding"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"cambio/exchange"
	"cambio/exchange/registration"
)

// shape compares a YAML tree with the Go type that it is to fill. The decoder
// alone stops at the first error, names Go types, and loses the position of
// values that a type reads itself.
type shape struct {
	doc    *Document
	errors Errors
}

func (s *shape) refuse(at *token.Token, hint, format string, args ...any) {
	e := s.doc.error(at, fmt.Sprintf(format, args...))
	e.Hint = hint
	s.errors = append(s.errors, e)
}

func (s *shape) check(n ast.Node, t reflect.Type) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch n.(type) {
	case *ast.NullNode: // absent, which always means the default
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		s.refuse(n.GetToken(), "write the value itself at each place", "anchors, aliases and tags are not read here")
	default:
		s.value(n, t)
	}
}

func (s *shape) value(n ast.Node, t reflect.Type) {
	if _, list := n.(*ast.SequenceNode); t == reflect.TypeFor[exchange.Words]() && !list {
		s.scalar(n, t.Elem())
		return
	}
	if _, list := n.(*ast.SequenceNode); t == reflect.TypeFor[exchange.Keys]() && list {
		s.list(n, reflect.TypeFor[[]exchange.Keys]())
		return
	}
	if reader, ok := reflect.New(t).Interface().(encoding.TextUnmarshaler); ok {
		s.text(n, t, reader)
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		s.mapping(n, func(pair *ast.MappingValueNode) { s.field(pair, t) })
	case reflect.Map:
		s.mapping(n, func(pair *ast.MappingValueNode) { s.check(pair.Value, t.Elem()) })
	case reflect.Slice:
		s.list(n, t)
	case reflect.Interface:
		s.anything(n, t)
	default:
		s.scalar(n, t)
	}
}

// anything checks a value that may have any shape, such as a schema.
func (s *shape) anything(n ast.Node, t reflect.Type) {
	if seq, ok := n.(*ast.SequenceNode); ok {
		for _, v := range seq.Values {
			s.check(v, t)
		}
	}
	pairs, _ := pairsOf(n)
	for _, pair := range pairs {
		s.check(pair.Value, t)
	}
}

func (s *shape) mapping(n ast.Node, each func(*ast.MappingValueNode)) {
	pairs, ok := pairsOf(n)
	if !ok {
		s.refuse(first(n), "", "want a mapping, got %s", kindOf(n))
	}
	for _, pair := range pairs {
		each(pair)
	}
}

func (s *shape) field(pair *ast.MappingValueNode, t reflect.Type) {
	name := keyOf(pair)
	known := map[string]reflect.Type{}
	for f := range t.Fields() {
		if tag, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); tag != "" && tag != "-" {
			known[tag] = f.Type
		}
	}
	if ft, ok := known[name]; ok {
		s.check(pair.Value, ft)
		return
	}
	names := slices.Sorted(maps.Keys(known))
	s.refuse(pair.Key.GetToken(), "", "unknown field %s%s", exchange.Quote(name), registration.DidYouMean(name, names))
}

func (s *shape) list(n ast.Node, t reflect.Type) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		s.refuse(first(n), "", "want a list, got %s", kindOf(n))
		return
	}
	for _, v := range seq.Values {
		if _, null := v.(*ast.NullNode); null {
			s.refuse(v.GetToken(), "", "want %s, got nothing", wordOf(t.Elem()))
			continue
		}
		s.check(v, t.Elem())
	}
}

func (s *shape) text(n ast.Node, t reflect.Type, reader encoding.TextUnmarshaler) {
	str, ok := n.(*ast.StringNode)
	if !ok {
		s.refuse(first(n), "", "want a string, got %s", kindOf(n))
		return
	}
	if err := reader.UnmarshalText([]byte(str.Value)); err != nil {
		s.refuse(n.GetToken(), "", "%s", Misread(t, str.Value, err))
	}
}

func (s *shape) scalar(n ast.Node, t reflect.Type) {
	if got, want := kindOf(n), wordOf(t); got != want {
		hint := ""
		if want == "a string" && (got == "a number" || got == "a boolean") {
			hint = "put it in quotes" // not repeated: a secret can be a number
		}
		s.refuse(first(n), hint, "want %s, got %s", want, got)
	}
}

// Misread returns an error that says what a value of type t looks like, where
// the type's own error err does not. Other types' errors say so themselves, and do
// not repeat secret values.
func Misread(t reflect.Type, value string, err error) error {
	var want string
	switch t {
	case reflect.TypeFor[bool]():
		want = "true or false"
	case reflect.TypeFor[int]():
		want = "a whole number"
	case reflect.TypeFor[slog.Level]():
		want = "debug, info, warn or error"
	case reflect.TypeFor[netip.Prefix]():
		want = "a network such as 10.0.0.0/8"
	case reflect.TypeFor[time.Time]():
		want = "a time such as 2027-01-31T00:00:00Z"
	case reflect.TypeFor[[]netip.Prefix]():
		want = "networks such as 10.0.0.0/8,fd00::/8"
	default:
		return err
	}
	return fmt.Errorf("want %s, got %s", want, exchange.Quote(value))
}
