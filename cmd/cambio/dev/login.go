package dev

import (
	"html/template"
	"net/http"
)

// loginPage is the login form. It posts to its own URL, which names the pending
// authorization request.
var loginPage = template.Must(template.New("login").Parse(`<!doctype html>
<meta charset="utf-8">
<title>Log in at the demo provider</title>
<style>body{font:1rem system-ui;max-width:22rem;margin:4rem auto}input,button{font:inherit;display:block;width:100%;margin:.3rem 0 1rem;padding:.4rem;box-sizing:border-box}</style>
<h1>Demo provider</h1>
<p>Users <b>alice</b> and <b>bob</b>; the password is the name.</p>
{{with .}}<p role="alert">{{.}}</p>{{end}}
<form method="post">
<label>User <input name="username" autofocus autocomplete="username"></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label>
<button>Log in</button>
</form>
`))

// login shows the page. After a correct password it redirects the browser to the
// provider's callback, which creates the code.
func (p *Provider) login(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		p.showLogin(w, http.StatusOK, "")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	name, password := r.PostFormValue("username"), r.PostFormValue("password")
	if _, known := p.store.users[name]; !known || password != name {
		p.showLogin(w, http.StatusUnauthorized, "That is not one of the demo users.")
		return
	}
	id := r.URL.Query().Get("authRequestID")
	if err := p.store.logIn(id, name); err != nil {
		p.showLogin(w, http.StatusBadRequest, "This login has expired; start again at the application.")
		return
	}
	http.Redirect(w, r, p.callback(r.Context(), id), http.StatusFound)
}

func (p *Provider) showLogin(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	loginPage.Execute(w, message)
}
