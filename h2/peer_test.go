package h2

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// testPeer is a client made of x/net's Framer and hpack: an oracle that shares no code with this package.
type testPeer struct {
	*fakeHost
	t    testing.TB
	out  bytes.Buffer // what the next send feeds
	fr   *http2.Framer
	enc  *hpack.Encoder
	hbuf bytes.Buffer
	in   bytes.Buffer
	rd   *http2.Framer
	got  []string          // frames received and not asked for, as text
	body map[uint32]string // DATA received, by stream
}

// newTestPeer returns a peer of a new connection, before the preface.
func newTestPeer(t testing.TB, limits Limits, handler Handler) *testPeer {
	p := &testPeer{fakeHost: newFakeHost(t, limits, handler), t: t, body: map[uint32]string{}}
	p.fr = http2.NewFramer(&p.out, nil)
	p.fr.AllowIllegalWrites = true
	p.enc = hpack.NewEncoder(&p.hbuf)
	p.rd = http2.NewFramer(nil, &p.in)
	p.rd.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	p.rd.SetMaxReadFrameSize(1<<24 - 1)
	return p
}

// newOpenPeer returns a peer that has exchanged preface and SETTINGS.
func newOpenPeer(t testing.TB, limits Limits, handler Handler, settings ...http2.Setting) *testPeer {
	p := newTestPeer(t, limits, handler)
	p.out.WriteString(Preface)
	p.must(p.fr.WriteSettings(settings...))
	p.must(p.fr.WriteSettingsAck())
	p.push()
	p.skip("SETTINGS")
	p.skip("WINDOW_UPDATE")
	p.want("SETTINGS ACK")
	return p
}

func (p *testPeer) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// block encodes fields given as name, value, name, value.
func (p *testPeer) block(fields ...string) []byte {
	p.hbuf.Reset()
	for i := 0; i < len(fields); i += 2 {
		p.must(p.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}))
	}
	return bytes.Clone(p.hbuf.Bytes())
}

// request sends a HEADERS frame for method and path with further fields.
func (p *testPeer) request(id uint32, end bool, method, path string, fields ...string) {
	p.t.Helper()
	all := append([]string{":method", method, ":scheme", "http", ":path", path, ":authority", "test"}, fields...)
	p.headers(id, end, all...)
}

func (p *testPeer) headers(id uint32, end bool, fields ...string) {
	p.t.Helper()
	p.must(p.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.block(fields...), EndStream: end, EndHeaders: true}))
	p.push()
}

func (p *testPeer) data(id uint32, end bool, data string) {
	p.t.Helper()
	p.must(p.fr.WriteData(id, end, []byte(data)))
	p.push()
}

// push feeds what was written and reads the answer.
func (p *testPeer) push() {
	p.t.Helper()
	out := bytes.Clone(p.out.Bytes())
	p.out.Reset()
	p.take(p.send(out))
}

// take turns bytes of the server into text.
func (p *testPeer) take(b []byte) {
	p.t.Helper()
	p.in.Write(b)
	for p.in.Len() > 0 {
		f, err := p.rd.ReadFrame()
		if err != nil {
			p.t.Fatalf("the server sent what x/net cannot read: %v (%v)", err, p.rd.ErrorDetail())
		}
		if d, ok := f.(*http2.DataFrame); ok {
			p.body[d.StreamID] += string(d.Data())
		}
		p.got = append(p.got, frameText(f))
	}
}

// want takes the next frame and compares its text; a trailing "..." stands for any rest.
func (p *testPeer) want(text string) {
	p.t.Helper()
	if len(p.got) == 0 {
		p.t.Fatalf("want %s, got idle", text)
	}
	got := p.got[0]
	p.got = p.got[1:]
	prefix, cut := strings.CutSuffix(text, "...")
	if got != text && !(cut && strings.HasPrefix(got, prefix)) {
		p.t.Fatalf("want %s\n got %s\nthen %q", text, got, p.got)
	}
}

// skip takes the next frame if it begins with prefix.
func (p *testPeer) skip(prefix string) {
	if len(p.got) > 0 && strings.HasPrefix(p.got[0], prefix) {
		p.got = p.got[1:]
	}
}

func (p *testPeer) wantIdle() {
	p.t.Helper()
	if len(p.got) > 0 {
		p.t.Fatalf("want idle, got %q", p.got)
	}
}

// frameText is a frame in one line: type, stream, flags, content.
func frameText(f http2.Frame) string {
	h := f.Header()
	var b strings.Builder
	b.WriteString(h.Type.String())
	if h.StreamID != 0 {
		fmt.Fprintf(&b, " %d", h.StreamID)
	}
	switch f := f.(type) {
	case *http2.MetaHeadersFrame:
		if f.StreamEnded() {
			b.WriteString(" END_STREAM")
		}
		for _, hf := range f.Fields {
			fmt.Fprintf(&b, " %s=%s", hf.Name, hf.Value)
		}
	case *http2.DataFrame:
		if f.StreamEnded() {
			b.WriteString(" END_STREAM")
		}
		if len(f.Data()) > 40 {
			fmt.Fprintf(&b, " len=%d", len(f.Data()))
		} else {
			fmt.Fprintf(&b, " %q", f.Data())
		}
	case *http2.SettingsFrame:
		if f.IsAck() {
			b.WriteString(" ACK")
		}
		_ = f.ForeachSetting(func(s http2.Setting) error {
			fmt.Fprintf(&b, " %v=%d", s.ID, s.Val)
			return nil
		})
	case *http2.PingFrame:
		if f.IsAck() {
			b.WriteString(" ACK")
		}
		fmt.Fprintf(&b, " %q", f.Data)
	case *http2.GoAwayFrame:
		fmt.Fprintf(&b, " last=%d %v", f.LastStreamID, f.ErrCode)
	case *http2.RSTStreamFrame:
		fmt.Fprintf(&b, " %v", f.ErrCode)
	case *http2.WindowUpdateFrame:
		fmt.Fprintf(&b, " %d", f.Increment)
	}
	return b.String()
}
