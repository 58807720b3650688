package h2

import (
	"encoding/binary"
	"fmt"
	"testing"
)

// settingsLog is a settingsSink that writes down what it is told; room is how far windows can still grow.
type settingsLog struct {
	log  string
	room int64
}

func (l *settingsLog) setPeerTableSize(size uint32) { l.log += fmt.Sprintf("table %d;", size) }

func (l *settingsLog) adjustWindows(delta int64) error {
	l.log += fmt.Sprintf("windows %d;", delta)
	if l.room -= delta; l.room < 0 {
		return errWindowOverflow
	}
	return nil
}

func entries(pairs ...uint32) (p []byte) {
	for i := 0; i < len(pairs); i += 2 {
		p = binary.BigEndian.AppendUint16(p, uint16(pairs[i]))
		p = binary.BigEndian.AppendUint32(p, pairs[i+1])
	}
	return p
}

func TestApplyPeer(t *testing.T) {
	const room = windowMax - initialWindowInit // of a window that nothing was sent from
	for _, c := range []struct {
		clause  string
		room    int64
		entries []byte
		log     string
		want    error
	}{
		{"The values in the SETTINGS frame MUST be processed in the order in which they appear (6.5.3)", room,
			entries(4, 100, 1, 0, 4, 50, 1, 4096), "table 0;table 4096;windows -65485;", nil},
		{"An endpoint that receives a SETTINGS frame with any unknown or unsupported identifier MUST ignore that setting (6.5.2)", room,
			entries(99, 1<<32-1, 0, 7), "", nil},
		{"Any value other than 0 or 1 MUST be treated as a connection error of type PROTOCOL_ERROR (6.5.2)", room,
			entries(2, 2), "", errEnablePush},
		{"Values above the maximum ... FLOW_CONTROL_ERROR (6.5.2)", room, entries(4, 1<<31), "", errInitialWindow},
		{"the maximum itself", room, entries(4, 1<<31-1), "windows 2147418112;", nil},
		{"no change, no adjustment", room, entries(4, 65535), "", nil},
		{"Values outside this range MUST be treated as a connection error of type PROTOCOL_ERROR (6.5.2)", room,
			entries(5, 1<<14-1), "", errMaxFrameSize},
		{"the same above", room, entries(5, 1<<24), "", errMaxFrameSize},
		{"both ends of the range", room, entries(5, 1<<24-1, 5, 1<<14), "", nil},
		{"RFC 8441 section 3", room, entries(8, 2), "", errConnectProtocol},
		{"MUST NOT send ... 0 after previously sending a value of 1 (RFC 8441 section 3)", room,
			entries(8, 1, 8, 0), "", errConnectProtocol},
		{"a change ... that causes any flow-control window to exceed the maximum size (6.9.2)", room - 1,
			entries(4, 0, 4, 1<<31-1), "windows 2147418112;", errWindowOverflow},
		{"however often the window goes up and down, the streams are seen twice", room,
			entries(4, 0, 4, 90000, 4, 1, 4, 80000, 4, 7), "windows 24465;windows -89993;", nil},
		{"an error stops", room, entries(2, 2, 1, 7), "", errEnablePush},
	} {
		s, sink := initialSettings(), &settingsLog{room: c.room}
		if err := s.applyPeer(c.entries, 32, sink); err != c.want || sink.log != c.log {
			t.Errorf("%s: %v, %q", c.clause, err, sink.log)
		}
	}
}

func TestApplyPeerValues(t *testing.T) {
	s, sink := initialSettings(), &settingsLog{room: windowMax}
	p := entries(1, 5, 2, 0, 3, 6, 4, 7, 5, 20000, 6, 8, 8, 1)
	if err := s.applyPeer(p, len(p)/settingLen, sink); err != nil {
		t.Fatal(err)
	}
	if want := (settings{5, 6, 7, 20000, 8, false, true}); s != want {
		t.Errorf("got %+v", s)
	}
	if err := s.applyPeer(p, len(p)/settingLen-1, sink); err != errSettingsEntries {
		t.Errorf("one entry above the limit: %v", err)
	}
}

// FuzzSettings: never a panic, and the values kept are ones the protocol allows.
func FuzzSettings(f *testing.F) {
	f.Add(entries(1, 5, 2, 0, 3, 6, 4, 7, 5, 20000, 6, 8, 8, 1))
	f.Add(entries(4, 0, 4, 1<<31-1, 5, 1<<24))
	f.Fuzz(func(t *testing.T, p []byte) {
		if _, err := loadSettings(FrameHeader{Type: FrameSettings}, p); err != nil {
			return
		}
		s, sink := initialSettings(), &settingsLog{room: windowMax}
		if err := s.applyPeer(p, 32, sink); err == nil && len(p) > 32*settingLen {
			t.Error("too many entries are accepted")
		}
		if s.MaxFrameSize < frameSizeMin || s.MaxFrameSize > frameSizeLimit || s.InitialWindowSize > windowMax {
			t.Errorf("kept %+v", s)
		}
	})
}
