package strictjson

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Names are the member names that a caller knows. It is immutable.
type Names struct {
	all   []string
	mixed []string // those that are not lower-case ASCII
}

// Known returns the set of names.
func Known(names ...string) *Names {
	n := &Names{all: names}
	for _, name := range names {
		if !lowerASCII(name) {
			n.mixed = append(n.mixed, name)
		}
	}
	return n
}

func (n *Names) has(name string) bool { return n != nil && slices.Contains(n.all, name) }

// variant returns the known name that name equals only when case is ignored: a
// reader that ignores case would take one for the other.
func (n *Names) variant(name string) (known string, ok bool) {
	candidates := n.all
	if lowerASCII(name) { // the usual case, for which few names need comparing
		candidates = n.mixed
	}
	for _, c := range candidates {
		if name == c {
			return "", false
		}
		if strings.EqualFold(name, c) {
			known, ok = c, true
		}
	}
	return known, ok
}

// lowerASCII reports whether each character of name is its own lower case.
func lowerASCII(name string) bool {
	for i := range len(name) {
		if c := name[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

// fewNames is the number of names up to which comparing them one by one is
// cheaper than a map.
const fewNames = 16

// nameSet finds a repeated name in time that does not grow with the square of
// the number of names.
type nameSet struct {
	few  [fewNames]string
	n    int
	many map[string]struct{}
}

// add reports whether name is new.
func (s *nameSet) add(name string) bool {
	if s.n < fewNames {
		for _, f := range s.few[:s.n] {
			if f == name {
				return false
			}
		}
		s.few[s.n] = name
		s.n++
		return true
	}
	if s.many == nil {
		s.many = make(map[string]struct{}, 2*fewNames)
		for _, f := range s.few {
			s.many[f] = struct{}{}
		}
	}
	before := len(s.many)
	s.many[name] = struct{}{}
	return len(s.many) > before
}
