package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"

	"github.com/percore/percore/runtime"
)

// options are the flags, checked.
type options struct {
	addr, tlsAddr, debugAddr string // "" switches a port off
	cert, key                string // PEM files; both or neither
	cores                    int    // 0: as many as the process may use
	pin                      coreruntime.PinMode
	driver                   coreruntime.DriverMode
	restrict                 bool // rings do network operations only
	off                      coreruntime.Off
}

// coresMax is what the runtime takes; more is a slip of the finger.
const coresMax = 1024

// flagsGood is parseFlags' status for going on; others are exit statuses.
const flagsGood = -1

func parseFlags(args []string, errOut io.Writer) (options, int) {
	var o options
	driver, off := "auto", ""
	set := flag.NewFlagSet("server", flag.ContinueOnError)
	set.SetOutput(errOut)
	set.StringVar(&o.addr, "addr", ":8080", "cleartext `address` (HTTP/2 with prior knowledge); empty: none")
	set.StringVar(&o.tlsAddr, "tls-addr", ":8443", "TLS `address` (ALPN h2); empty: none")
	set.StringVar(&o.cert, "cert", "", "certificate chain, a PEM `file`; without it a development certificate is made in memory")
	set.StringVar(&o.key, "key", "", "private key, a PEM `file`")
	set.IntVar(&o.cores, "cores", 0, "`number` of cores; 0: the CPUs this process may use")
	set.Var((*pinFlag)(&o.pin), "pin", "bind each core's thread to a CPU: auto, always (also a bare -pin) or never")
	set.StringVar(&driver, "driver", driver, "auto, uring or epoll")
	set.BoolVar(&o.restrict, "restrict", false, "let the rings do network operations only (IORING_REGISTER_RESTRICTIONS)")
	set.StringVar(&off, "off", "", "`features` not to use: no-sqarray, registered-ring, registered-wait, no-iowait, inline-send")
	set.StringVar(&o.debugAddr, "debug-addr", "", "`address` for metrics and pprof; keep it private; empty: none")
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, 0
		}
		return o, 2
	}
	if err := o.check(set.Args(), driver, off); err != nil {
		fmt.Fprintln(errOut, "server:", err, "(-help lists the flags)")
		return o, 2
	}
	return o, flagsGood
}

func (o *options) check(rest []string, driver, off string) (err error) {
	if o.off, err = coreruntime.ParseOff(off); err != nil {
		return fmt.Errorf("-off: %w", err)
	}
	if o.driver, err = coreruntime.ParseDriverMode(driver); err != nil {
		return fmt.Errorf("-driver: %w", err)
	}
	switch {
	case len(rest) > 0:
		return fmt.Errorf("%q is not a flag", rest[0])
	case o.cores < 0 || o.cores > coresMax:
		return fmt.Errorf("-cores %d: say 0 to %d", o.cores, coresMax)
	case (o.cert == "") != (o.key == ""):
		return errors.New("-cert and -key belong together: give both, or neither for a development certificate")
	case o.addr == "" && o.tlsAddr == "":
		return errors.New("-addr and -tls-addr are both empty: there is nothing to serve")
	}
	for _, a := range []struct{ flag, addr string }{{"-addr", o.addr}, {"-tls-addr", o.tlsAddr}, {"-debug-addr", o.debugAddr}} {
		if a.addr == "" {
			continue
		}
		if _, err := net.ResolveTCPAddr("tcp", a.addr); err != nil {
			return fmt.Errorf("%s %q: say host:port or :port: %w", a.flag, a.addr, err)
		}
	}
	return nil
}

// pinFlag lets -pin stand alone, and take a word.
type pinFlag coreruntime.PinMode

var pinWords = map[string]coreruntime.PinMode{
	"auto": coreruntime.PinAuto, "always": coreruntime.PinAlways, "true": coreruntime.PinAlways,
	"never": coreruntime.PinNever, "false": coreruntime.PinNever,
}

func (p *pinFlag) IsBoolFlag() bool { return true }

func (p *pinFlag) String() string {
	for _, w := range []string{"auto", "always", "never"} {
		if pinWords[w] == coreruntime.PinMode(*p) {
			return w
		}
	}
	return ""
}

func (p *pinFlag) Set(s string) error {
	mode, ok := pinWords[s]
	if !ok {
		return errors.New("say auto, always or never")
	}
	*p = pinFlag(mode)
	return nil
}
