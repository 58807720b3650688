package h2

import (
	"fmt"
	"time"
)

// Limits bound what one connection may cost. The zero value of a field means its default; the defaults are safe
// for a server that anybody can reach. A Server copies them when it starts: changing them later has no effect.
type Limits struct {
	// StreamsMax is how many requests of one connection may be served at the same time; a handler counts until
	// it returns, also after its stream was reset. Advertised. Beyond: RST_STREAM(REFUSED_STREAM). Default 250.
	StreamsMax int

	// HeaderBytesMax is the size of one header or trailer section: name + value + 32 for each field. Advertised.
	// Beyond: the request is answered with status 431; beyond four times this value, or when the encoded form
	// exceeds two times this value, the connection ends with ENHANCE_YOUR_CALM. Default 64 KiB.
	HeaderBytesMax int

	// HeaderFieldsMax is the number of fields in one header or trailer section, every cookie crumb counted.
	// Beyond: status 431; beyond four times: ENHANCE_YOUR_CALM. Default 500.
	HeaderFieldsMax int

	// ContinuationsMax is the number of CONTINUATION frames in one field block, empty ones counted. Beyond:
	// ENHANCE_YOUR_CALM. Default 8.
	ContinuationsMax int

	// FrameSizeMax is the largest frame payload accepted, 16384 to 16777215. Advertised. Beyond:
	// FRAME_SIZE_ERROR. Default 16384.
	FrameSizeMax int

	// DecoderTableMax is the HPACK dynamic table kept for the peer's fields, in octets. Advertised. A negative
	// value means none. Default 4096.
	DecoderTableMax int

	// EncoderTableMax is the HPACK dynamic table used for our own fields, in octets, at most 4096 whatever the
	// peer offers. A negative value means none. Default 4096.
	EncoderTableMax int

	// SettingsEntriesMax is the number of entries in one SETTINGS frame. Beyond: ENHANCE_YOUR_CALM. Default 32.
	SettingsEntriesMax int

	// RepliesMax is the number of PING and SETTINGS acknowledgments waiting to be sent. Beyond: nothing more is
	// received until the peer takes them. Default 1000.
	RepliesMax int

	// OutBufferMax is how many octets may wait to be sent. Beyond: nothing more is received until half of it is
	// sent. Default 512 KiB.
	OutBufferMax int

	// FramesTurnMax and BytesTurnMax bound the work for one connection in one turn of its core; the rest waits
	// for the next turn. Defaults 64 frames and 64 KiB.
	FramesTurnMax int
	BytesTurnMax  int

	// StreamWindowMax is the flow-control window of a stream for request bodies: what the peer may send ahead of
	// the handler's reads. Advertised. Beyond: FLOW_CONTROL_ERROR. Default 256 KiB, at most 2^31-1.
	StreamWindowMax int

	// ConnWindowMax is the same for all streams of a connection together, 65535 to 2^31-1. Default 1 MiB.
	ConnWindowMax int

	// PrefaceMax is the time from the connection's start until the client's preface and first SETTINGS are
	// complete. Beyond: the connection is closed. Default 10 s.
	PrefaceMax time.Duration

	// HeaderBlockMax is the time from the first octet of a field block to its last. Beyond: GOAWAY. Default 10 s.
	HeaderBlockMax time.Duration

	// WriteStallMax is how long a response may make no progress because the peer gives no flow-control window
	// (beyond: RST_STREAM(CANCEL)), or takes no bytes (beyond: the connection is closed). Default 30 s.
	WriteStallMax time.Duration

	// IdleMax is how long a connection may be without streams. Beyond: GOAWAY(NO_ERROR). A negative value
	// switches it off. Default 180 s.
	IdleMax time.Duration

	// BodyGapMax is how long a request body that a handler waits for may stay silent. Beyond: RST_STREAM(CANCEL).
	// A negative value switches it off. Default 60 s.
	BodyGapMax time.Duration
}

const (
	encoderTableLimit = 4096
	// excessFactor times a header limit the peer is no longer answered but cut off: decoding only to stay in
	// step with its HPACK table would cost us more than it costs the peer.
	excessFactor = 4
)

// withDefaults returns l with every zero field set to its default.
func (l Limits) withDefaults() Limits {
	setDefault(&l.StreamsMax, 250)
	setDefault(&l.HeaderBytesMax, 64<<10)
	setDefault(&l.HeaderFieldsMax, 500)
	setDefault(&l.ContinuationsMax, 8)
	setDefault(&l.FrameSizeMax, frameSizeMin)
	setDefault(&l.DecoderTableMax, headerTableInit)
	setDefault(&l.EncoderTableMax, encoderTableLimit)
	setDefault(&l.SettingsEntriesMax, 32)
	setDefault(&l.RepliesMax, 1000)
	setDefault(&l.OutBufferMax, 512<<10)
	setDefault(&l.FramesTurnMax, 64)
	setDefault(&l.BytesTurnMax, 64<<10)
	setDefault(&l.StreamWindowMax, 256<<10)
	setDefault(&l.ConnWindowMax, 1<<20)
	setDefault(&l.PrefaceMax, 10*time.Second)
	setDefault(&l.HeaderBlockMax, 10*time.Second)
	setDefault(&l.WriteStallMax, 30*time.Second)
	setDefault(&l.IdleMax, 180*time.Second)
	setDefault(&l.BodyGapMax, 60*time.Second)
	return l
}

func setDefault[T int | time.Duration](v *T, standard T) {
	if *v == 0 {
		*v = standard
	}
}

// validate checks limits that withDefaults completed; the error names the field, its value and its range.
func (l *Limits) validate() error {
	for _, c := range []struct {
		name      string
		v, lo, hi int
	}{
		{"StreamsMax", l.StreamsMax, 1, streamIDMask},
		{"HeaderBytesMax", l.HeaderBytesMax, 1 << 10, 16 << 20},
		{"HeaderFieldsMax", l.HeaderFieldsMax, 8, 1 << 20},
		{"ContinuationsMax", l.ContinuationsMax, 1, 1 << 20},
		{"FrameSizeMax", l.FrameSizeMax, frameSizeMin, frameSizeLimit},
		{"DecoderTableMax", l.DecoderTableMax, -1, 1 << 20},
		{"EncoderTableMax", l.EncoderTableMax, -1, encoderTableLimit},
		{"SettingsEntriesMax", l.SettingsEntriesMax, 8, 1 << 20},
		{"RepliesMax", l.RepliesMax, 1, 1 << 20},
		{"OutBufferMax", l.OutBufferMax, 32 << 10, 1 << 30},
		{"FramesTurnMax", l.FramesTurnMax, 1, 1 << 20},
		{"BytesTurnMax", l.BytesTurnMax, 1 << 10, 1 << 30},
		{"StreamWindowMax", l.StreamWindowMax, 1, windowMax},
		{"ConnWindowMax", l.ConnWindowMax, initialWindowInit, windowMax},
	} {
		if c.v < c.lo || c.v > c.hi {
			return fmt.Errorf("h2: Limits.%s is %d, want %d to %d, or 0 for the default", c.name, c.v, c.lo, c.hi)
		}
	}
	return l.validateTimes()
}

func (l *Limits) validateTimes() error {
	for _, c := range []struct {
		name string
		v    time.Duration
	}{{"PrefaceMax", l.PrefaceMax}, {"HeaderBlockMax", l.HeaderBlockMax}, {"WriteStallMax", l.WriteStallMax}} {
		if c.v < 0 {
			return fmt.Errorf("h2: Limits.%s is %v, want a positive time, or 0 for the default", c.name, c.v)
		}
	}
	return nil
}

// settings returns what we advertise for these limits.
func (l *Limits) settings() settings {
	s := initialSettings()
	s.EnablePush = false
	s.HeaderTableSize = uint32(max(0, l.DecoderTableMax))
	s.MaxConcurrentStreams = uint32(l.StreamsMax)
	s.InitialWindowSize = uint32(l.StreamWindowMax)
	s.MaxFrameSize = uint32(l.FrameSizeMax)
	s.MaxHeaderListSize = uint32(l.HeaderBytesMax)
	return s
}
