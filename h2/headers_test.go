package h2

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// checkSection feeds a field section, given as name, value pairs.
func checkSection(trailers bool, pairs ...string) (*Request, error) {
	r := &Request{s: &stream{}, ContentLength: -1}
	x := &section{r: r, trailers: trailers}
	for i := 0; i < len(pairs); i += 2 {
		x.field(pairs[i], pairs[i+1])
	}
	if trailers {
		return r, x.err
	}
	return r, x.finish()
}

// get is a well-formed GET with further fields.
func getFields(more ...string) []string {
	return append([]string{":method", "GET", ":scheme", "https", ":path", "/", ":authority", "a.example:8443"}, more...)
}

func TestHeaderSection(t *testing.T) {
	for _, c := range []struct {
		clause string
		fields []string
		want   error
	}{
		{"a request", getFields("accept", "*/*", "te", "trailers", "content-length", "7", "x", ""), nil},
		{"All HTTP/2 requests MUST include exactly one valid value for :method (8.3.1)", getFields()[2:], errPseudoMissing},
		{"and :scheme", []string{":method", "GET", ":path", "/"}, errPseudoMissing},
		{"and :path", []string{":method", "GET", ":scheme", "http"}, errPseudoMissing},
		{"but not :authority", getFields()[:6], nil},
		{"exactly one", append([]string{":method", "GET"}, getFields()...), errPseudoTwice},
		{"one, even if the first is empty", append([]string{":path", ""}, getFields()...), errPseudoTwice},
		{"All pseudo-header fields MUST appear before any regular fields (8.3)", append([]string{"x", "y"}, getFields()...), errPseudoLate},
		{"Endpoints MUST NOT generate pseudo-header fields other than those defined (8.3)", append([]string{":x", "y"}, getFields()...), errPseudoUnknown},
		{"Pseudo-header fields defined for responses MUST NOT appear in requests (8.3)", append([]string{":status", "200"}, getFields()...), errPseudoUnknown},
		{":path MUST NOT be empty (8.3.1)", []string{":method", "GET", ":scheme", "http", ":path", ""}, errPath},
		{"OPTIONS * (8.3.1)", []string{":method", "OPTIONS", ":scheme", "http", ":path", "*"}, nil},
		{"* is for OPTIONS only", []string{":method", "GET", ":scheme", "http", ":path", "*"}, errPath},
		{"absolute path", []string{":method", "GET", ":scheme", "http", ":path", "x"}, errPath},
		{"no blank in a path", []string{":method", "GET", ":scheme", "http", ":path", "/a b"}, errPath},
		{"method is a token", []string{":method", "G T", ":scheme", "http", ":path", "/"}, errMethod},
		{"extension methods", []string{":method", "Brew-1", ":scheme", "http", ":path", "/"}, nil},
		{"scheme", []string{":method", "GET", ":scheme", "ht/tp", ":path", "/"}, errScheme},
		{"another scheme", []string{":method", "GET", ":scheme", "coap+tcp", ":path", "/"}, nil},
		{"a scheme begins with a letter", []string{":method", "GET", ":scheme", "1http", ":path", "/"}, errScheme},
		{":authority MUST NOT include the deprecated userinfo subcomponent (8.3.1)",
			[]string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "u:p@host"}, errAuthority},
		{"no path in an authority", []string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "host/x"}, errAuthority},
		{"an IPv6 address", []string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "[::1]:80"}, nil},
		{"host that identifies another entity (8.3.1)", getFields("host", "b.example"), errAuthority},
		{"host in other letters", getFields("host", "A.EXAMPLE:8443"), nil},
		{"host twice", getFields("host", "a.example:8443", "host", "a.example:8443"), errAuthority},
		{"CONNECT (8.5)", []string{":method", "CONNECT", ":authority", "h:1"}, nil},
		{"The :scheme and :path pseudo-header fields MUST be omitted (8.5)", append([]string{":method", "CONNECT"}, getFields()[2:]...), errConnect},
		{"CONNECT without :authority", []string{":method", "CONNECT"}, errConnect},
		{"A field name MUST NOT contain characters in the ranges ... 0x41-0x5a (8.2.1)", getFields("X", "y"), errFieldName},
		{"an empty name", getFields("", "y"), errFieldName},
		{"a colon in a name (8.2.1)", getFields("a:b", "y"), errFieldName},
		{"0x7f-0xff (8.2.1)", getFields("a\x80", "y"), errFieldName},
		{"A field value MUST NOT contain the zero value (8.2.1)", getFields("x", "a\x00b"), errFieldValue},
		{"line feed", getFields("x", "a\nb"), errFieldValue},
		{"carriage return", getFields("x", "a\rb"), errFieldValue},
		{"MUST NOT start or end with an ASCII whitespace character (8.2.1)", getFields("x", " a"), errFieldValue},
		{"nor end", getFields("x", "a\t"), errFieldValue},
		{"white space within", getFields("x", "a \t b"), nil},
		{"obs-text", getFields("x", "gr\xfc\xdfe"), nil},
		{"other control characters (RFC 9110 5.5)", getFields("x", "a\x7f"), errFieldValue},
		{"control characters in a pseudo-header field", []string{":method", "GET", ":scheme", "http", ":path", "/\n"}, errFieldValue},
		{"An endpoint MUST NOT generate an HTTP/2 message containing connection-specific header fields (8.2.2)", getFields("connection", "close"), errConnField},
		{"proxy-connection", getFields("proxy-connection", "x"), errConnField},
		{"keep-alive", getFields("keep-alive", "x"), errConnField},
		{"transfer-encoding", getFields("transfer-encoding", "chunked"), errConnField},
		{"upgrade", getFields("upgrade", "h2c"), errConnField},
		{"TE ... MUST NOT contain any value other than trailers (8.2.2)", getFields("te", "trailers, gzip"), errTE},
		{"content-length is a number", getFields("content-length", "+1"), errContentLength},
		{"an empty one", getFields("content-length", ""), errContentLength},
		{"a large one", getFields("content-length", "1234567890123456789"), errContentLength},
		{"two of them", getFields("content-length", "1", "content-length", "2"), errContentLength},
		{"two equal ones", getFields("content-length", "1", "content-length", "1"), nil},
	} {
		if _, err := checkSection(false, c.fields...); err != c.want {
			t.Errorf("%s: got %v, want %v", c.clause, err, c.want)
		}
	}
}

func TestTrailerSection(t *testing.T) {
	for _, c := range []struct {
		fields []string
		want   error
	}{
		{[]string{"grpc-status", "0", "x", "y"}, nil},
		{[]string{":path", "/"}, errPseudoTrailer},
		{[]string{"X", "y"}, errFieldName},
		{[]string{"x", "\n"}, errFieldValue},
		{[]string{"connection", "close"}, errConnField},
		{[]string{"content-length", "1"}, errTrailerSection},
	} {
		if _, err := checkSection(true, c.fields...); err != c.want {
			t.Errorf("%q: got %v, want %v", c.fields, err, c.want)
		}
	}
}

// TestCookies: "If there are multiple Cookie header fields after decompression, these MUST be concatenated into a
// single octet string using the two-octet delimiter of 0x3b, 0x20" (RFC 9113 section 8.2.3).
func TestCookies(t *testing.T) {
	r, err := checkSection(false, getFields("a", "1", "cookie", "b=1", "x", "2", "cookie", "c=2", "host", "a.example:8443", "cookie", "d=3", "z", "3")...)
	if got := fmt.Sprint(r.fields); err != nil || got != "[{a 1} {cookie b=1; c=2; d=3} {x 2} {host a.example:8443} {z 3}]" {
		t.Errorf("%v %v", got, err)
	}
	if r, _ = checkSection(false, getFields("cookie", "b=1")...); fmt.Sprint(r.fields) != "[{cookie b=1}]" {
		t.Errorf("%v", r.fields)
	}
	crumbs := getFields()
	for range 500 {
		crumbs = append(crumbs, "cookie", strings.Repeat("x", 90))
	}
	// One crumb after the other would copy 11 MB here.
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	checkSection(false, crumbs...)
	runtime.ReadMemStats(&after)
	size := after.TotalAlloc - before.TotalAlloc
	if size > 400<<10 {
		t.Errorf("%d octets allocated for 46000 of cookies", size)
	}
}

func TestHostIsAuthority(t *testing.T) {
	r, err := checkSection(false, ":method", "GET", ":scheme", "http", ":path", "/", "host", "b.example")
	if err != nil || r.Authority != "b.example" {
		t.Errorf("authority %q, %v", r.Authority, err)
	}
	if _, err = checkSection(false, ":method", "GET", ":scheme", "http", ":path", "/", "host", "u@b.example"); err != errAuthority {
		t.Errorf("user information in host: %v", err)
	}
}

// FuzzHeaderSection: what is accepted is what the section's rules, written down a second time in the plainest way,
// accept; and never a panic.
func FuzzHeaderSection(f *testing.F) {
	f.Add("GET", "https", "/x", "host", "x-name", "value", "cookie", "a=b")
	f.Add("CONNECT", "", "", "host:1", "te", "trailers", "content-length", "7")
	f.Add("OPTIONS", "http", "*", "", "Bad", "\x00", "connection", "x")
	f.Fuzz(func(t *testing.T, method, scheme, path, authority, name1, value1, name2, value2 string) {
		pairs := []string{":method", method, ":scheme", scheme, ":path", path, ":authority", authority, name1, value1, name2, value2}
		r, err := checkSection(false, pairs...)
		if err != nil {
			if _, ok := err.(*streamError); !ok {
				t.Fatalf("%v is no stream error", err)
			}
			return
		}
		for _, s := range []string{r.Method, r.Scheme, r.Path, r.Authority} {
			if strings.ContainsAny(s, "\x00\r\n \x7f") {
				t.Fatalf("accepted %q", s)
			}
		}
		for _, field := range r.fields {
			if field.Name == "" || field.Name != strings.ToLower(field.Name) || strings.ContainsAny(field.Name, ": \x00\r\n\x7f\"(),/;<=>?@[]{}\\") ||
				field.Value != strings.Trim(field.Value, " \t") || strings.ContainsAny(field.Value, "\x00\r\n") || connectionField(field.Name) {
				t.Fatalf("accepted %q", field)
			}
		}
	})
}
