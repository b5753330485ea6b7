package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"cambio/cmd/cambio/docs"
	"cambio/cmd/cambio/manifest"
	"cambio/cmd/cambio/settings"
	"cambio/exchange"
)

// documents returns the README and the manual: name → Markdown.
func documents(t *testing.T) map[string]string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"README.md": string(readme)}
	topics, err := docs.Topics()
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range topics {
		all[topic.Name] = topic.Text
	}
	return all
}

func TestDocumentedYAMLIsAccepted(t *testing.T) {
	manifests, configs := 0, 0
	for document, text := range documents(t) {
		for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(text, -1) {
			name := filepath.Join(t.TempDir(), "sample.yaml")
			if err := os.WriteFile(name, []byte(block[1]), 0o600); err != nil {
				t.Fatal(err)
			}
			var err error
			if strings.HasPrefix(block[1], "issuers:") || strings.HasPrefix(block[1], "clients:") {
				manifests++
				_, err = manifest.Read(name, nil)
			} else {
				configs++
				_, err = settings.Load(name, nil)
			}
			if err != nil {
				t.Errorf("%s: %v in\n%s", document, err, block[1])
			}
		}
	}
	if manifests < 3 || configs < 1 {
		t.Errorf("found %d manifests and %d configurations", manifests, configs)
	}
}

// TestDocumentedCommandsExist looks up every `cambio …` in the documents.
func TestDocumentedCommandsExist(t *testing.T) {
	root := (&cli{}).root()
	found := 0
	for document, text := range documents(t) {
		for _, m := range regexp.MustCompile("(?m)(?:^|`|&& |cmd/)cambio((?: [a-z][a-z-]+)+)").FindAllStringSubmatch(text, -1) {
			words := strings.Fields(m[1])
			cmd, rest, err := root.Find(words)
			if err != nil || cmd == root || len(rest) > 0 && cmd.HasSubCommands() && !cmd.Runnable() {
				t.Errorf("%s: there is no command %q", document, "cambio"+m[1])
			}
			found++
		}
	}
	if found < 30 {
		t.Errorf("found %d commands", found)
	}
}

func TestReadmeIsShort(t *testing.T) {
	readme := documents(t)["README.md"]
	if lines := strings.Count(readme, "\n"); lines > 200 {
		t.Errorf("README.md has %d lines, more than 200", lines)
	}
	head := strings.Join(strings.SplitN(readme, "\n", 23)[:22], "\n")
	if !strings.Contains(head, "cambio dev login") || !strings.Contains(head, "/oauth/token") {
		t.Error("README.md does not obtain a session within 22 lines")
	}
}

// TestEverySettingIsDocumented compares the rows of `cambio docs settings` with
// the fields of Config: the setting, its environment variable, and its default
// where it is a plain value.
func TestEverySettingIsDocumented(t *testing.T) {
	documented := map[string]string{} // environment variable → row
	for _, row := range regexp.MustCompile("(?m)^\\| .*`CAMBIO_.*$").FindAllString(documents(t)["settings"], -1) {
		cells := strings.Split(row, "|")
		documented[strings.Trim(cells[2], " `")] = strings.TrimSpace(cells[1]) + "|" + strings.TrimSpace(cells[3])
	}
	defaults, err := settings.Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{} // environment variable → the row's beginning
	documentableSettings(reflect.ValueOf(defaults), "", "CAMBIO_", rows)
	for name, want := range rows {
		if got, ok := documented[name]; !ok || !strings.HasPrefix(got, want) {
			t.Errorf("%s is documented as %q, want %q", name, got, want)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("%s is documented and does not exist", name)
	}
	if len(rows) < 25 {
		t.Errorf("found %d settings", len(rows))
	}
}

func documentableSettings(v reflect.Value, path, prefix string, rows map[string]string) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if below, ok := f.Tag.Lookup("envPrefix"); ok {
			documentableSettings(v.Field(i), path+name+".", prefix+below, rows)
			continue
		}
		cell := "|"
		if name != "-" {
			cell = "`" + path + name + "`|"
		}
		if d, ok := v.Field(i).Interface().(exchange.Duration); ok {
			cell += "`" + strings.NewReplacer("h0m0s", "h", "m0s", "m").Replace(d.String()) + "`"
		}
		rows[prefix+f.Tag.Get("env")] = cell
	}
}
