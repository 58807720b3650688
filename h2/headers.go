package h2

import "strings"

// Field is one header or trailer field. Names are lower case.
type Field struct{ Name, Value string }

var (
	errFieldName      = streamFault(ErrCodeProtocol, "field name with an upper-case or forbidden character")
	errFieldValue     = streamFault(ErrCodeProtocol, "field value with a forbidden character, or white space around it")
	errConnField      = streamFault(ErrCodeProtocol, "connection-specific field")
	errTE             = streamFault(ErrCodeProtocol, "te field with another value than trailers")
	errPseudoUnknown  = streamFault(ErrCodeProtocol, "pseudo-header field that requests do not have")
	errPseudoTwice    = streamFault(ErrCodeProtocol, "pseudo-header field given twice")
	errPseudoLate     = streamFault(ErrCodeProtocol, "pseudo-header field after a regular field")
	errPseudoTrailer  = streamFault(ErrCodeProtocol, "pseudo-header field in a trailer section")
	errPseudoMissing  = streamFault(ErrCodeProtocol, "request without :method, :scheme or :path")
	errMethod         = streamFault(ErrCodeProtocol, ":method is not a token")
	errScheme         = streamFault(ErrCodeProtocol, ":scheme is not a scheme")
	errPath           = streamFault(ErrCodeProtocol, ":path is neither absolute nor * of OPTIONS")
	errConnect        = streamFault(ErrCodeProtocol, "CONNECT with :scheme or :path, or without :authority")
	errAuthority      = streamFault(ErrCodeProtocol, ":authority with user information, or host differs from it")
	errContentLength  = streamFault(ErrCodeProtocol, "content-length is not a number, or given twice with different values")
	errTrailerSection = streamFault(ErrCodeProtocol, "field that is not allowed in a trailer section")
)

// section takes the fields of one field section into a Request, and checks them (RFC 9113 sections 8.2 and 8.3).
// The first fault is kept; the request is malformed then.
type section struct {
	r        *Request
	err      error
	seen     uint8 // pseudo-header fields
	regular  bool  // a regular field was seen
	trailers bool
	host     int // index of the host field + 1
	crumbs   int // cookie fields
}

const (
	seenMethod = 1 << iota
	seenScheme
	seenAuthority
	seenPath
)

// field implements fieldSink.
func (x *section) field(name, value string) {
	if x.err != nil {
		return
	}
	if name != "" && name[0] == ':' {
		x.err = x.pseudo(name, value)
		return
	}
	x.regular = true
	switch {
	case !validFieldName(name):
		x.err = errFieldName
	case !validFieldValue(value):
		x.err = errFieldValue
	case x.trailers:
		x.err = x.trailer(name, value)
	default:
		x.err = x.header(name, value)
	}
}

func (x *section) pseudo(name, value string) error {
	r := x.r
	switch {
	case x.trailers:
		return errPseudoTrailer
	case x.regular:
		return errPseudoLate
	case !validFieldValue(value):
		return errFieldValue
	}
	var bit uint8
	switch name {
	case ":method":
		bit, r.Method = seenMethod, value
	case ":path":
		bit, r.Path = seenPath, value
	case ":scheme":
		bit, r.Scheme = seenScheme, value
	case ":authority":
		bit, r.Authority = seenAuthority, value
	default:
		return errPseudoUnknown
	}
	if x.seen&bit != 0 {
		return errPseudoTwice
	}
	x.seen |= bit
	return nil
}

func (x *section) header(name, value string) error {
	r := x.r
	switch name {
	case "cookie":
		x.crumbs++
	case "host":
		if x.host > 0 {
			return errAuthority
		}
		x.host = len(r.fields) + 1
	case "content-length":
		n, ok := parseContentLength(value)
		if !ok || r.ContentLength >= 0 && r.ContentLength != n {
			return errContentLength
		}
		r.ContentLength = n
	case "te":
		if !strings.EqualFold(value, "trailers") {
			return errTE
		}
	case "expect":
		r.s.expect = strings.EqualFold(value, "100-continue")
	default:
		if connectionField(name) {
			return errConnField
		}
	}
	r.fields = append(r.fields, Field{name, value})
	return nil
}

// trailer takes a trailer field; those that frame or route the message must not be among them (RFC 9110 section 6.5.1).
func (x *section) trailer(name, value string) error {
	switch {
	case connectionField(name):
		return errConnField
	case name == "content-length" || name == "host" || name == "te":
		return errTrailerSection
	}
	x.r.trailers = append(x.r.trailers, Field{name, value})
	return nil
}

// finish checks what only the whole section tells (RFC 9113 section 8.3.1).
func (x *section) finish() error {
	r := x.r
	if x.err != nil {
		return x.err
	}
	if x.host > 0 {
		host := r.fields[x.host-1].Value
		if x.seen&seenAuthority == 0 {
			r.Authority = host
		} else if !strings.EqualFold(host, r.Authority) {
			return errAuthority
		}
	}
	if x.crumbs > 1 {
		r.joinCookies()
	}
	switch {
	case x.seen&seenMethod == 0:
		return errPseudoMissing
	case !validToken(r.Method):
		return errMethod
	case !validAuthority(r.Authority):
		return errAuthority
	case r.Method == "CONNECT":
		if x.seen != seenMethod|seenAuthority || r.Authority == "" {
			return errConnect
		}
		return nil
	case x.seen&(seenScheme|seenPath) != seenScheme|seenPath:
		return errPseudoMissing
	case !validScheme(r.Scheme):
		return errScheme
	case !validPath(r.Path, r.Method):
		return errPath
	}
	return nil
}

// joinCookies joins the cookie fields into one at the place of the first: "these MUST be concatenated into a single
// octet string using the two-octet delimiter of 0x3b, 0x20" (RFC 9113 section 8.2.3). It is done once for all
// of them: crumb by crumb, 500 crumbs would make the peer's 500 octets of references cost us megabytes of copies.
func (r *Request) joinCookies() {
	size := 0
	for i := range r.fields {
		if r.fields[i].Name == "cookie" {
			size += len(r.fields[i].Value) + 2
		}
	}
	var joined strings.Builder
	joined.Grow(size)
	kept, first := r.fields[:0], -1
	for _, f := range r.fields {
		switch {
		case f.Name != "cookie":
			kept = append(kept, f)
			continue
		case first < 0:
			first = len(kept)
			kept = append(kept, f)
		default:
			joined.WriteString("; ")
		}
		joined.WriteString(f.Value)
	}
	kept[first].Value = joined.String()
	clear(r.fields[len(kept):])
	r.fields = kept
}

// connectionField reports whether a field belongs to HTTP/1 connections (RFC 9113 section 8.2.2).
func connectionField(name string) bool {
	switch name {
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
		return true
	}
	return false
}

func parseContentLength(s string) (n int64, ok bool) {
	if len(s) == 0 || len(s) > 18 {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		d := s[i] - '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + int64(d)
	}
	return n, true
}

// validPath: an absolute path, without blanks and control characters that no URI has; * for OPTIONS of the whole
// server (RFC 9113 section 8.3.1).
func validPath(path, method string) bool {
	if path == "" || path[0] != '/' {
		return path == "*" && method == "OPTIONS"
	}
	for i := 1; i < len(path); i++ {
		if path[i] <= ' ' || path[i] == 0x7f {
			return false
		}
	}
	return true
}

// validAuthority: the characters of host and port, RFC 3986 section 3.2; "@" is not one, because ":authority MUST NOT
// include the deprecated userinfo subcomponent" (RFC 9113 section 8.3.1).
func validAuthority(s string) bool {
	for i := 0; i < len(s); i++ {
		if octetClass[s[i]]&classAuthority == 0 {
			return false
		}
	}
	return true
}

func validScheme(s string) bool {
	if s == "https" || s == "http" {
		return true
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || !('0' <= c && c <= '9' || c == '+' || c == '-' || c == '.')) {
			return false
		}
	}
	return s != ""
}

// The classes of an octet.
const (
	classToken = 1 << iota // tchar, RFC 9110 section 5.6.2
	classUpper
	classBadValue // not within a field value
	classAuthority
)

var octetClass = func() (class [256]uint8) {
	for _, c := range "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz" {
		class[c] = classToken
	}
	for c := 'A'; c <= 'Z'; c++ {
		class[c] = classToken | classUpper
	}
	for c := range byte(' ') {
		class[c] = classBadValue
	}
	class['\t'], class[0x7f] = 0, classBadValue
	for c := range class {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if digit := '0' <= c && c <= '9'; letter || digit || c < 0x80 && strings.IndexByte("-._~%!$&'()*+,;=:[]", byte(c)) >= 0 {
			class[c] |= classAuthority
		}
	}
	return class
}()

// validFieldName reports whether name is a lower-case token (RFC 9113 section 8.2.1, RFC 9110 section 5.1).
func validFieldName(name string) bool {
	for i := 0; i < len(name); i++ {
		if octetClass[name[i]]&(classToken|classUpper) != classToken {
			return false
		}
	}
	return name != ""
}

// validToken reports whether s is a token in any case.
func validToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if octetClass[s[i]]&classToken == 0 {
			return false
		}
	}
	return s != ""
}

// validFieldValue reports whether value has no NUL, CR or LF, and no white space around it (RFC 9113 section 8.2.1),
// nor another control character but the tab (RFC 9110 section 5.5).
func validFieldValue(value string) bool {
	if value == "" {
		return true
	}
	for i := 0; i < len(value); i++ {
		if octetClass[value[i]]&classBadValue != 0 {
			return false
		}
	}
	return !isSpace(value[0]) && !isSpace(value[len(value)-1])
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }
