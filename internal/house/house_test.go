package house

import (
	"strings"
	"testing"
)

// TestRulesCatch shows each rule a file that breaks it: a rule that finds nothing here finds nothing anywhere.
func TestRulesCatch(t *testing.T) {
	const ours = "github.com/percore/percore/"
	for _, c := range []struct{ rule, path, src, want string }{
		{"import direction", "net/a.go", "package corenet\nimport _ \"" + ours + "tls\"\n", "net may not import tls"},
		{"import direction", "ring/a.go", "package ring\nimport _ \"" + ours + "internal/driver/epoll\"\n", "not the reverse"},
		{"import direction", "internal/x/a.go", "package x\nimport _ \"" + ours + "runtime\"\n", "ring and internal only"},
		{"import direction", "examples/a/a.go", "package main\nimport _ \"" + ours + "internal/leak\"\n", "public API only"},
		{"imports", "h2/a.go", "package h2\nimport corenet \"" + ours + "net\"\n", "needs no alias"},
		{"imports", "h2/frame.go", "package h2\nimport \"" + ours + "net\"\n", "bytes in, bytes out"},
		{"imports", "h2/frame.go", "package h2\nimport \"crypto/tls\"\n", "bytes in, bytes out"},
		{"imports", "net/a.go", "package corenet\nimport \"github.com/x/y\"\n", "not one of the packages"},
		{"imports", "net/a.go", "package corenet\nimport \"unsafe\"\n", "unsafe belongs"},
		{"package clause", "net/a.go", "package net\n", "is corenet"},
		{"banned calls", "net/a.go", "package corenet\nimport \"time\"\nvar x = time.Now()\n", "time.Now is banned"},
		{"banned calls", "h2/a.go", "package h2\nimport \"sync\"\ntype x struct{ mu sync.Mutex }\n", "sync.Mutex is banned"},
		{"banned calls", "h2/a_test.go", "package h2\nimport \"time\"\nfunc x() { time.Sleep(1) }\n", "no synchronisation"},
		{"go statements", "h2/a.go", "package h2\nfunc x() { go x() }\n", "go statement"},
		{"panics", "h2/a.go", "package h2\nfunc x() { panic(\"no\") }\n", "panic without"},
		{"words", "h2/a.go", "package h2\n// x is a wor" + "ker.\ntype x int\n", "say core"},
		{"words", "h2/a.go", "package h2\ntype pack" + "etReader int\n", "say frame"},
		{"lengths", "h2/a.go", "package h2\nfunc x() {" + strings.Repeat("\n", 80) + "}\n", "at most 70"},
		{"lengths", "h2/a.go", "package h2\n" + strings.Repeat("\n", 601), "at most 600"},
		{"gofmt", "h2/a.go", "package h2\nvar  x = 1\n", "not formatted"},
		{"documentation", "h2/a.go", "package h2\ntype X int\n", "exported X"},
		{"documentation", "h2/a.go", "package h2\n\n// X is.\ntype X int\nfunc (X) Do() {}\n", "exported Do"},
		{"unfinished", "h2/a.go", "package h2\n// TO" + "DO: more\n", "finish it"},
		{"skips", "h2/a_test.go", "package h2\nimport \"testing\"\nfunc x(t *testing.T) { t.Skip(\"no\") }\n", "skip without"},
		{"package variables", "h2/a.go", "package h2\nvar n int\n", "mutable state"},
		{"package variables", "h2/a.go", "package h2\nvar n = 1\nfunc x() { n++ }\n", "written once"},
	} {
		f, err := Parse(c.path, []byte(c.src), nil, map[Exception]bool{})
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, r := range Rules {
			if r.Name == c.rule {
				found = r.Check(f)
			}
		}
		if len(found) == 0 || !strings.Contains(found[0], c.want) {
			t.Errorf("%s: %q\nfound %q, want %q", c.rule, c.src, found, c.want)
		}
	}
}

// TestRulesAllow shows what must not be found.
func TestRulesAllow(t *testing.T) {
	const src = `package coretls

import (
	"crypto/tls"
	"net"

	"github.com/percore/percore/net"
)

// open passes session tickets on; networkError is no banned word.
func open(c *corenet.Conn, s tls.ClientSessionCache, networkError net.Error) {
	if c == nil {
		panic("BUG: tls: open without a connection")
	}
}
`
	f, err := Parse("tls/a.go", []byte(src), nil, map[Exception]bool{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Rules {
		for _, finding := range r.Check(f) {
			t.Errorf("%s: %s", r.Name, finding)
		}
	}
}

// TestExceptions: an exception excuses its place alone, and a stale one is told.
func TestExceptions(t *testing.T) {
	e := Exception{Rule: "go", Key: "h2/a.go", Why: "test"}
	used := map[Exception]bool{}
	for path, want := range map[string]int{"h2/a.go": 0, "h2/b.go": 1} {
		f, err := Parse(path, []byte("package h2\nfunc x() { go x() }\n"), []Exception{e}, used)
		if err != nil {
			t.Fatal(err)
		}
		if found := checkGo(f); len(found) != want {
			t.Errorf("%s: %q", path, found)
		}
	}
	if !used[e] {
		t.Error("the exception was not marked as used")
	}
}
