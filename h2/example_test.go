package h2_test

import (
	"io"
	"log"

	"github.com/percore/percore/h2"
)

// A server with one native handler; it runs as a task on the core of the request's connection.
func Example() {
	handler := h2.HandlerFunc(func(w *h2.Response, r *h2.Request) {
		switch r.RawPath() {
		case "/echo":
			io.Copy(w, r.Body)
		default:
			w.Set("content-type", "text/plain")
			w.WriteString("Hello, World!")
		}
	})
	log.Fatal(h2.ListenAndServe(":8080", handler))
}
