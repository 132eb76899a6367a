"""Traffic for the corpus: small conversations over loopback, each named by its first argument.

Only whoever makes entries again needs it; the tests read what was captured.
"""

import socket
import struct
import sys
import time


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def tcp(address, port, *lines):
    """A connection; the client sends the lines and waits for each answer, then closes. `hold` keeps it open."""
    server = socket.create_server((address, int(port)), family=family(address))
    client = socket.create_connection((address, int(port)))
    peer, _ = server.accept()
    for line in lines:
        if line == "hold":
            hold(client, peer)
            return
        client.sendall(line.encode() + b"\r\n")
        peer.recv(4096)
        peer.sendall(b"200 ok\r\n")
        client.recv(4096)
    client.close()
    peer.close()
    time.sleep(0.1)


def hold(*sockets):
    """The capture ends before this does, and the sockets with the namespace."""
    import os
    if os.fork() == 0:
        for stream in (0, 1, 2):
            os.close(stream)
        os.setsid()
        time.sleep(1.5)
        os._exit(0)


def datagrams(address, port, protocol, count):
    server = socket.socket(family(address), socket.SOCK_DGRAM, protocol)
    server.bind((address, int(port)))
    client = socket.socket(family(address), socket.SOCK_DGRAM, protocol)
    client.bind((address, 40000))
    for _ in range(int(count)):
        client.sendto(b"ping", (address, int(port)))
        _, peer = server.recvfrom(100)
        server.sendto(b"pong", peer)
        client.recvfrom(100)


def udp(address, port, count="1"):
    datagrams(address, port, socket.IPPROTO_UDP, count)


def udplite(address, port, count="1"):
    datagrams(address, port, 136, count)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def echo(address):
    """One echo request; the kernel answers."""
    if family(address) == socket.AF_INET:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        body = struct.pack("!BBHHH", 8, 0, 0, 0x1234, 1)
        body = struct.pack("!BBHHH", 8, 0, checksum(body), 0x1234, 1)
    else:
        # The kernel fills in the checksum.
        raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58)
        body = struct.pack("!BBHHH", 128, 0, 0, 0x1234, 1)
    raw.sendto(body, (address, 0))
    time.sleep(0.1)


def packet(address, protocol, payload="00000000"):
    """One packet of any protocol, its payload in hexadecimal."""
    raw = socket.socket(family(address), socket.SOCK_RAW, int(protocol))
    raw.sendto(bytes.fromhex(payload), (address, 0))
    time.sleep(0.1)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def sctp(address, port):
    """INIT and INIT-ACK of an association, made by hand."""
    raw = socket.socket(family(address), socket.SOCK_RAW, 132)

    def chunk(src, dst, tag, kind, init_tag):
        cookie = b"\0\7\0\10cook" if kind == 2 else b""
        body = struct.pack("!BBHIIHHI", kind, 0, 20 + len(cookie), init_tag, 65535, 1, 1, 1) + cookie
        head = struct.pack("!HHI", src, dst, tag)
        crc = struct.pack("<I", crc32c(head + b"\0" * 4 + body))
        raw.sendto(head + crc + body, (address, 0))
        time.sleep(0.05)

    chunk(40000, int(port), 0, 1, 0xAABBCCDD)
    chunk(int(port), 40000, 0xAABBCCDD, 2, 0x11223344)


globals()[sys.argv[1]](*sys.argv[2:])
