package server

import (
	"maps"
	"slices"
)

// Doors are the paths of all doors, for tests that try each of them.
func (s *Server) Doors() []string {
	entries := s.list()
	maps.DeleteFunc(entries, func(_ string, e *entry) bool { return !e.door })
	return slices.Sorted(maps.Keys(entries))
}
