package socket

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SockaddrMax is the size of the largest raw sockaddr that AppendSockaddr makes, in bytes.
const SockaddrMax = unix.SizeofSockaddrInet6

// AppendSockaddr appends addr as the kernel's struct sockaddr_in or sockaddr_in6: what a driver.Connect op
// carries in Buf. An IPv4-mapped address is written as IPv4, the family that Socket chooses for it. See
// ip(7) and ipv6(7).
func AppendSockaddr(dst []byte, addr netip.AddrPort) []byte {
	ip := addr.Addr().Unmap()
	if ip.Is4() {
		dst = binary.NativeEndian.AppendUint16(dst, unix.AF_INET)
		dst = binary.BigEndian.AppendUint16(dst, addr.Port())
		a4 := ip.As4()
		dst = append(dst, a4[:]...)
		return append(dst, make([]byte, 8)...)
	}
	dst = binary.NativeEndian.AppendUint16(dst, unix.AF_INET6)
	dst = binary.BigEndian.AppendUint16(dst, addr.Port())
	dst = append(dst, 0, 0, 0, 0) // flow label
	a16 := ip.As16()
	dst = append(dst, a16[:]...)
	return binary.NativeEndian.AppendUint32(dst, zoneIndex(ip.Zone()))
}

// sockaddr is addr in x/sys form, for bind. family decides: an IPv4 address in an IPv6 socket is only
// ever the unspecified one.
func sockaddr(family int, addr netip.AddrPort) unix.Sockaddr {
	ip := addr.Addr().Unmap()
	if family == unix.AF_INET {
		sa := &unix.SockaddrInet4{Port: int(addr.Port())}
		if ip.Is4() {
			sa.Addr = ip.As4()
		}
		return sa
	}
	sa := &unix.SockaddrInet6{Port: int(addr.Port())}
	if ip.Is6() {
		sa.Addr, sa.ZoneId = ip.As16(), zoneIndex(ip.Zone())
	}
	return sa
}

// name asks for a socket's own (getsockname) or the peer's (getpeername) address. x/sys has the same calls,
// but they allocate, and this runs once per accepted connection.
func name(call uintptr, fd int) (netip.AddrPort, error) {
	var sa unix.RawSockaddrAny
	size := uint32(unix.SizeofSockaddrAny)
	_, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return netip.AddrPort{}, errno
	}
	return loadSockaddr(&sa)
}

// loadSockaddr reads what the kernel wrote. A family that is not IP is EAFNOSUPPORT.
func loadSockaddr(sa *unix.RawSockaddrAny) (netip.AddrPort, error) {
	switch sa.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), hostPort(in.Port)), nil
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
		ip := netip.AddrFrom16(in.Addr).Unmap()
		if in.Scope_id != 0 && ip.Is6() {
			ip = ip.WithZone(zoneName(in.Scope_id))
		}
		return netip.AddrPortFrom(ip, hostPort(in.Port)), nil
	}
	return netip.AddrPort{}, unix.EAFNOSUPPORT
}

// hostPort turns a port from network order as it lies in memory into a number.
func hostPort(p uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], p)
	return binary.BigEndian.Uint16(b[:])
}

// zoneIndex is the interface index of a zone: its name, or a number as netip allows. Unknown: 0, which
// the kernel refuses for a link-local address.
func zoneIndex(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if ifi, err := net.InterfaceByName(zone); err == nil {
		return uint32(ifi.Index)
	}
	n, err := strconv.ParseUint(zone, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// zoneName is the interface's name, or its number when it has gone.
func zoneName(index uint32) string {
	if ifi, err := net.InterfaceByIndex(int(index)); err == nil {
		return ifi.Name
	}
	return strconv.FormatUint(uint64(index), 10)
}

// familyOf is the address family of a socket that will be connected to ip.
func familyOf(network string, ip netip.Addr) (int, error) {
	is4 := ip.Unmap().Is4()
	switch {
	case !ip.IsValid():
		return 0, fmt.Errorf("percore: socket %s: no address given", network)
	case network == "tcp" && is4, network == "tcp4" && is4:
		return unix.AF_INET, nil
	case network == "tcp" && !is4, network == "tcp6" && !is4:
		return unix.AF_INET6, nil
	}
	return 0, wrongFamily(network, ip)
}

// wrongFamily says why network and ip do not fit.
func wrongFamily(network string, ip netip.Addr) error {
	switch network {
	case "tcp", "tcp4", "tcp6":
		return fmt.Errorf("percore: address %s does not belong to network %q: use \"tcp\" for both families: %w", ip, network, unix.EAFNOSUPPORT)
	}
	return fmt.Errorf("percore: network %q is not supported: use \"tcp\", \"tcp4\" or \"tcp6\": %w", network, unix.EAFNOSUPPORT)
}
