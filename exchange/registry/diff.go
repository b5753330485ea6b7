package registry

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// scalars are the scalars of a JSON value by their paths.
type scalars struct {
	paths  []string // in the order of the value
	values map[string]string
}

func (s *scalars) add(path, value string) {
	s.paths, s.values[path] = append(s.paths, path), value
}

// diff returns how two registrations as they are shown differ: what was added or
// changed, then what was removed.
func diff(was, now any) []string {
	var out []string
	before, after := scalarsOf(was), scalarsOf(now)
	for _, path := range after.paths {
		value := brief(after.values[path])
		switch was, had := before.values[path]; {
		case !had:
			out = append(out, fmt.Sprintf("+ %s: %s", path, value))
		case was != after.values[path]:
			out = append(out, fmt.Sprintf("~ %s: %s → %s", path, brief(was), value))
		}
	}
	for _, path := range before.paths {
		if _, kept := after.values[path]; !kept {
			out = append(out, fmt.Sprintf("- %s: %s", path, brief(before.values[path])))
		}
	}
	return out
}

func scalarsOf(registration any) scalars {
	s := scalars{values: map[string]string{}}
	var tree any
	text, err := json.Marshal(registration)
	if err == nil {
		err = json.Unmarshal(text, &tree)
	}
	if err != nil {
		s.add("registration", err.Error())
	}
	s.walk("", tree)
	return s
}

func (s *scalars) walk(path string, tree any) {
	switch t := tree.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(t)) {
			s.walk(member(path, k), t[k])
		}
	case []any:
		for n, v := range t {
			s.walk(fmt.Sprintf("%s[%d]", path, n), v)
		}
	case string:
		if path != "id" && t != "" { // the change has it
			s.add(path, strconv.Quote(t))
		}
	case nil:
	default:
		s.add(path, fmt.Sprint(t))
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
