package hijack_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"strings"
	"testing"
)

// Everything that is exported has a comment that says what it is.
func TestEverythingIsDocumented(t *testing.T) {
	files := token.NewFileSet()
	packages, err := parser.ParseDir(files, ".", func(info fs.FileInfo) bool {
		return !strings.HasSuffix(info.Name(), "_test.go")
	}, parser.ParseComments)
	must(t, err)
	exported := 0
	need := func(at token.Pos, name string, comments ...*ast.CommentGroup) {
		if !ast.IsExported(name) {
			return
		}
		exported++
		for _, comment := range comments {
			if comment.Text() != "" {
				return
			}
		}
		t.Errorf("%v: %s has no comment", files.Position(at), name)
	}
	for _, file := range packages["hijack"].Files {
		for _, declaration := range file.Decls {
			switch it := declaration.(type) {
			case *ast.FuncDecl:
				need(it.Pos(), it.Name.Name, it.Doc)
			case *ast.GenDecl:
				for _, spec := range it.Specs {
					switch it2 := spec.(type) {
					case *ast.TypeSpec:
						need(it2.Pos(), it2.Name.Name, it2.Doc, it.Doc)
						needFields(it2, need)
					case *ast.ValueSpec:
						comments := []*ast.CommentGroup{it2.Doc, it2.Comment}
						if !it.Lparen.IsValid() { // one that stands alone
							comments = append(comments, it.Doc)
						}
						for _, name := range it2.Names {
							need(name.Pos(), name.Name, comments...)
						}
					}
				}
			}
		}
	}
	if exported < 100 {
		t.Errorf("only %d exported names were found", exported)
	}
}

func needFields(spec *ast.TypeSpec, need func(token.Pos, string, ...*ast.CommentGroup)) {
	structure, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, field := range structure.Fields.List {
		for _, name := range field.Names {
			need(name.Pos(), name.Name, field.Doc, field.Comment)
		}
	}
}
