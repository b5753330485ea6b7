package registration

import (
	"fmt"
	"slices"
	"strings"
)

// DidYouMean ends a message about a word that is not known. It suggests the
// known word that is at most two edits away, or that ends in ":" and the word, as
// the grant type urn:…:token-exchange does. It is empty if no known word is near.
func DidYouMean(word string, known []string) string {
	const far, longest = 3, 128 // edits, bytes
	word = strings.ToLower(word)
	if word == "" || len(word) > longest || len(known) == 0 {
		return ""
	}
	distance := func(k string) int {
		k = strings.ToLower(k)
		if len(word) > far && strings.HasSuffix(k, ":"+word) {
			return 0
		}
		return edits(word, k)
	}
	best := slices.MinFunc(known, func(a, b string) int { return distance(a) - distance(b) })
	if distance(best) >= min(far, len(word)) {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

// edits returns the Levenshtein distance, in bytes.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
