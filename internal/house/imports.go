package house

import (
	"path"
	"strconv"
	"strings"
)

// h2Edge are how the only files of h2 begin that know percore's runtime, net and tls, or
// the standard library's network: everything else is bytes in, bytes out.
var h2Edge = []string{"server", "client", "http"}

var h2Banned = []string{"net", "net/http", "crypto/tls", "os", "syscall", "sync", "runtime", "golang.org/x/sys/unix"}

// pureOurs are the packages of ours that pure code may import.
var pureOurs = []string{"internal/invariants", "internal/plant"}

// outside are the only foreign packages; tests, examples and benches may use more of x/net.
var outside = []string{"golang.org/x/sys/unix", "golang.org/x/net/http2/hpack"}

// tagged are foreign packages that only files of one name may import: they have a build tag.
var tagged = map[string]string{"github.com/pawelgaczynski/giouring": "ring/prep_giouring.go"}

var outsideTests = []string{"golang.org/x/net/http2"}

// checkDirection: ring <- runtime <- net <- tls <- h2 <- examples, bench.
func checkDirection(f *File) (bad []string) {
	for _, imp := range f.ast.Imports {
		p, _ := strconv.Unquote(imp.Path.Value)
		rel, ours := strings.CutPrefix(p, module+"/")
		if !ours {
			continue
		}
		to := strings.SplitN(rel, "/", 2)[0]
		switch {
		case strings.HasPrefix(rel, f.top+"/internal/"):
		case f.top == "" && rel != "internal/house":
			bad = append(bad, f.at(imp.Pos(), "the root imports nothing of ours"))
		case f.top == "examples" && f.test && rel == "internal/deny": // what a program says on a machine that refuses
		case to == "internal" && (f.top == "examples"):
			bad = append(bad, f.at(imp.Pos(), "examples use the public API only, not %s", rel))
		case to == "internal" && f.top == "ring" && strings.HasPrefix(rel, "internal/driver"):
			bad = append(bad, f.at(imp.Pos(), "drivers stand on ring, not the reverse"))
		case to == "internal" || rel == f.dir:
		case f.top == "internal" && to != "ring":
			bad = append(bad, f.at(imp.Pos(), "internal packages may import ring and internal only, not %s", rel))
		case f.top != "internal" && layers[to] >= layers[f.top]:
			bad = append(bad, f.at(imp.Pos(), "%s may not import %s: ring <- runtime <- net <- tls <- h2 <- examples, bench", f.top, rel))
		}
	}
	return bad
}

// checkImports: no alias for ours, nothing foreign, h2 pure but for its edge.
func checkImports(f *File) (bad []string) {
	pure := f.dir == "h2" && !f.test && !onEdge(path.Base(f.path))
	for _, imp := range f.ast.Imports {
		p, _ := strconv.Unquote(imp.Path.Value)
		ours := p == module || strings.HasPrefix(p, module+"/")
		colliding := p == "runtime" || p == "net" || p == "crypto/tls"
		if imp.Name != nil && (ours || colliding || imp.Name.Name == ".") {
			bad = append(bad, f.at(imp.Pos(), "%s needs no alias: the package clauses differ already", p))
		}
		if strings.Contains(strings.SplitN(p, "/", 2)[0], ".") && !ours && !contains(outside, p) && tagged[p] != f.path && !((f.test || layers[f.top] == 6) && contains(outsideTests, p)) {
			bad = append(bad, f.at(imp.Pos(), "%s is not one of the packages we depend on", p))
		}
		if p == "unsafe" && outsideRing(f) {
			if _, ok := f.excused("unsafe", f.path); !ok {
				bad = append(bad, f.at(imp.Pos(), "unsafe belongs to ring and the drivers"))
			}
		}
		if !pure || (!contains(h2Banned, p) && !(ours && !contains(pureOurs, strings.TrimPrefix(p, module+"/")))) {
			continue
		}
		if _, ok := f.excused("pure h2", f.path); !ok {
			bad = append(bad, f.at(imp.Pos(), "%s in h2 belongs to files named %v*; the rest is bytes in, bytes out", p, h2Edge))
		}
	}
	return bad
}

func onEdge(base string) bool {
	for _, prefix := range h2Edge {
		if strings.HasPrefix(base, prefix) {
			return true
		}
	}
	return false
}

func checkClause(f *File) []string {
	want, got := path.Base(f.dir), strings.TrimSuffix(f.ast.Name.Name, "_test")
	if c, ok := clauses[f.dir]; ok {
		want = c
	}
	if f.dir == "" {
		want = "percore"
	}
	program := got == "main" && layers[f.top] == 6
	if got == want || program {
		return nil
	}
	return []string{f.at(f.ast.Package, "package %s: this folder's package clause is %s", got, want)}
}
