package coretls

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/percore/percore/runtime"
)

// Defaults of Limits.
const (
	handshakesPerTurnMax  = 8
	handshakesInFlightMax = 256
	handshakeTimeout      = 10 * time.Second
)

// Limits bounds what handshakes may cost. Zero values mean the defaults.
type Limits struct {
	// HandshakesPerTurnMax is how many handshakes a core starts in one turn,
	// so that a burst of new connections does not stand before the requests of
	// old ones. Default 8. Connections beyond it wait in order of arrival.
	HandshakesPerTurnMax int
	// HandshakesInFlightMax is how many handshakes a core has begun and not
	// finished (each holds about 30 KB). Default 256. Those beyond it wait.
	HandshakesInFlightMax int
	// HandshakeTimeout is the time from the connection's start to the end of its
	// handshake, waiting included. Default 10 s.
	HandshakeTimeout time.Duration
}

func (l Limits) withDefaults() Limits {
	l.HandshakesPerTurnMax = cmp.Or(l.HandshakesPerTurnMax, handshakesPerTurnMax)
	l.HandshakesInFlightMax = cmp.Or(l.HandshakesInFlightMax, handshakesInFlightMax)
	l.HandshakeTimeout = cmp.Or(l.HandshakeTimeout, handshakeTimeout)
	return l
}

func (l Limits) check() error {
	if l.HandshakesPerTurnMax < 0 || l.HandshakesInFlightMax < 0 || l.HandshakeTimeout < 0 {
		return fmt.Errorf("tls: negative value in %+v: use 0 for the default", l)
	}
	return nil
}

// Config is a checked server configuration. Make one per server with NewConfig
// and share it among all cores: one set of ticket keys then serves every core,
// so a client that comes back resumes on whichever core it lands.
type Config struct {
	// HandshakeFailed, if set, is told of every failed handshake in place of
	// the log. Set it before the first connection. It runs on the connection's
	// core and must not block.
	HandshakeFailed func(*HandshakeError)

	std     *tls.Config
	limits  Limits
	offCore bool
	gates   sync.Map // *coreruntime.Core -> *governor; each value is used on its own core only
}

// NewConfig checks std, clones it and returns the server configuration. Later
// changes to std have no effect; rotate certificates with GetCertificate and
// ticket keys with Config.SetSessionTicketKeys.
//
// It refuses renegotiation, versions below TLS 1.2 and a config that cannot
// give a certificate. NextProtos defaults to h2. Handshakes run on the core
// itself unless std has callbacks or a private key that is not the standard
// library's: both may block, so these handshakes run on a goroutine each.
func NewConfig(std *tls.Config, limits Limits) (*Config, error) {
	if std == nil {
		return nil, errors.New("tls: NewConfig: the tls.Config is nil: give one with a certificate")
	}
	if err := limits.check(); err != nil {
		return nil, err
	}
	if err := checkServer(std); err != nil {
		return nil, err
	}
	std = std.Clone()
	std.MinVersion = max(std.MinVersion, tls.VersionTLS12)
	if len(std.NextProtos) == 0 {
		std.NextProtos = []string{ProtoH2}
	}
	return &Config{std: std, limits: limits.withDefaults(), offCore: serverMayBlock(std)}, nil
}

// SetSessionTicketKeys replaces the ticket keys on all cores at once: the first
// makes new tickets, all open old ones. Any goroutine.
func (c *Config) SetSessionTicketKeys(keys [][32]byte) { c.std.SetSessionTicketKeys(keys) }

// OffCore says whether handshakes run on goroutines of their own, and not on the core.
func (c *Config) OffCore() bool { return c.offCore }

func checkServer(std *tls.Config) error {
	if err := checkCommon(std); err != nil {
		return err
	}
	if len(std.Certificates) == 0 && std.GetCertificate == nil && std.GetConfigForClient == nil {
		return errors.New("tls: the config has no certificate: set Certificates, GetCertificate or GetConfigForClient")
	}
	for i := range std.Certificates {
		if len(std.Certificates[i].Certificate) == 0 || std.Certificates[i].PrivateKey == nil {
			return fmt.Errorf("tls: Certificates[%d] has no chain or no private key: load both, e.g. with tls.LoadX509KeyPair", i)
		}
	}
	return nil
}

func checkCommon(std *tls.Config) error {
	if std.Renegotiation != tls.RenegotiateNever {
		return errors.New("tls: Renegotiation is not supported (RFC 9113 section 9.2.1 forbids it): leave it at RenegotiateNever")
	}
	if v := std.MinVersion; v != 0 && v < tls.VersionTLS12 {
		return fmt.Errorf("tls: MinVersion %s is too old: use tls.VersionTLS12 or above", tls.VersionName(v))
	}
	if v := std.MaxVersion; v != 0 && v < tls.VersionTLS12 {
		return fmt.Errorf("tls: MaxVersion %s is too old: use tls.VersionTLS12 or above", tls.VersionName(v))
	}
	return nil
}

// governor returns the governor of core c. Core.
func (c *Config) governor(core *coreruntime.Core) *governor {
	if g, ok := c.gates.Load(core); ok {
		return g.(*governor)
	}
	g := &governor{core: core, limits: c.limits}
	c.gates.Store(core, g)
	return g
}
