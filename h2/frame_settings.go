package h2

import "encoding/binary"

// SETTINGS, RFC 9113 section 6.5: any number of
//
//	+-------------------------------+
//	|       Identifier (16)         |
//	+-------------------------------+-------------------------------+
//	|                        Value (32)                             |
//	+---------------------------------------------------------------+

type settingID uint16

// The settings of RFC 9113 section 6.5.2 and RFC 8441 section 3.
const (
	settingHeaderTableSize       settingID = 0x1
	settingEnablePush            settingID = 0x2
	settingMaxConcurrentStreams  settingID = 0x3
	settingInitialWindowSize     settingID = 0x4
	settingMaxFrameSize          settingID = 0x5
	settingMaxHeaderListSize     settingID = 0x6
	settingEnableConnectProtocol settingID = 0x8
)

const settingLen = 6

var (
	errSettingsStream = connFault(ErrCodeProtocol, "SETTINGS frame on a stream")
	errSettingsSize   = connFault(ErrCodeFrameSize, "SETTINGS frame length is not a multiple of 6")
	errSettingsAck    = connFault(ErrCodeFrameSize, "SETTINGS acknowledgment with a payload")
)

// loadSettings checks the form of a SETTINGS frame and reports whether it is an acknowledgment; the entries
// of one that is not go to settings.applyPeer.
func loadSettings(h FrameHeader, payload []byte) (ack bool, err error) {
	if h.StreamID != 0 {
		return false, errSettingsStream
	}
	if h.Flags.has(FlagAck) {
		if len(payload) != 0 {
			return false, errSettingsAck
		}
		return true, nil
	}
	if len(payload)%settingLen != 0 {
		return false, errSettingsSize
	}
	return false, nil
}

// appendSettings appends a SETTINGS frame with the entries of s that differ from the protocol's initial
// values. ENABLE_PUSH is left out: a server must not send 1 (section 6.5.2) and 0 says nothing to a client.
func appendSettings(dst []byte, s *settings) []byte {
	start := len(dst)
	dst = appendFrameHeader(dst, 0, FrameSettings, 0, 0)
	initial := initialSettings()
	add := func(id settingID, v, standard uint32) {
		if v != standard {
			dst = binary.BigEndian.AppendUint16(dst, uint16(id))
			dst = binary.BigEndian.AppendUint32(dst, v)
		}
	}
	add(settingHeaderTableSize, s.HeaderTableSize, initial.HeaderTableSize)
	add(settingMaxConcurrentStreams, s.MaxConcurrentStreams, initial.MaxConcurrentStreams)
	add(settingInitialWindowSize, s.InitialWindowSize, initial.InitialWindowSize)
	add(settingMaxFrameSize, s.MaxFrameSize, initial.MaxFrameSize)
	add(settingMaxHeaderListSize, s.MaxHeaderListSize, initial.MaxHeaderListSize)
	if s.EnableConnectProtocol {
		add(settingEnableConnectProtocol, 1, 0)
	}
	putFrameHeader(dst[start:], len(dst)-start-frameHeaderLen, FrameSettings, 0, 0)
	return dst
}

// appendSettingsAck appends the acknowledgment of the peer's SETTINGS.
func appendSettingsAck(dst []byte) []byte {
	return appendFrameHeader(dst, 0, FrameSettings, FlagAck, 0)
}
