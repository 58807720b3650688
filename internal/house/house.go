package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

const (
	module       = "github.com/percore/percore"
	fileLinesMax = 600
	funcLinesMax = 70
)

// Exception lets one place break one rule, for a stated reason.
type Exception struct {
	Rule, Key, Why string
	Lines          int // "function length" only: today's length; it may shrink, never grow
}

// layers gives the direction of imports: a package may import lower layers only.
var layers = map[string]int{"ring": 1, "runtime": 2, "net": 3, "tls": 4, "h2": 5, "examples": 6, "bench": 6}

// clauses are the package names that differ from the folder's, so that a bare
// runtime., net. or tls. is the standard library everywhere.
var clauses = map[string]string{"runtime": "coreruntime", "net": "corenet", "tls": "coretls"}

// File is one Go file with what the rules ask about it.
type File struct {
	path, dir, top string // slash separated, relative to the root; "" for the root's dir and top
	test           bool
	src            []byte
	ast            *ast.File
	fset           *token.FileSet
	imports        map[string]string // local name -> import path
	exceptions     []Exception
	used           map[Exception]bool
}

// Parse makes a File of src as if it lay at name.
func Parse(name string, src []byte, exceptions []Exception, used map[Exception]bool) (*File, error) {
	f := &File{path: name, src: src, fset: token.NewFileSet(), imports: map[string]string{}, exceptions: exceptions, used: used}
	if dir := path.Dir(name); dir != "." {
		f.dir, f.top = dir, strings.SplitN(dir, "/", 2)[0]
	}
	f.test = strings.HasSuffix(name, "_test.go") || strings.HasSuffix(f.dir, "test") || f.dir == "internal/leak"
	var err error
	if f.ast, err = parser.ParseFile(f.fset, name, src, parser.ParseComments|parser.SkipObjectResolution); err != nil {
		return nil, err
	}
	for _, imp := range f.ast.Imports {
		p, _ := strconv.Unquote(imp.Path.Value)
		local := path.Base(p)
		if c, ok := clauses[strings.TrimPrefix(p, module+"/")]; ok {
			local = c
		}
		if imp.Name != nil {
			local = imp.Name.Name
		}
		f.imports[local] = p
	}
	return f, nil
}

// at formats one finding.
func (f *File) at(pos token.Pos, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: ", f.path, f.fset.Position(pos).Line) + fmt.Sprintf(format, args...)
}

// excused looks up the exception of a rule and remembers that it was needed.
func (f *File) excused(rule, key string) (Exception, bool) {
	for _, e := range f.exceptions {
		if e.Rule == rule && e.Key == key {
			f.used[e] = true
			return e, true
		}
	}
	return Exception{}, false
}

// Rules judge one file at a time.
var Rules = []struct {
	Name  string
	Check func(f *File) []string
}{
	{"import direction", checkDirection},
	{"imports", checkImports},
	{"package clause", checkClause},
	{"banned calls", checkBans},
	{"go statements", checkGo},
	{"panics", checkPanics},
	{"words", checkWords},
	{"lengths", checkLengths},
	{"gofmt", checkFormat},
	{"documentation", checkDocs},
	{"unfinished", checkUnfinished},
	{"skips", checkSkips},
	{"package variables", checkVars},
}

// Check applies every rule to every Go file under dir, and reports exceptions
// that excuse nothing any more.
func Check(dir string, exceptions []Exception) (map[string][]string, error) {
	used := map[Exception]bool{}
	files, err := load(dir, exceptions, used)
	if err != nil {
		return nil, err
	}
	findings := map[string][]string{}
	for _, r := range Rules {
		findings[r.Name] = nil
		for _, f := range files {
			findings[r.Name] = append(findings[r.Name], r.Check(f)...)
		}
	}
	findings["doc.go"] = checkDocFiles(files)
	for _, e := range exceptions {
		if !used[e] {
			findings["exceptions"] = append(findings["exceptions"], e.Rule+" of "+e.Key+" excuses nothing any more: remove it")
		}
	}
	return findings, nil
}

func load(dir string, exceptions []Exception, used map[Exception]bool) (files []*File, err error) {
	err = fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		src, err := os.ReadFile(path.Join(dir, name))
		if err != nil {
			return err
		}
		f, err := Parse(name, src, exceptions, used)
		files = append(files, f)
		return err
	})
	return files, err
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
