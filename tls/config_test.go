package coretls

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"strings"
	"testing"
	"time"
)

func TestNewConfigRefuses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*tls.Config)
		limits Limits
		want   string
	}{
		{"renegotiation", func(c *tls.Config) { c.Renegotiation = tls.RenegotiateOnceAsClient }, Limits{}, "Renegotiation"},
		{"old minimum", func(c *tls.Config) { c.MinVersion = tls.VersionTLS10 }, Limits{}, "MinVersion TLS 1.0"},
		{"old maximum", func(c *tls.Config) { c.MinVersion, c.MaxVersion = 0, tls.VersionTLS11 }, Limits{}, "MaxVersion TLS 1.1"},
		{"no certificate", func(c *tls.Config) { c.Certificates = nil }, Limits{}, "no certificate"},
		{"empty certificate", func(c *tls.Config) { c.Certificates = make([]tls.Certificate, 1) }, Limits{}, "Certificates[0]"},
		{"negative limit", func(*tls.Config) {}, Limits{HandshakeTimeout: -1}, "negative"},
	} {
		std := serverTLS(0)
		tc.change(std)
		if _, err := NewConfig(std, tc.limits); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want an error with %q", tc.name, err, tc.want)
		}
	}
	if _, err := NewConfig(nil, Limits{}); err == nil {
		t.Error("a nil config was taken")
	}
}

func TestNewConfigDefaults(t *testing.T) {
	std := serverTLS(0)
	std.NextProtos = nil
	cfg, err := NewConfig(std, Limits{HandshakesPerTurnMax: 3})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.std == std || len(std.NextProtos) != 0 {
		t.Error("the caller's config was changed")
	}
	if cfg.std.MinVersion != tls.VersionTLS12 || cfg.std.NextProtos[0] != ProtoH2 || len(cfg.std.NextProtos) != 1 {
		t.Errorf("MinVersion %x, NextProtos %v", cfg.std.MinVersion, cfg.std.NextProtos)
	}
	want := Limits{HandshakesPerTurnMax: 3, HandshakesInFlightMax: 256, HandshakeTimeout: 10 * time.Second}
	if cfg.limits != want {
		t.Errorf("limits %+v, want %+v", cfg.limits, want)
	}
}

type foreignKey struct{ crypto.Signer }

// Whatever may run code that is not crypto/tls's own takes the handshake off the core.
func TestOffCore(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*tls.Config)
		want   bool
	}{
		{"plain", func(*tls.Config) {}, false},
		{"client certificates", func(c *tls.Config) { c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, testPool() }, false},
		{"system roots", func(c *tls.Config) { c.ClientAuth = tls.RequireAndVerifyClientCert }, true},
		{"GetCertificate", func(c *tls.Config) {
			c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }
		}, true},
		{"GetConfigForClient", func(c *tls.Config) {
			c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, nil }
		}, true},
		{"VerifyConnection", func(c *tls.Config) { c.VerifyConnection = func(tls.ConnectionState) error { return nil } }, true},
		{"WrapSession", func(c *tls.Config) {
			c.WrapSession = func(tls.ConnectionState, *tls.SessionState) ([]byte, error) { return nil, nil }
		}, true},
		{"KeyLogWriter", func(c *tls.Config) { c.KeyLogWriter = &bytes.Buffer{} }, true},
		{"foreign key", func(c *tls.Config) {
			cert := testCert()
			cert.PrivateKey = foreignKey{cert.PrivateKey.(crypto.Signer)}
			c.Certificates = []tls.Certificate{cert}
		}, true},
	} {
		std := serverTLS(0)
		tc.change(std)
		cfg, err := NewConfig(std, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if cfg.OffCore() != tc.want {
			t.Errorf("%s: off the core is %v, want %v", tc.name, cfg.OffCore(), tc.want)
		}
	}
	if clientMayBlock(clientTLS()) {
		t.Error("a plain client runs off the core")
	}
	if !clientMayBlock(&tls.Config{ServerName: "x"}) {
		t.Error("a client that reads the system's roots runs on the core")
	}
}

func TestH2Permits(t *testing.T) {
	for _, tc := range []struct {
		version, suite uint16
		want           bool
	}{
		{tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256, true},
		{tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, true},
		{tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, false},
		{tls.VersionTLS12, tls.TLS_RSA_WITH_AES_128_GCM_SHA256, false},
		{tls.VersionTLS11, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, false},
	} {
		if got := H2Permits(&tls.ConnectionState{Version: tc.version, CipherSuite: tc.suite}); got != tc.want {
			t.Errorf("%x/%x: %v", tc.version, tc.suite, got)
		}
	}
}
