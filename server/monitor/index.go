package monitor

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
)

//go:embed index.html
var indexHTML string

// indexPage fills indexHTML. The template escapes what it is given, so a server
// may have any name.
var indexPage = template.Must(template.New("index").Parse(indexHTML))

// link is an entry of the index page.
type link struct {
	Path  string
	Title string
}

// serveIndex shows a page with links to the other endpoints.
func (m *Monitor) serveIndex(w http.ResponseWriter, _ *http.Request) {
	page := struct {
		Identity
		Base  string
		Links []link
	}{Identity: m.src.Identity(), Base: m.basePath}
	for _, e := range m.endpoints {
		if e.title != "" {
			page.Links = append(page.Links, link{Path: e.paths[0], Title: e.title})
		}
	}
	var body bytes.Buffer
	if err := indexPage.Execute(&body, page); err != nil {
		writeText(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	writeBody(w, http.StatusOK, body.Bytes())
}
