package policy

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

// misuse returns why a well-typed expression cannot have its role.
func misuse(checked *cel.Ast, role role, found uses) string {
	got := checked.OutputType()
	switch {
	case (role == roleCondition || role == roleScope) && !got.IsExactType(types.BoolType):
		hint := ""
		if got.IsExactType(types.DynType) {
			hint = "; compare it, as in claims.email_verified == true"
		}
		return fmt.Sprintf("must be true or false, but is %s%s", got, hint)
	case role == roleMapping && !makesString(got):
		return fmt.Sprintf("must be a string, but is %s; convert it with string(…)", got)
	case role == roleExtra && !makesJSON(got):
		return fmt.Sprintf("must be a JSON value, but is %s", got)
	case found.product != "":
		return fmt.Sprintf("%s may take only one operand from claims: with two, a token decides how much work it causes", found.product)
	case role == roleMapping && len(found.claims) == 0 && !found.whole:
		return "does not use claims, so every user would have the same subject"
	}
	return ""
}

func makesString(t *types.Type) bool {
	for t.Kind() == types.OpaqueKind && t.TypeName() == "optional_type" {
		t = t.Parameters()[0]
	}
	return t.IsExactType(types.StringType) || t.IsExactType(types.DynType) || t.IsExactType(types.NullType)
}

func makesJSON(t *types.Type) bool {
	switch t.Kind() {
	case types.BytesKind, types.DurationKind, types.TimestampKind, types.TypeKind:
		return false
	}
	return true
}

// describe formats the errors of CEL, with line, column and caret.
func describe(issues *cel.Issues, text string) string {
	const most = 3
	all := issues.Errors()
	var lines []string
	for _, e := range all[:min(most, len(all))] {
		line, column := e.Location.Line(), e.Location.Column()
		lines = append(lines, fmt.Sprintf("%s, at line %d, column %d%s", plain(e.Message), line, column+1, caret(text, line, column)))
	}
	if len(all) > most {
		lines = append(lines, fmt.Sprintf("and %d more", len(all)-most))
	}
	return strings.Join(lines, "\n")
}

// plain returns CEL's message without what only its authors can use.
func plain(message string) string {
	message, _, _ = strings.Cut(message, " expecting {")
	message = strings.TrimPrefix(message, "Syntax error: ")
	for _, name := range timeFunctions {
		if strings.Contains(message, "reference to '"+name+"'") {
			return message + " (expressions have no clock; a token's times are checked before them)"
		}
	}
	return message
}

// caret shows a line and points at a column, counted in characters from 0.
func caret(text string, line, column int) string {
	lines := strings.Split(text, "\n")
	if line < 1 || line > len(lines) || column < 0 || column > len([]rune(lines[line-1])) {
		return ""
	}
	return "\n | " + lines[line-1] + "\n | " + strings.Repeat(".", column) + "^"
}
