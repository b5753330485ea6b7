// Package docs holds the manual that `cambio docs` prints, one Markdown file
// per topic. Its tables of errors, settings and manifest fields are checked
// against the code, and its samples are run by the tests.
package docs

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed *.md
var files embed.FS

// Topic is a part of the manual.
type Topic struct {
	Name  string `json:"name"`  // as `cambio docs` takes it
	Title string `json:"title"` // the first heading
	Text  string `json:"text"`  // Markdown
}

// Topics returns all topics in the order of their names.
func Topics() ([]Topic, error) {
	names, err := fs.Glob(files, "*.md")
	if err != nil {
		return nil, err
	}
	var topics []Topic
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		heading, _, _ := strings.Cut(string(text), "\n")
		topics = append(topics, Topic{strings.TrimSuffix(name, ".md"), strings.TrimPrefix(heading, "# "), string(text)})
	}
	return topics, nil
}
