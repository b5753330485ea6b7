package dev

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// mailFile holds the last mail, in the folder.
const mailFile = "mail.txt"

// mailbox prints mails instead of delivering them.
type mailbox struct {
	file string
	mu   sync.Mutex // held while a mail is shown
	show io.Writer
}

// NewMailbox returns an SMTP server for loopback that prints each mail to show and
// writes the last one to u's folder.
func NewMailbox(u URLs, show io.Writer) *smtp.Server {
	box := &mailbox{file: filepath.Join(u.Folder, mailFile), show: show}
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &delivery{box: box}, nil }))
	s.Domain = "127.0.0.1"
	s.ReadTimeout, s.WriteTimeout = 10*time.Second, 10*time.Second
	s.MaxMessageBytes, s.MaxRecipients = 1<<20, 1
	return s
}

// delivery is one connection. It implements smtp.Session.
type delivery struct {
	box *mailbox
	to  string
}

func (d *delivery) Mail(string, *smtp.MailOptions) error { return nil }

func (d *delivery) Rcpt(to string, _ *smtp.RcptOptions) error {
	d.to = to
	return nil
}

func (d *delivery) Data(r io.Reader) error {
	text, err := readMail(r)
	if err != nil {
		return err
	}
	d.box.mu.Lock()
	defer d.box.mu.Unlock()
	if err := os.WriteFile(d.box.file, []byte(text), 0o600); err != nil {
		return err
	}
	_, err = fmt.Fprintf(d.box.show, "\n--- mail to %s ---\n%s\n---\n", d.to, strings.TrimSpace(text))
	return err
}

func (d *delivery) Reset() { d.to = "" }

func (d *delivery) Logout() error { return nil }

// readMail returns the subject and the plain text of a mail.
func readMail(r io.Reader) (string, error) {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return "", err
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		return "", err
	}
	body := m.Body
	if media, params, err := mime.ParseMediaType(m.Header.Get("Content-Type")); err == nil && strings.HasPrefix(media, "multipart/") {
		part, err := multipart.NewReader(body, params["boundary"]).NextPart() // undoes quoted-printable
		if err != nil {
			return "", err
		}
		body = part
	}
	text, err := io.ReadAll(body)
	return subject + "\n\n" + strings.ReplaceAll(string(text), "\r\n", "\n"), err
}
