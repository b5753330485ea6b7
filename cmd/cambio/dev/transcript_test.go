package dev

import (
	"os"
	"strings"
	"testing"
)

// The README shows what `cambio dev` prints, without the comments.
func TestReadmeHasTheTranscript(t *testing.T) {
	var printed strings.Builder
	if err := WriteTranscript(&printed, NewURLs(8080, ""), Demo{}); err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, commands, found := strings.Cut(printed.String(), "\nfield()")
	if !found {
		t.Fatalf("printed %q", printed.String())
	}
	var want []string
	for line := range strings.Lines("field()" + commands) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			want = append(want, line)
		}
	}
	if text := strings.Join(want, "\n"); !strings.Contains(string(readme), text+"\n```") {
		t.Errorf("README.md lacks what cambio dev prints:\n%s", text)
	}
}
