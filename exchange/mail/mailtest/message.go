package mailtest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"regexp"
	"strings"
	"testing"
)

// Message is a message that a Server has accepted.
type Message struct {
	From string   // of the envelope
	To   []string // of the envelope
	User string   // the authenticated user
	TLS  bool

	Raw     []byte
	Header  mail.Header
	Subject string // decoded
	Text    string // the part of type text/plain, decoded
	HTML    string // the part of type text/html, decoded
}

// Code returns the only number of six digits in the plain text.
func (m Message) Code(t testing.TB) string {
	t.Helper()
	found := regexp.MustCompile(`\b[0-9]{6}\b`).FindAllString(m.Text, -1)
	if len(found) != 1 {
		t.Fatalf("the message has %d codes:\n%s", len(found), m.Text)
	}
	return found[0]
}

// read parses a message of one part or of alternatives (RFC 2046 §5.1.4).
func (m *Message) read(raw []byte) error {
	m.Raw = raw
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	m.Header = msg.Header
	if m.Subject, err = new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject")); err != nil {
		return err
	}
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	if !strings.HasPrefix(kind, "multipart/") {
		return m.part(textproto.MIMEHeader(msg.Header), msg.Body)
	}
	parts := multipart.NewReader(msg.Body, params["boundary"])
	for err == nil {
		var p *multipart.Part
		if p, err = parts.NextRawPart(); err == nil {
			err = m.part(p.Header, p)
		}
	}
	if err == io.EOF {
		return nil
	}
	return err
}

func (m *Message) part(h textproto.MIMEHeader, body io.Reader) error {
	switch encoding := strings.ToLower(h.Get("Content-Transfer-Encoding")); encoding {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "", "7bit", "8bit":
	default:
		return fmt.Errorf("transfer encoding %q", encoding)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	switch kind, _, err := mime.ParseMediaType(h.Get("Content-Type")); {
	case err != nil:
		return err
	case kind == "text/plain":
		m.Text = string(text)
	case kind == "text/html":
		m.HTML = string(text)
	default:
		return fmt.Errorf("a part of type %q", kind)
	}
	return nil
}
