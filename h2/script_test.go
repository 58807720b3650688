package h2

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestScripts plays testdata/*.txt. A file holds cases, each begun by "== name"; a case is a list of commands, one
// a line, executed in order against a new connection:
//
//	limits Name=value ...                     before open: Limits
//	open NAME=value ...                       preface and SETTINGS, with these values
//	preface TEXT                              instead of open: these bytes (\n and \r are escapes)
//	request ID [END] METHOD PATH name=value ...
//	headers ID [END] name=value ...           a bare field section: trailers, or a malformed request
//	part ID [END] name=value ...              the same without END_HEADERS
//	cont ID [LAST] name=value ...             CONTINUATION
//	data ID [END] TEXT, or len=N
//	padded ID [END] PAD TEXT
//	window ID N   reset ID CODE   ping TEXT   pong TEXT   settings NAME=value ...   priority ID DEP
//	raw HEX                                   any bytes
//	advance DURATION   drain   eof
//	want TEXT ...                             the next frame; "..." at the end stands for any rest
//	idle                                      nothing more was sent
//	closed                                    the server has ended the connection
//	running N                                 so many handlers are alive
//
// Handlers are those of testHandler.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, part := range strings.Split("\n"+string(text), "\n== ") {
			name, commands, _ := strings.Cut(part, "\n")
			if i == 0 {
				continue // what stands before the first case is a comment
			}
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+name, func(t *testing.T) { playScript(t, commands) })
		}
	}
}

func playScript(t *testing.T, commands string) {
	s := script{t: t}
	for i, line := range strings.Split(commands, "\n") {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			s.line = strconv.Itoa(i+1) + ": " + line
			s.do(line)
		}
	}
	if s.p != nil {
		s.p.end()
	}
}

type script struct {
	t      *testing.T
	p      *testPeer
	limits Limits
	line   string
}

func (s *script) do(line string) {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "limits":
		s.setLimits(strings.Fields(rest))
	case "open":
		s.p = newOpenPeer(s.t, s.limits, HandlerFunc(testHandler), settingList(rest)...)
	case "preface":
		s.p = newTestPeer(s.t, s.limits, HandlerFunc(testHandler))
		s.p.out.WriteString(strings.NewReplacer(`\r`, "\r", `\n`, "\n").Replace(rest))
		s.p.push()
	case "want":
		s.check(func() { s.p.want(rest) })
	case "idle":
		s.check(s.p.wantIdle)
	case "closed":
		if !s.p.c.finished() {
			s.t.Fatalf("%s: the connection is not finished", s.line)
		}
	case "running":
		if n := strconv.Itoa(len(s.p.live)); n != rest {
			s.t.Fatalf("%s: %s handlers are running", s.line, n)
		}
	default:
		s.frame(verb, rest)
	}
}

// check names the line of the script in a failure.
func (s *script) check(f func()) {
	s.t.Helper()
	failed := true
	defer func() {
		if failed {
			s.t.Log("in line " + s.line)
		}
	}()
	f()
	failed = false
}

func (s *script) setLimits(args []string) {
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		n, _ := strconv.Atoi(value)
		switch name {
		case "StreamsMax":
			s.limits.StreamsMax = n
		case "HeaderBytesMax":
			s.limits.HeaderBytesMax = n
		case "HeaderFieldsMax":
			s.limits.HeaderFieldsMax = n
		case "StreamWindowMax":
			s.limits.StreamWindowMax = n
		default:
			s.t.Fatalf("%s: unknown limit", s.line)
		}
	}
}

// frame does what the client sends, or what happens to the connection.
func (s *script) frame(verb, rest string) {
	p, args := s.p, strings.Fields(rest)
	var id uint32
	if len(args) > 0 {
		n, _ := strconv.ParseUint(args[0], 10, 32)
		id, args = uint32(n), args[1:]
	}
	end := len(args) > 0 && (args[0] == "END" || args[0] == "LAST")
	if end {
		args = args[1:]
	}
	param := http2.HeadersFrameParam{StreamID: id, EndStream: end}
	switch verb {
	case "request":
		p.request(id, end, args[0], args[1], pairs(args[2:])...)
	case "headers":
		p.headers(id, end, pairs(args)...)
	case "part":
		param.BlockFragment = p.block(pairs(args)...)
		p.must(p.fr.WriteHeaders(param))
	case "cont":
		p.must(p.fr.WriteContinuation(id, end, p.block(pairs(args)...)))
	case "data":
		p.must(p.fr.WriteData(id, end, content(args)))
	case "padded":
		n, _ := strconv.Atoi(args[0])
		p.must(p.fr.WriteDataPadded(id, end, content(args[1:]), make([]byte, n)))
	case "window":
		n, _ := strconv.Atoi(args[0])
		p.must(p.fr.WriteWindowUpdate(id, uint32(n)))
	case "reset":
		n, _ := strconv.Atoi(args[0])
		p.must(p.fr.WriteRSTStream(id, http2.ErrCode(n)))
	case "ping", "pong":
		var data [8]byte
		copy(data[:], rest)
		p.must(p.fr.WritePing(verb == "pong", data))
	case "settings":
		p.must(p.fr.WriteSettings(settingList(rest)...))
	case "priority":
		n, _ := strconv.Atoi(args[0])
		p.must(p.fr.WritePriority(id, http2.PriorityParam{StreamDep: uint32(n)}))
	case "raw":
		b, err := hex.DecodeString(strings.ReplaceAll(rest, " ", ""))
		p.must(err)
		p.out.Write(b)
	case "advance":
		d, err := time.ParseDuration(rest)
		p.must(err)
		p.take(p.advance(d))
	case "drain":
		p.c.goAway(p.clock)
	case "eof":
		p.c.recvEOF()
	default:
		s.t.Fatalf("%s: unknown command", s.line)
	}
	s.check(p.push)
}

func pairs(args []string) (fields []string) {
	for _, arg := range args {
		at := 1 + strings.IndexByte(arg[1:], '=')
		fields = append(fields, arg[:at], strings.ReplaceAll(arg[at+1:], "~", " "))
	}
	return fields
}

func content(args []string) []byte {
	text := strings.Join(args, " ")
	if n, ok := strings.CutPrefix(text, "len="); ok {
		size, _ := strconv.Atoi(n)
		return make([]byte, size)
	}
	return []byte(text)
}

func settingList(text string) (list []http2.Setting) {
	for _, arg := range strings.Fields(text) {
		name, value, _ := strings.Cut(arg, "=")
		n, _ := strconv.ParseUint(value, 10, 32)
		for id := http2.SettingHeaderTableSize; id <= http2.SettingMaxHeaderListSize; id++ {
			if id.String() == name {
				list = append(list, http2.Setting{ID: id, Val: uint32(n)})
			}
		}
	}
	return list
}
