package registry

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// leaf is a scalar of a JSON value.
type leaf struct{ path, value string }

// diff returns how two registrations as they are shown differ: what was added or
// changed, then what was removed.
func diff(was, now any) []string {
	var out []string
	before, after := leaves(was), leaves(now)
	old, next := values(before), values(after)
	for _, l := range after {
		was, had := old[l.path]
		switch {
		case !had:
			out = append(out, fmt.Sprintf("+ %s: %s", l.path, brief(l.value)))
		case was != l.value:
			out = append(out, fmt.Sprintf("~ %s: %s → %s", l.path, brief(was), brief(l.value)))
		}
	}
	for _, l := range before {
		if _, kept := next[l.path]; !kept {
			out = append(out, fmt.Sprintf("- %s: %s", l.path, brief(l.value)))
		}
	}
	return out
}

func values(list []leaf) map[string]string {
	out := make(map[string]string, len(list)) // path → value
	for _, l := range list {
		out[l.path] = l.value
	}
	return out
}

// leaves returns the scalars of a registration, in the order of their paths.
func leaves(registration any) []leaf {
	var out []leaf
	var tree any
	text, err := json.Marshal(registration)
	if err == nil {
		err = json.Unmarshal(text, &tree)
	}
	if err != nil {
		return []leaf{{"registration", err.Error()}}
	}
	walk("", tree, func(path, value string) { out = append(out, leaf{path, value}) })
	return out
}

func walk(path string, tree any, leaf func(path, value string)) {
	switch t := tree.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(t)) {
			walk(member(path, k), t[k], leaf)
		}
	case []any:
		for n, v := range t {
			walk(fmt.Sprintf("%s[%d]", path, n), v, leaf)
		}
	case string:
		if path != "id" && t != "" { // the change has it
			leaf(path, strconv.Quote(t))
		}
	case nil:
	default:
		leaf(path, fmt.Sprint(t))
	}
}

// member returns the path of a member, where either may be empty.
func member(path, name string) string {
	if path == "" || name == "" {
		return path + name
	}
	return path + "." + name
}

// brief returns a value for one line: of a long one, such as a key set, the
// beginning and a hash.
func brief(value string) string {
	const longest, shown = 120, 60
	if len(value) <= longest {
		return value
	}
	return fmt.Sprintf("%.*s… (%d bytes, SHA-256 %x)", shown, value, len(value), sha256.Sum256([]byte(value)))
}
