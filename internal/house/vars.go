package house

import (
	"go/ast"
	"go/token"
)

// checkVars: package variables of a library are tables and errors, written once.
func checkVars(f *File) (bad []string) {
	if !library(f) {
		return nil
	}
	names := map[string]bool{}
	for _, d := range f.ast.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			for _, n := range v.Names {
				names[n.Name] = n.Name != "_"
				if _, ok := f.excused("package variable", f.path+":"+n.Name); !ok && len(v.Values) == 0 && n.Name != "_" {
					bad = append(bad, f.at(n.Pos(), "%s: no package-level mutable state; put it into the runtime or the core", n.Name))
				}
			}
		}
	}
	return append(bad, assignments(f, names)...)
}

// assignments finds writes to package variables in their own file.
func assignments(f *File, names map[string]bool) (bad []string) {
	ast.Inspect(f.ast, func(n ast.Node) bool {
		var targets []ast.Expr
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				targets = n.Lhs
			}
		case *ast.IncDecStmt:
			targets = []ast.Expr{n.X}
		}
		for _, e := range targets {
			if id := root(e); id != nil && names[id.Name] {
				bad = append(bad, f.at(id.Pos(), "%s is a package variable: it is written once, at its declaration", id.Name))
			}
		}
		return true
	})
	return bad
}

func root(e ast.Expr) *ast.Ident {
	switch e := e.(type) {
	case *ast.Ident:
		return e
	case *ast.IndexExpr:
		return root(e.X)
	case *ast.SelectorExpr:
		return root(e.X)
	}
	return nil
}
