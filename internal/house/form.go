package house

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/token"
	"regexp"
	"strings"
)

// words are banned because each has one percore word already.
var words = []struct {
	re      *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`\b[wW]orker|Worker`), "core, or ordinary goroutine"},
	{regexp.MustCompile(`(?i)reactor`), "loop of a core"},
	{regexp.MustCompile(`(?i)\bfib(er|re)s?\b|Fiber`), "task"},
	{regexp.MustCompile(`(?i)session`), "connection (only TLS has session tickets)"},
	{regexp.MustCompile(`(?i)packet`), "frame, record or buffer"},
}

// notOurs are names of other people, cut out before words are looked for.
var notOurs = regexp.MustCompile(`(?i)session[- ]?(id[- ])?(ticket|key)s?\w*|ClientSessionCache|NewLRUClientSessionCache|SessionState|` +
	`(un)?wrapsession|EnableSessionEvents|ticket session|net\.PacketConn|ListenPacket|TCP packets?|packet loss`)

func checkWords(f *File) (bad []string) {
	if f.test {
		return nil
	}
	look := func(pos token.Pos, text string) {
		for _, w := range Words(text) {
			bad = append(bad, f.at(pos, "%s", w))
		}
	}
	for _, group := range f.ast.Comments {
		look(group.Pos(), strings.Join(strings.Fields(group.Text()), " "))
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			look(id.Pos(), id.Name)
		}
		return true
	})
	return bad
}

// Words returns what a text says in a word that is not ours.
func Words(text string) (bad []string) {
	text = notOurs.ReplaceAllString(text, "")
	for _, w := range words {
		if m := w.re.FindString(text); m != "" {
			bad = append(bad, fmt.Sprintf("%q: say %s", m, w.instead))
		}
	}
	return bad
}

// checkLengths is a ratchet: what is too long today is listed and may only shrink.
func checkLengths(f *File) (bad []string) {
	if n := bytes.Count(f.src, []byte("\n")); n > fileLinesMax {
		bad = append(bad, fmt.Sprintf("%s: %d lines, at most %d: split it by concern", f.path, n, fileLinesMax))
	}
	for _, d := range f.ast.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		n := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1
		limit := funcLinesMax
		if e, ok := f.excused("function length", f.path+":"+fn.Name.Name); ok {
			limit = e.Lines
			if n < limit {
				bad = append(bad, f.at(fn.Pos(), "%s has shrunk to %d lines: lower or remove its exception", fn.Name.Name, n))
			}
		}
		if n > limit {
			bad = append(bad, f.at(fn.Pos(), "%s has %d lines, at most %d", fn.Name.Name, n, limit))
		}
	}
	return bad
}

func checkFormat(f *File) []string {
	if out, err := format.Source(f.src); err != nil || !bytes.Equal(out, f.src) {
		return []string{f.path + ": not formatted: run gofmt -w"}
	}
	return nil
}

var unfinished = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)

func checkUnfinished(f *File) (bad []string) {
	for i, line := range strings.Split(string(f.src), "\n") {
		if m := unfinished.FindString(line); m != "" {
			bad = append(bad, fmt.Sprintf("%s:%d: %s: finish it, or say it as a known limit", f.path, i+1, m))
		}
	}
	return bad
}
