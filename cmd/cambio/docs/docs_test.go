package docs

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cambio/exchange"
)

func text(t *testing.T, topic string) string {
	t.Helper()
	topics, err := Topics()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(topics, func(p Topic) bool { return p.Name == topic })
	if i < 0 {
		t.Fatalf("there is no topic %s", topic)
	}
	return topics[i].Text
}

// rows returns the cells of the table rows whose first cell is code.
func rows(t *testing.T, topic string) (out [][]string) {
	t.Helper()
	for _, line := range regexp.MustCompile("(?m)^\\| `.*\\|$").FindAllString(text(t, topic), -1) {
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		out = append(out, cells)
	}
	return out
}

func TestTopicsHaveTitles(t *testing.T) {
	topics, err := Topics()
	if err != nil {
		t.Fatal(err)
	}
	if len(topics) < 7 {
		t.Errorf("found %d topics", len(topics))
	}
	for _, p := range topics {
		if p.Title == "" || strings.HasPrefix(p.Title, "#") || !strings.HasPrefix(p.Text, "# "+p.Title) {
			t.Errorf("%s has the title %q", p.Name, p.Title)
		}
	}
}

func TestEveryErrorCodeIsDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, cells := range rows(t, "errors") {
		code := strings.Trim(cells[0], "`")
		if documented[code] {
			t.Errorf("%s is documented twice", code)
		}
		documented[code] = true
		r := exchange.Reason(code).Response()
		if want := fmt.Sprintf("%d `%s`", r.Status, r.Code); cells[1] != want {
			t.Errorf("%s is documented as %s, and is %s", code, cells[1], want)
		}
		if len(cells) != 5 || slices.Contains(cells, "") {
			t.Errorf("%s lacks its meaning, cause or fix: %q", code, cells)
		}
	}
	for _, r := range exchange.Reasons() {
		if !documented[string(r)] {
			t.Errorf("%s is not documented", r)
		}
		delete(documented, string(r))
	}
	for code := range documented {
		t.Errorf("%s is documented and does not exist", code)
	}
}

func TestEveryManifestFieldIsDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, cells := range rows(t, "trust") {
		path := strings.Trim(cells[0], "`")
		if documented[path] {
			t.Errorf("%s is documented twice", path)
		}
		documented[path] = true
	}
	leaves, all := map[string]bool{}, map[string]bool{}
	fieldsOf(reflect.TypeFor[exchange.Manifest](), "", leaves, all)
	for path := range leaves {
		if !documented[path] {
			t.Errorf("%s is not documented", path)
		}
	}
	for path := range documented {
		if !all[path] {
			t.Errorf("%s is documented and does not exist", path)
		}
	}
	if len(leaves) < 80 {
		t.Errorf("found %d fields", len(leaves))
	}
}

// sections are documented once, without the path of the field that holds them.
var sections = regexp.MustCompile(`^(?:issuers|clients)\[\]\.(keys|claimMappings|claimValidationRules\[\]|scopeRules\[\])\.`)

// fieldsOf collects the YAML paths below a type: leaves are those without
// fields of their own.
func fieldsOf(typ reflect.Type, path string, leaves, all map[string]bool) {
	switch typ.Kind() {
	case reflect.Pointer:
		fieldsOf(typ.Elem(), path, leaves, all)
		return
	case reflect.Slice:
		if typ.Elem().Kind() == reflect.Struct {
			fieldsOf(typ.Elem(), path+"[]", leaves, all)
			return
		}
	case reflect.Struct:
		for f := range typ.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if name == "" || name == "-" {
				continue
			}
			below := strings.TrimPrefix(path+"."+name, ".")
			below = sections.ReplaceAllString(below, "$1.")
			all[below] = true
			if f.Type == reflect.TypeFor[[]exchange.Keys]() { // which has the fields of what holds it
				leaves[below] = true
				continue
			}
			fieldsOf(f.Type, below, leaves, all)
		}
		return
	}
	leaves[path] = true
}
