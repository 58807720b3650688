package h2

import (
	"hash/maphash"

	"golang.org/x/net/http2/hpack"
)

// pathCache remembers how often requested paths were encoded. Widespread clients (nghttp2, and so curl and h2load)
// send :path as a literal without indexing each time: without the cache every request would cost a Huffman decoding and
// a string. It is shared by all connections of a core. A path is taken in when it comes twice in a row for its slot, so
// paths that are used once cost next to nothing, and memory is bounded: about 256 octets a slot.
type pathCache struct {
	seed  maphash.Seed
	slots []pathSlot
}

type pathSlot struct {
	seen uint64 // hash of the latest literal
	raw  string // encoded value: length octet and octets
	path string
}

const (
	pathSlots  = 128
	pathRawMax = 64
	// pathLiteral is the first octet of a literal without indexing with the name of a static table entry 4 or 5,
	// which is :path (RFC 7541 section 6.2.2, appendix A).
	pathLiteral = 0x04
)

// isPathLiteral reports whether the representation p is one that the cache can take.
func isPathLiteral(p []byte) bool { return p[0]&^1 == pathLiteral && len(p) <= 1+pathRawMax }

// slot returns the slot of a literal, and whether it holds that literal. keep: it is to be filled now.
func (c *pathCache) slot(raw []byte) (s *pathSlot, hit, keep bool) {
	if c.slots == nil {
		c.seed, c.slots = maphash.MakeSeed(), make([]pathSlot, pathSlots)
	}
	h := maphash.Bytes(c.seed, raw)
	s = &c.slots[h%pathSlots]
	if s.raw == string(raw) {
		return s, true, false
	}
	keep = s.seen == h
	s.seen = h
	return s, false, keep
}

// decodePath decodes the representation p of a :path.
func (d *blockDecoder) decodePath(p []byte) error {
	s, hit, keep := d.paths.slot(p[1:])
	if hit {
		d.emit(hpack.HeaderField{Name: ":path", Value: s.path})
		return nil
	}
	d.latest = ""
	if err := d.decodeRun(p); err != nil || !keep {
		return err
	}
	if s.path = d.latest; s.path != "" {
		s.raw = string(p[1:])
	}
	return nil
}
