package house

import (
	"cmp"
	"go/ast"
	"go/token"
	"path"
	"strings"
)

// checkDocs: every exported name of a public package says what it is.
func checkDocs(f *File) (bad []string) {
	if f.test || f.ast.Name.Name == "main" || f.top == "internal" || f.top == "bench" || f.top == "" {
		return nil
	}
	need := func(pos token.Pos, name string, docs ...*ast.CommentGroup) {
		for _, d := range docs {
			if strings.TrimSpace(d.Text()) != "" {
				return
			}
		}
		bad = append(bad, f.at(pos, "exported %s has no documentation", name))
	}
	for _, d := range f.ast.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if ast.IsExported(d.Name.Name) && receiverExported(d) && !contains([]string{"Error", "String", "Unwrap", "Is", "CQEntries"}, d.Name.Name) {
				need(d.Pos(), d.Name.Name, d.Doc)
			}
		case *ast.GenDecl:
			for i, s := range d.Specs {
				docsOfSpec(d, s, inherited(d, i), need)
			}
		}
	}
	return bad
}

func receiverExported(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if ix, ok := typ.(*ast.IndexExpr); ok {
		typ = ix.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

// inherited is what the constants above the i-th say of all that follow them.
func inherited(d *ast.GenDecl, i int) *ast.CommentGroup {
	for ; d.Tok == token.CONST && i >= 0; i-- {
		if v := d.Specs[i].(*ast.ValueSpec); v.Doc != nil || v.Comment != nil {
			return cmp.Or(v.Doc, v.Comment)
		}
	}
	return nil
}

func docsOfSpec(d *ast.GenDecl, s ast.Spec, above *ast.CommentGroup, need func(token.Pos, string, ...*ast.CommentGroup)) {
	switch s := s.(type) {
	case *ast.ValueSpec:
		for _, n := range s.Names {
			if n.IsExported() {
				need(n.Pos(), n.Name, s.Doc, s.Comment, d.Doc, above)
			}
		}
	case *ast.TypeSpec:
		if !s.Name.IsExported() {
			return
		}
		need(s.Pos(), s.Name.Name, s.Doc, d.Doc)
	}
}

// checkDocFiles: each package tells its story in doc.go, with a drawing.
func checkDocFiles(files []*File) (bad []string) {
	docs, seen := map[string]string{}, map[string]bool{}
	for _, f := range files {
		if f.dir != "" && !f.test {
			seen[f.dir] = true
		}
		if path.Base(f.path) == "doc.go" || (f.ast.Name.Name == "main" && f.ast.Doc != nil) {
			docs[f.dir] = f.ast.Doc.Text()
		}
	}
	for dir := range seen {
		switch text := docs[dir]; {
		case text == "":
			bad = append(bad, dir+": no doc.go with a package comment")
		case !strings.Contains(text, "\n\t") && !strings.Contains(text, "\n  "):
			bad = append(bad, dir+": its package comment has no drawing")
		}
	}
	return bad
}
