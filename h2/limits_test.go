package h2

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestLimits(t *testing.T) {
	l := Limits{}.withDefaults()
	if err := l.validate(); err != nil {
		t.Fatal(err)
	}
	if l.StreamsMax != 250 || l.IdleMax != 180*time.Second {
		t.Errorf("defaults %+v", l)
	}
	for want, bad := range map[string]Limits{
		"h2: Limits.FrameSizeMax is 100, want 16384 to 16777215, or 0 for the default": {FrameSizeMax: 100},
		"h2: Limits.StreamsMax is -1, want 1 to":                                       {StreamsMax: -1},
		"h2: Limits.EncoderTableMax is 65536, want -1 to 4096":                         {EncoderTableMax: 65536},
		"h2: Limits.PrefaceMax is -1s, want a positive time":                           {PrefaceMax: -time.Second},
		"h2: Limits.ConnWindowMax is 1,":                                               {ConnWindowMax: 1},
	} {
		bad = bad.withDefaults()
		if err := bad.validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	none := Limits{DecoderTableMax: -1, IdleMax: -1}.withDefaults()
	if err := none.validate(); err != nil || none.settings().HeaderTableSize != 0 {
		t.Errorf("%v, %+v", err, none.settings())
	}
}

func TestErrors(t *testing.T) {
	conn := errFrameSize.(*connError).public(7)
	stream := errMethod.(*streamError).public(5)
	for want, err := range map[string]error{
		"h2: connection ended by local with FRAME_SIZE_ERROR: frame is larger than the SETTINGS_MAX_FRAME_SIZE we sent": conn,
		"h2: stream 5 reset by local with PROTOCOL_ERROR: :method is not a token":                                       stream,
		"h2: stream 3 reset by peer with CANCEL":                                                                        &StreamError{StreamID: 3, Code: ErrCodeCancel, Initiator: InitiatorPeer},
		"h2: connection error FLOW_CONTROL_ERROR: flow-control window above 2^31-1":                                     errWindowOverflow,
	} {
		if err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
	var ce *ConnectionError
	if !errors.As(fmt.Errorf("read: %w", conn), &ce) || ce.LastStreamID != 7 || ce.Initiator != InitiatorLocal {
		t.Errorf("found %+v", ce)
	}
	var se *StreamError
	if !errors.As(fmt.Errorf("read: %w", stream), &se) || se.StreamID != 5 {
		t.Errorf("found %+v", se)
	}
}
