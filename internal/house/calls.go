package house

import (
	"go/ast"
	"regexp"
	"strconv"
	"strings"
)

// ban is a call or type of the standard library that has a better replacement here.
type ban struct {
	name    string // import path + "." + name
	in      func(f *File) bool
	instead string
}

var bans = []ban{
	{"time.Now", library, "use the now that the turn passes down, or Core.Until for a user's time.Time"},
	{"time.Since", library, "subtract from the now that the turn passes down"},
	{"time.Sleep", library, "use Core.Sleep in a task, Core.SetTimer in a protocol"},
	{"time.After", library, "use Core.SetTimer"},
	{"time.AfterFunc", library, "use Core.SetTimer"},
	{"time.NewTimer", library, "use Core.SetTimer"},
	{"time.NewTicker", library, "use Core.NewTicker"},
	{"sync.Mutex", onCore, "a core owns its state alone; tasks use coreruntime.Mutex"},
	{"sync.RWMutex", onCore, "a core owns its state alone; tasks use coreruntime.Mutex"},
	{"sync.Cond", library, "use coreruntime.Waiter"},
	{"sync.WaitGroup", onCore, "use Task.Wait or coreruntime.Join"},
	{"sync.Pool", library, "use Core.Chunk, or a free list of the core"},
	{"fmt.Print", library, "log through the runtime's Logger"},
	{"fmt.Printf", library, "log through the runtime's Logger"},
	{"fmt.Println", library, "log through the runtime's Logger"},
	{"log.Print", library, "log through the runtime's Logger"},
	{"log.Printf", library, "log through the runtime's Logger"},
	{"log.Println", library, "log through the runtime's Logger"},
	{"log.Fatal", library, "return an error"},
	{"log.Fatalf", library, "return an error"},
	{"os.Exit", library, "return an error"},
	{"os.Getenv", library, "take it as a field of a Config"},
	{"runtime.LockOSThread", outsideRuntime, "a core locks its own thread; nobody else does"},
	{"runtime.GOMAXPROCS", outsideRuntime, "the runtime alone sets it, once, and says so"},
	{"golang.org/x/sys/unix.RawSyscall6", outsideRing, "a raw call holds its P against the garbage collector; ring and the drivers know when that is safe"},
	{"golang.org/x/sys/unix.RawSyscall", outsideRing, "a raw call holds its P against the garbage collector; ring and the drivers know when that is safe"},
	{"syscall.RawSyscall6", outsideRing, "a raw call holds its P against the garbage collector; ring and the drivers know when that is safe"},
	{"time.Sleep", isTest, "wait for the event itself (a channel, a counter, a deadline loop); sleeping is no synchronisation"},
}

func library(f *File) bool        { return !f.test && layers[f.top] < 6 }
func onCore(f *File) bool         { return !f.test && layers[f.top] >= 3 && layers[f.top] <= 5 }
func outsideRuntime(f *File) bool { return library(f) && f.top != "runtime" }
func outsideRing(f *File) bool {
	return library(f) && f.top != "ring" && !strings.HasPrefix(f.dir, "internal/driver")
}

func isTest(f *File) bool { return f.test }

func checkBans(f *File) (bad []string) {
	ast.Inspect(f.ast, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := sel.X.(*ast.Ident)
		if !ok || f.imports[x.Name] == "" {
			return true
		}
		name := f.imports[x.Name] + "." + sel.Sel.Name
		for _, b := range bans {
			if b.name != name || !b.in(f) {
				continue
			}
			if _, ok := f.excused(name, f.path); !ok {
				bad = append(bad, f.at(n.Pos(), "%s is banned here: %s", name, b.instead))
			}
		}
		return true
	})
	return bad
}

// checkGo: a library starts a goroutine only where the exceptions say so.
func checkGo(f *File) (bad []string) {
	if !library(f) {
		return nil
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if _, ok := n.(*ast.GoStmt); ok {
			if _, ok := f.excused("go", f.path); !ok {
				bad = append(bad, f.at(n.Pos(), "go statement: use Core.Go for a task, Offload for code that blocks"))
			}
		}
		return true
	})
	return bad
}

// blame: a panic names whose bug it is, ours or that of the code that called us.
var blame = regexp.MustCompile(`^(BUG|percore|h2): `)

// checkPanics: a library panics about its own bugs only, and says so.
func checkPanics(f *File) (bad []string) {
	if !library(f) {
		return nil
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if id, ok := call.Fun.(*ast.Ident); ok && (id.Name == "print" || id.Name == "println") {
			bad = append(bad, f.at(n.Pos(), "%s: log through the runtime's Logger", id.Name))
		}
		if id, ok := call.Fun.(*ast.Ident); !ok || id.Name != "panic" || blame.MatchString(leftmost(call.Args[0])) {
			return true
		}
		if _, ok := f.excused("panic", f.path); !ok {
			bad = append(bad, f.at(n.Pos(), `panic without "BUG: " (ours) or "percore: " (the caller's code): a peer's fault is an error`))
		}
		return true
	})
	return bad
}

// leftmost is the string literal a message begins with.
func leftmost(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, _ := strconv.Unquote(e.Value)
		return s
	case *ast.BinaryExpr:
		return leftmost(e.X)
	case *ast.CallExpr:
		if len(e.Args) > 0 {
			return leftmost(e.Args[0])
		}
	}
	return ""
}

var remedy = regexp.MustCompile(`install|needs? |without -short`)

// checkSkips: a test that does not run says what would make it run.
func checkSkips(f *File) (bad []string) {
	ast.Inspect(f.ast, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !f.test || !contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) {
			return true
		}
		if len(call.Args) == 0 || !remedy.MatchString(leftmost(call.Args[0])) {
			bad = append(bad, f.at(n.Pos(), `skip without saying what it needs ("needs X: install Y")`))
		}
		return true
	})
	return bad
}
