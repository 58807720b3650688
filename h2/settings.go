package h2

import "encoding/binary"

// settings are the values of one side's SETTINGS: what that side is ready to receive (RFC 9113 section 6.5.2).
type settings struct {
	// HeaderTableSize is the largest HPACK dynamic table that side's decoder keeps, in octets.
	HeaderTableSize uint32
	// MaxConcurrentStreams is the number of streams that side lets the other one open.
	MaxConcurrentStreams uint32
	// InitialWindowSize is the flow-control window of a new stream for DATA towards that side, in octets.
	InitialWindowSize uint32
	// MaxFrameSize is the largest frame payload that side takes, in octets.
	MaxFrameSize uint32
	// MaxHeaderListSize is the largest field section that side takes (name + value + 32 a field); advisory.
	MaxHeaderListSize uint32
	// EnablePush says that side takes PUSH_PROMISE; we never send any.
	EnablePush bool
	// EnableConnectProtocol says that side takes extended CONNECT, RFC 8441.
	EnableConnectProtocol bool
}

const (
	unlimited         = 1<<32 - 1
	headerTableInit   = 4096
	initialWindowInit = 1<<16 - 1
	// windowMax is the largest flow-control window, RFC 9113 section 6.9.1.
	windowMax = 1<<31 - 1
)

// initialSettings are the values in force before a SETTINGS frame says otherwise, RFC 9113 section 6.5.2.
func initialSettings() settings {
	return settings{
		HeaderTableSize:      headerTableInit,
		MaxConcurrentStreams: unlimited,
		InitialWindowSize:    initialWindowInit,
		MaxFrameSize:         frameSizeMin,
		MaxHeaderListSize:    unlimited,
		EnablePush:           true,
	}
}

// settingsSink is told of the two settings of which not only the last value of a frame counts.
type settingsSink interface {
	// setPeerTableSize bounds our HPACK encoder's table; both a smaller value and the final one must be
	// signalled to the peer (RFC 7541 section 4.2).
	setPeerTableSize(size uint32)
	// adjustWindows changes the outflow window of every stream by delta, which may be negative and may make
	// windows negative (RFC 9113 section 6.9.2). It returns errWindowOverflow if one exceeds 2^31-1.
	adjustWindows(delta int64) error
}

var (
	errSettingsEntries = connFault(ErrCodeEnhanceYourCalm, "too many entries in a SETTINGS frame")
	errEnablePush      = connFault(ErrCodeProtocol, "SETTINGS_ENABLE_PUSH is neither 0 nor 1")
	errInitialWindow   = connFault(ErrCodeFlowControl, "SETTINGS_INITIAL_WINDOW_SIZE is above 2^31-1")
	errMaxFrameSize    = connFault(ErrCodeProtocol, "SETTINGS_MAX_FRAME_SIZE is not within 2^14 and 2^24-1")
	errConnectProtocol = connFault(ErrCodeProtocol, "SETTINGS_ENABLE_CONNECT_PROTOCOL is neither 0 nor 1, or was taken back")
)

// applyPeer takes over the entries of a SETTINGS frame that loadSettings accepted, in the order in which they
// appear (RFC 9113 section 6.5.3), and leaves the acknowledgment to the caller. At the first bad entry it stops
// with a *connError; entries it does not know are ignored. entriesMax is Limits.SettingsEntriesMax.
func (s *settings) applyPeer(payload []byte, entriesMax int, sink settingsSink) error {
	if len(payload) > entriesMax*settingLen {
		return errSettingsEntries
	}
	window := s.InitialWindowSize
	peak := window
	for ; len(payload) >= settingLen; payload = payload[settingLen:] {
		id := settingID(binary.BigEndian.Uint16(payload))
		if err := s.set(id, binary.BigEndian.Uint32(payload[2:]), sink); err != nil {
			return err
		}
		peak = max(peak, s.InitialWindowSize)
	}
	return s.moveWindows(window, peak, sink)
}

// moveWindows adjusts the streams' windows from the value before a frame, by way of the highest one in it, which may
// be too high for a stream, to its last. Between the two, step by step, is nothing but work: 32 entries of 6 octets for
// each of 250 streams.
func (s *settings) moveWindows(from, peak uint32, sink settingsSink) error {
	if peak != from {
		if err := sink.adjustWindows(int64(peak) - int64(from)); err != nil {
			return err
		}
	}
	if s.InitialWindowSize == peak {
		return nil
	}
	return sink.adjustWindows(int64(s.InitialWindowSize) - int64(peak))
}

func (s *settings) set(id settingID, v uint32, sink settingsSink) error {
	switch id {
	case settingHeaderTableSize:
		s.HeaderTableSize = v
		sink.setPeerTableSize(v)
	case settingEnablePush:
		if v > 1 {
			return errEnablePush
		}
		s.EnablePush = v == 1
	case settingMaxConcurrentStreams:
		s.MaxConcurrentStreams = v
	case settingInitialWindowSize:
		if v > windowMax {
			return errInitialWindow
		}
		s.InitialWindowSize = v
	case settingMaxFrameSize:
		if v < frameSizeMin || v > frameSizeLimit {
			return errMaxFrameSize
		}
		s.MaxFrameSize = v
	case settingMaxHeaderListSize:
		s.MaxHeaderListSize = v
	case settingEnableConnectProtocol:
		// "A sender MUST NOT send a SETTINGS_ENABLE_CONNECT_PROTOCOL parameter with the value of 0 after
		// previously sending a value of 1." RFC 8441 section 3.
		if v > 1 || v == 0 && s.EnableConnectProtocol {
			return errConnectProtocol
		}
		s.EnableConnectProtocol = v == 1
	}
	return nil
}
