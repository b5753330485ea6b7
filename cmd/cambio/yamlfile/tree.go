package yamlfile

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// at returns the token of the value at a path such as $.issuers[0].audiences, or
// of its nearest parent that the file has. It returns nil in an empty file.
func (d *Document) at(path string) *token.Token {
	rest := strings.TrimPrefix(path, "$")
	node, at := d.root, (*token.Token)(nil)
	if node != nil {
		at = first(node)
	}
	for rest != "" && node != nil {
		next, key, tail := step(node, rest)
		if next == nil {
			break
		}
		node, at, rest = next, key, tail
	}
	return at
}

// step follows one segment of a path. A key may itself contain dots, so the
// keys of the node decide where the segment ends.
func step(n ast.Node, path string) (ast.Node, *token.Token, string) {
	if _, ok := n.(*ast.SequenceNode); ok { // a list may stand for exchange.Keys
		path = strings.TrimPrefix(path, ".sources")
	}
	if seq, ok := n.(*ast.SequenceNode); ok && strings.HasPrefix(path, "[") {
		index, tail, _ := strings.Cut(path[1:], "]")
		i, err := strconv.Atoi(index)
		if err != nil || i < 0 || i >= len(seq.Values) {
			return nil, nil, ""
		}
		return seq.Values[i], first(seq.Values[i]), tail
	}
	pairs, _ := pairsOf(n)
	for _, pair := range pairs {
		tail, ok := strings.CutPrefix(path, "."+keyOf(pair))
		if ok && (tail == "" || tail[0] == '.' || tail[0] == '[') {
			return pair.Value, pair.Key.GetToken(), tail
		}
	}
	return nil, nil, ""
}

func pairsOf(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// keyOf returns a mapping key without its quotes.
func keyOf(pair *ast.MappingValueNode) string {
	if s, ok := pair.Key.(*ast.StringNode); ok {
		return s.Value
	}
	return pair.Key.GetToken().Value
}

// first returns the first token of n. The tree's own token of a mapping is its
// first colon.
func first(n ast.Node) *token.Token {
	if pairs, ok := pairsOf(n); ok && len(pairs) > 0 {
		return pairs[0].Key.GetToken()
	}
	return n.GetToken()
}

func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.StringNode, *ast.LiteralNode:
		return "a string"
	case *ast.BoolNode:
		return "a boolean"
	case *ast.IntegerNode:
		return "a number"
	case *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a fraction"
	}
	return "nothing"
}

func wordOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "a mapping"
	case reflect.Slice:
		return "a list"
	case reflect.Bool:
		return "a boolean"
	case reflect.Int, reflect.Int64:
		return "a number"
	}
	return "a string"
}
