package h2

// Metrics are running totals, of one core or summed up over all (Server.Metrics).
type Metrics struct {
	Conns           uint64 // connections opened
	ConnsOpen       uint64 // ... that are open now
	Streams         uint64 // streams opened by clients
	StreamsOpen     uint64 // ... that live on the wire or in a handler now
	Requests        uint64 // handlers started
	Refused         uint64 // streams beyond Limits.StreamsMax
	TooLarge        uint64 // requests answered with status 431
	BadPrefaces     uint64 // connections that did not speak HTTP/2
	Timeouts        uint64 // connections and streams ended by a timeout of Limits
	Choked          uint64 // times a connection was not read because too many replies waited
	HandlerPanics   uint64
	HandlerFailures uint64 // responses spoiled by their handler, panics included
	ResetsIn        Codes  // RST_STREAM received, by code
	ResetsOut       Codes  // RST_STREAM sent, by code
	GoAwaysIn       Codes  // GOAWAY received, by code
	GoAwaysOut      Codes  // GOAWAY sent, by code
}

// Codes counts by error code; the last place is for codes that RFC 9113 does not know.
type Codes [ErrCodeHTTP11Required + 2]uint64

func (n *Codes) count(code ErrCode) { n[min(int(code), len(n)-1)]++ }

// Total is the sum over all codes.
func (n *Codes) Total() (sum uint64) {
	for _, v := range n {
		sum += v
	}
	return sum
}

// add adds the totals of another core.
func (m *Metrics) add(o *Metrics) {
	m.Conns += o.Conns
	m.ConnsOpen += o.ConnsOpen
	m.Streams += o.Streams
	m.StreamsOpen += o.StreamsOpen
	m.Requests += o.Requests
	m.Refused += o.Refused
	m.TooLarge += o.TooLarge
	m.BadPrefaces += o.BadPrefaces
	m.Timeouts += o.Timeouts
	m.Choked += o.Choked
	m.HandlerPanics += o.HandlerPanics
	m.HandlerFailures += o.HandlerFailures
	for i := range o.ResetsIn {
		m.ResetsIn[i] += o.ResetsIn[i]
		m.ResetsOut[i] += o.ResetsOut[i]
		m.GoAwaysIn[i] += o.GoAwaysIn[i]
		m.GoAwaysOut[i] += o.GoAwaysOut[i]
	}
}
