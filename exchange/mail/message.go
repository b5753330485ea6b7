package mail

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"errors"
	htmltemplate "html/template"
	"net/mail"
	"strings"
	texttemplate "text/template"
	"unicode"

	gomail "github.com/wneessen/go-mail"
)

// message is the data of the templates.
type message struct {
	Client  string // may be empty
	Code    string
	Minutes int
}

//go:embed code.txt
var plainSource string

//go:embed code.html
var htmlSource string

var (
	plainTemplate = texttemplate.Must(texttemplate.New("code.txt").Parse(plainSource))
	htmlTemplate  = htmltemplate.Must(htmltemplate.New("code.html").Parse(htmlSource))
)

// compose returns the message. Its subject does not contain the code: subjects appear
// on lock screens and in the logs of mail servers.
func (s *Sender) compose(to string, m message) (*gomail.Msg, error) {
	recipient, err := mail.ParseAddress(to)
	if err != nil || recipient.Address != to {
		return nil, errors.New("the recipient is not an address of the form local@domain")
	}
	var plain, html bytes.Buffer
	if err := plainTemplate.Execute(&plain, m); err != nil {
		return nil, err
	}
	if err := htmlTemplate.Execute(&html, m); err != nil {
		return nil, err
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(s.from)
	msg.ToMailAddress(recipient)
	msg.Subject(subject(m.Client))
	msg.SetDate()
	msg.SetMessageIDWithValue(rand.Text() + "@" + s.helo)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 §5: no automatic responses
	msg.SetBodyString(gomail.TypeTextPlain, plain.String())
	msg.AddAlternativeString(gomail.TypeTextHTML, html.String())
	return msg, nil
}

func subject(client string) string {
	if client == "" {
		return "Your login code"
	}
	return "Your login code for " + client
}

// oneLine returns a name for a header: characters that could begin another line
// become spaces.
func oneLine(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, name)
}
